"""How a bulletin reaches its targets: which body on which channel, how often, and what happens when a webhook fails."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog.testing
from aiohttp import web

from responder.simulator import bulletins, publisher

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
AT_ONCE = publisher.Patience(gaps=(timedelta(0),) * 5)


def bulletin(**changes: Any) -> bulletins.Bulletin:
    values: dict[str, Any] = {
        "tracking_id": "LWT0-4XB",
        "subscription_id": "s-1",
        "title": "Outage",
        "updated_at": NOW,
        "impact_start": NOW,
        "services": ("Virtual Machines",),
        "regions": ("eastus2",),
    }
    return bulletins.Bulletin(**(values | changes))


class Hub:
    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    def publish(self, hub: str, body: bytes) -> tuple[int, int]:
        self.bodies.append(json.loads(body))
        return 0, len(self.bodies) - 1


class Endpoint:
    """A webhook that answers what it is told to, then 200."""

    def __init__(self) -> None:
        self.answers: list[int | None] = []
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        status = self.answers.pop(0) if self.answers else 200
        if status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=status)


@asynccontextmanager
async def listening() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/hook", endpoint.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield endpoint
    finally:
        await runner.cleanup()


class Office:
    """A publisher with everything around it."""

    def __init__(self, *webhooks: str, patience: publisher.Patience = AT_ONCE) -> None:
        self.hub = Hub()
        self.events: list[dict[str, object]] = []
        self.time = NOW
        self.publisher = publisher.Publisher(
            hubs=self.hub,
            hub_names={"events"},
            events=self.events,
            webhooks=webhooks,
            clock=lambda: self.time,
            patience=patience,
        )


async def test_each_channel_gets_its_own_shape():
    told = bulletin()
    async with listening() as endpoint:
        office = Office(endpoint.url)
        async with office.publisher as publishing:
            publishing.publish(told, ["hub:events", "hub-alert:events", "webhook", "webhook-activity-log", "rest"])
            await publishing.settle()
    assert office.hub.bodies == [bulletins.diagnostic_record(told), bulletins.common_alert(told)]
    assert sorted(body["schemaId"] for body in endpoint.bodies) == [
        "Microsoft.Insights/activityLogs",
        "azureMonitorCommonAlertSchema",
    ]
    assert office.events == [bulletins.rest_event(told)]
    assert {d.outcome for d in office.publisher.deliveries} == {"delivered"}


async def test_several_rules_deliver_the_same_payload_several_times_but_the_event_is_listed_once():
    async with listening() as endpoint:
        office = Office(endpoint.url)
        async with office.publisher as publishing:
            publishing.publish(bulletin(), ["hub:events", "webhook", "rest"], times=3)
            await publishing.settle()
    assert len(office.hub.bodies) == len(endpoint.bodies) == 3
    assert all(body == office.hub.bodies[0] for body in office.hub.bodies)
    assert all(body == endpoint.bodies[0] for body in endpoint.bodies)
    assert len(office.events) == 1


async def test_an_update_takes_the_place_of_the_event_of_its_own_subscription_only():
    office = Office()
    async with office.publisher as publishing:
        publishing.publish(bulletin(), ["rest"])
        publishing.publish(bulletin(subscription_id="s-2"), ["rest"])
        publishing.publish(bulletin(status="Resolved", updated_at=NOW + timedelta(hours=1)), ["rest"])
    states = [event["properties"]["status"] for event in office.events]  # type: ignore[index]
    assert states == ["Resolved", "Active"]


@pytest.mark.parametrize("status", [408, 429, 503, 504, None], ids=lambda s: "cut" if s is None else str(s))
async def test_a_webhook_that_is_busy_or_unreachable_is_tried_again(status: int | None):
    async with listening() as endpoint:
        endpoint.answers = [status, status]
        async with Office(endpoint.url).publisher as publishing:
            (delivery,) = publishing.publish(bulletin(), ["webhook"])
            await publishing.settle()
    assert (delivery.outcome, delivery.attempts) == ("delivered", 3)


@pytest.mark.parametrize("status", [400, 401, 403, 500, 502])
async def test_a_webhook_that_answers_any_other_error_is_not_tried_again(status: int):
    async with listening() as endpoint:
        endpoint.answers = [status]
        async with Office(endpoint.url).publisher as publishing:
            (delivery,) = publishing.publish(bulletin(), ["webhook"])
            await publishing.settle()
    assert (delivery.outcome, delivery.attempts, delivery.detail) == ("refused", 1, str(status))


async def test_after_six_attempts_a_webhook_is_left_alone_for_a_quarter_of_an_hour_and_that_is_lost():
    async with listening() as endpoint:
        endpoint.answers = [503] * 6
        office = Office(endpoint.url)
        async with office.publisher as publishing:
            (first,) = publishing.publish(bulletin(), ["webhook"])
            await publishing.settle()
            assert (first.outcome, first.attempts) == ("given up", 6)

            office.time += timedelta(minutes=14)
            (second,) = publishing.publish(bulletin(status="Resolved"), ["webhook"])
            await publishing.settle()
            assert (second.outcome, second.attempts) == ("silenced", 0)

            office.time += timedelta(minutes=1)
            (third,) = publishing.publish(bulletin(stage="RCA"), ["webhook"])
            await publishing.settle()
            assert third.outcome == "delivered"
    assert [body["data"]["alertContext"]["properties"]["stage"] for body in endpoint.bodies[5:]] == ["Active", "RCA"]


def test_the_gaps_are_those_of_an_action_group():
    assert [gap.total_seconds() for gap in publisher.RETRY_GAPS] == [5, 20, 5, 40, 5]


async def test_the_secret_in_a_webhooks_url_is_not_logged():
    async with listening() as endpoint:
        endpoint.answers = [503] * 6
        office = Office(f"{endpoint.url}?code=hunter2")
        with structlog.testing.capture_logs() as logged:
            async with office.publisher as publishing:
                publishing.publish(bulletin(), ["webhook"])
                await publishing.settle()
                publishing.publish(bulletin(status="Resolved"), ["webhook"])
                await publishing.settle()
    assert {"webhook.failed", "webhook.given_up", "webhook.silenced"} <= {line["event"] for line in logged}
    assert "hunter2" not in str(logged)


async def test_closing_gives_up_what_is_still_being_tried():
    async with listening() as endpoint:
        endpoint.answers = [503]
        office = Office(endpoint.url, patience=publisher.Patience(gaps=(timedelta(hours=1),)))
        (delivery,) = office.publisher.publish(bulletin(), ["webhook"])
        await office.publisher.close()
    assert delivery.outcome == "cancelled"


@pytest.mark.parametrize(
    ("channel", "complaint"),
    [
        pytest.param("pigeon", "'pigeon' is no channel; use hub:NAME", id="no such channel"),
        pytest.param("hub:", "'hub:' is no channel", id="a hub without a name"),
        pytest.param("hub:other", "no such event hub; it has: events", id="no such hub"),
    ],
)
async def test_nothing_is_delivered_when_one_of_the_channels_does_not_exist(channel: str, complaint: str):
    office = Office()
    async with office.publisher as publishing:
        with pytest.raises(ValueError, match=complaint):
            publishing.publish(bulletin(), ["rest", channel])
    assert office.events == []
    assert office.publisher.deliveries == []


async def test_without_webhooks_the_other_channels_are_served():
    office = Office()
    async with office.publisher as publishing:
        made = publishing.publish(bulletin(), ["webhook", "rest"])
    assert [delivery.channel for delivery in made] == ["rest"]
