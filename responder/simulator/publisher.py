"""Delivers a bulletin as Azure's channels do: to event hubs, to the webhooks of an action group, to the list of events.

It shapes nothing (that is `bulletins`) and decides nothing (that is a scenario or the control endpoint). Webhooks are
retried in the background by the rules of action groups:
https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups ("Webhook")
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeAlias

import aiohttp
import structlog

from responder.simulator import bulletins

Outcome: TypeAlias = Literal["pending", "delivered", "refused", "given up", "silenced", "cancelled"]

RETRY_GAPS = tuple(timedelta(seconds=s) for s in (5, 20, 5, 40, 5))
"""Between the attempts on one webhook."""

SILENCE = timedelta(minutes=15)
"""For how long nothing is posted to a webhook that failed every attempt. What is published meanwhile is lost."""

RETRIED = frozenset({408, 429, 503, 504})
"""Answers that are worth another attempt; 500 and 502 are not, a connection error is."""

# Azure does not publish its time-out; this is what we call "well under a poll".
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=10)
_CHANNEL = re.compile(r"(?P<kind>hub|hub-alert):(?P<hub>[^:\s]+)|webhook|webhook-activity-log|rest")

log = structlog.get_logger(__name__)


class Hubs(Protocol):
    """The part of the broker that is needed here."""

    def publish(self, hub: str, body: bytes) -> tuple[int, int]:
        """Append an event; returns its partition and sequence number."""
        ...


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One bulletin on its way to one target. Changes until `outcome` is no longer pending."""

    at: datetime
    tracking_id: str
    communication_id: str
    channel: str
    target: str
    """A hub and partition, a URL, or the subscription whose events it is among."""
    outcome: Outcome = "pending"
    attempts: int = 0
    detail: str = ""
    """The last answer or error of a webhook."""

    def jsonable(self) -> dict[str, object]:
        """The delivery with its time in ISO 8601."""
        return {
            "at": self.at.isoformat(),
            "tracking_id": self.tracking_id,
            "communication_id": self.communication_id,
            "channel": self.channel,
            "target": self.target,
            "outcome": self.outcome,
            "attempts": self.attempts,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How an action group treats a webhook that fails; injectable because the real one takes minutes."""

    gaps: tuple[timedelta, ...] = RETRY_GAPS
    silence: timedelta = SILENCE


def check_channel(channel: str) -> str:
    """The channel itself. Raises ValueError that lists the channels there are."""
    if _CHANNEL.fullmatch(channel) is None:
        raise ValueError(
            f"'{channel}' is no channel; use hub:NAME, hub-alert:NAME, webhook, webhook-activity-log or rest"
        )
    return channel


def hub_of(channel: str) -> str | None:
    """The event hub that a channel ends in, or None."""
    match = _CHANNEL.fullmatch(channel)
    return match["hub"] if match else None


class Publisher:
    """Channels of one simulated cloud. `async with` it, or `close()` it: retries end there."""

    def __init__(
        self,
        *,
        hubs: Hubs,
        hub_names: Collection[str],
        events: list[dict[str, object]],
        webhooks: Sequence[str] = (),
        clock: Callable[[], datetime],
        patience: Patience | None = None,
    ) -> None:
        self.webhooks = list(webhooks)
        """URLs that both webhook channels post to; may be changed at any time."""
        self.deliveries: list[Delivery] = []
        """Everything ever published, oldest first."""
        self._hubs = hubs
        self._hub_names = frozenset(hub_names)
        self._events = events
        self._now = clock
        self._patience = patience or Patience()
        self._silent_until: dict[str, datetime] = {}
        self._session: aiohttp.ClientSession | None = None
        self._retrying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def publish(self, bulletin: bulletins.Bulletin, channels: Sequence[str], *, times: int = 1) -> tuple[Delivery, ...]:
        """Hand the bulletin to every channel, `times` times with identical payloads, as one outage fires several rules.

        Hubs and the events operation have it on return; webhooks are tried in the background, see `settle`. Raises
        ValueError for a channel or a hub that does not exist, before anything is delivered.
        """
        self.check(channels)
        made: list[Delivery] = []
        for _ in range(times):
            for channel in channels:
                made += self._hand_over(bulletin, channel)
        self.deliveries += made
        log.info(
            "bulletin.published",
            tracking_id=bulletin.tracking_id,
            stage=bulletin.stage,
            title=bulletin.title,
            channels=list(channels),
            times=times,
        )
        return tuple(made)

    def check(self, channels: Sequence[str]) -> None:
        """Raises ValueError when one of the channels does not exist here."""
        for channel in channels:
            hub = hub_of(check_channel(channel))
            if hub is not None and hub not in self._hub_names:
                known = ", ".join(sorted(self._hub_names)) or "none"
                raise ValueError(f"channel '{channel}': the estate has no such event hub; it has: {known}")

    async def settle(self) -> None:
        """Return when no webhook is being tried any more."""
        while self._retrying:
            await asyncio.wait(tuple(self._retrying))

    async def close(self) -> None:
        """Give up what is still being tried. Idempotent."""
        for task in tuple(self._retrying):
            task.cancel()
        await asyncio.gather(*self._retrying, return_exceptions=True)
        for delivery in self.deliveries:
            if delivery.outcome == "pending":
                delivery.outcome = "cancelled"
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _hand_over(self, bulletin: bulletins.Bulletin, channel: str) -> list[Delivery]:
        kind, _, hub = channel.partition(":")
        if kind == "rest":
            self._list(bulletin)
            return [self._delivery(bulletin, channel, bulletin.subscription_id, outcome="delivered")]
        if kind.startswith("hub"):
            shape = bulletins.diagnostic_record if kind == "hub" else bulletins.common_alert
            partition, sequence = self._hubs.publish(hub, _encode(shape(bulletin)))
            target = f"{hub}/{partition}/{sequence}"
            return [self._delivery(bulletin, channel, target, outcome="delivered")]
        shape = bulletins.common_alert if kind == "webhook" else bulletins.activity_log_alert
        if not self.webhooks:
            log.warning("webhook.nobody", channel=channel, remedy="give the simulator --webhook URL")
        body = _encode(shape(bulletin))
        made = [self._delivery(bulletin, channel, url) for url in self.webhooks]
        for delivery in made:
            self._start(delivery, body)
        return made

    def _delivery(
        self, bulletin: bulletins.Bulletin, channel: str, target: str, outcome: Outcome = "pending"
    ) -> Delivery:
        return Delivery(
            at=self._now(),
            tracking_id=bulletin.tracking_id,
            communication_id=bulletin.communication_id,
            channel=channel,
            target=target,
            outcome=outcome,
            attempts=0 if outcome == "pending" else 1,
        )

    def _list(self, bulletin: bulletins.Bulletin) -> None:
        """Put the event among those of its subscription, in place of what it was before this communication."""
        for position, known in enumerate(self._events):
            if known["name"] == bulletin.tracking_id and bulletin.subscription_id in _subscriptions(known):
                self._events[position] = bulletins.rest_event(bulletin, known)
                return
        self._events.append(bulletins.rest_event(bulletin))

    def _start(self, delivery: Delivery, body: bytes) -> None:
        task = asyncio.create_task(self._post(delivery, body), name=f"webhook {delivery.tracking_id}")
        self._retrying.add(task)
        task.add_done_callback(self._retrying.discard)

    async def _post(self, delivery: Delivery, body: bytes) -> None:
        """Try one webhook until it takes the body, refuses it, or patience ends."""
        silent_until = self._silent_until.get(delivery.target)
        if silent_until is not None and self._now() < silent_until:
            delivery.outcome = "silenced"
            log.warning("webhook.silenced", url=_bare(delivery.target), until=silent_until.isoformat())
            return
        for gap in (*self._patience.gaps, None):
            delivery.outcome = await self._attempt(delivery, body)
            if delivery.outcome != "pending":
                return
            log.info("webhook.failed", url=_bare(delivery.target), attempt=delivery.attempts, why=delivery.detail)
            if gap is not None:
                await asyncio.sleep(gap.total_seconds())
        delivery.outcome = "given up"
        self._silent_until[delivery.target] = self._now() + self._patience.silence
        log.warning("webhook.given_up", url=_bare(delivery.target), why=delivery.detail)

    async def _attempt(self, delivery: Delivery, body: bytes) -> Outcome:
        delivery.attempts += 1
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_CALL_TIMEOUT)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._session.post(delivery.target, data=body, headers=headers) as answer:
                delivery.detail = f"{answer.status}"
                if answer.status < 300:
                    return "delivered"
                return "pending" if answer.status in RETRIED else "refused"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            delivery.detail = f"{type(error).__name__}: {error}"
            return "pending"


def _encode(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()


def _subscriptions(event: dict[str, Any]) -> set[str]:
    impact = event["properties"]["impact"]
    return {
        subscription
        for one in impact
        for region in one["impactedRegions"]
        for subscription in region["impactedSubscriptions"]
    }


def _bare(url: str) -> str:
    """Without its query: that is where the webhook's secret is."""
    return url.partition("?")[0]
