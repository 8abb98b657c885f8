"""One bad record spoils nothing: its neighbours are acted on, it is kept as it came, and read again after an update."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from responder.core import payloads
from responder.flow import heard
from responder.simulator import bulletins, scenarios
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

POISON = b'{"category": "PostgreSQLLogs", "properties": [ 227 B blob data ]}'
WEB = {"web": {"port": 0, "webhook_secret": {"env": "TEST_WEBHOOK_SECRET"}, "token": {"env": "TEST_WEBHOOK_SECRET"}}}


def record(night: nights.Night, **changes: Any) -> dict[str, Any]:
    """The record that a diagnostic setting makes of the outage."""
    described = scenarios.Bulletin.model_validate({**nights.BULLETIN, "impact_start": "-PT10M", **changes})
    (told,) = described.published(night.clock.now(), subscription_ids=(nights.SUBSCRIPTION,), landmarks={})
    (found,) = bulletins.diagnostic_record(told)["records"]
    return dict(found)


async def on_the_hub(night: nights.Night, *bodies: bytes) -> None:
    """Publish, and wait until the daemon has them."""
    arrived = (await night.store.intake.counts())["arrivals"]
    async with night.hearing_the_hub():
        for body in bodies:
            night.sim.broker.publish(nights.HUB, body)

        async def all_here() -> bool:
            return bool((await night.store.intake.counts())["arrivals"] == arrived + len(bodies))

        await nights.until(all_here)
    await night.turn()


async def quarantined(night: nights.Night) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await heard.quarantine(night.store, 100))["quarantine"]
    return found


async def open_outages(night: nights.Night) -> set[str]:
    return {outage.tracking_id for outage in await night.store.outages.list()}


async def test_a_poisoned_record_beside_a_valid_one_costs_nothing(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    await night.passes("10m")
    around = [json.dumps(record(night, tracking_id=name)).encode() for name in ("8TGK-9Q0", "9UHL-0R1")]
    body = b'{"records": [' + b", ".join([around[0], POISON, around[1]]) + b"]}"
    await on_the_hub(night, body)
    await night.passes("5m")

    assert await open_outages(night) == {"8TGK-9Q0", "9UHL-0R1"}
    assert len(await night.runs()) == 1, "and they are acted on"
    (piece,) = await quarantined(night)
    assert piece["raw"].startswith(POISON.decode())


async def test_the_stream_goes_on_after_messages_that_nobody_can_read(fall: Fall) -> None:
    night = await fall()
    bad = (b"", b"\xff\xfe\x00", b"rubbish", b"[" * 100_000, b"\x1f\x8b broken", POISON, b'"text"', b"7")
    await on_the_hub(night, *bad, json.dumps({"records": [record(night)]}).encode())

    assert await open_outages(night) == {"8TGK-9Q0"}
    counts = await night.store.intake.counts()
    assert (counts["pending"], counts["quarantined"], counts["events"]) == (0, len(bad), 1)


@pytest.fixture
def old_parser(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A parser of before: it does not know diagnostic records yet. Called, it is updated."""
    parse = payloads.parse

    def knows_less(body: bytes) -> payloads.Parsed:
        parsed = parse(body)
        if b'"records"' not in body:
            return parsed
        return payloads.Parsed((), (payloads.Unreadable("of no shape we know", "records[0]", body[:100]),))

    monkeypatch.setattr(payloads, "parse", knows_less)
    return lambda: monkeypatch.setattr(payloads, "parse", parse)


async def test_an_updated_parser_reads_what_was_kept_through_the_running_daemon(fall: Fall, old_parser: Any) -> None:
    night = await fall(**WEB)
    await night.region_down()
    await night.passes("10m")
    await on_the_hub(night, json.dumps({"records": [record(night)]}).encode(), b"rubbish")
    assert await open_outages(night) == set()
    assert len(await quarantined(night)) == 2

    old_parser()
    status, answer = await ask(night, {"all": True})
    assert (status, answer) == (200, {"arrivals": 2, "quarantined_before": 2})
    await night.turn()
    await night.passes("5m")

    assert await open_outages(night) == {"8TGK-9Q0"}
    assert len(await night.runs()) == 1
    assert [piece["raw"] for piece in await quarantined(night)] == ["rubbish"]
    await ask(night, {"all": True})
    await night.turn()
    assert [piece["raw"] for piece in await quarantined(night)] == ["rubbish"], "once, not twice"
    assert len(await night.runs()) == 1


async def test_what_was_kept_is_old_news_when_newer_was_heard(fall: Fall, old_parser: Any) -> None:
    night = await fall()
    await on_the_hub(night, json.dumps({"records": [record(night)]}).encode())
    await night.passes("10m")
    await night.tell(status="Resolved", impact_start="-PT20M", impact_mitigation="-PT1M")
    await night.turn()
    before = await night.store.outages.get(nights.OUTAGE_ID)
    old_parser()
    await heard_again(night)

    after = await night.store.outages.get(nights.OUTAGE_ID)
    assert after is not None
    assert before is not None
    assert (after.status, after.resolved_at, after.reopened) == (before.status, before.resolved_at, 0)


async def heard_again(night: nights.Night) -> None:
    await night.store.intake.reparse()
    await night.turn()


@pytest.mark.parametrize(
    "asked",
    [{}, {"ids": []}, {"all": False}, {"all": True, "ids": ["q1"]}, {"ids": "q1"}, {"ids": [1]}, {"ids": ["q9"]}],
)
async def test_asking_wrongly_reads_nothing_again(fall: Fall, asked: dict[str, Any]) -> None:
    night = await fall(**WEB)
    await nights.post(night, b"rubbish")
    await night.turn()
    status, _ = await ask(night, asked)

    assert status == 400
    assert (await night.store.intake.counts())["pending"] == 0


async def test_reading_again_wants_the_token(fall: Fall) -> None:
    night = await fall(**WEB)
    status, _ = await ask(night, {"all": True}, token="wrong")
    assert status == 401


async def ask(night: nights.Night, body: dict[str, Any], token: str = "s3cret") -> tuple[int, Any]:
    url = night.sim.publisher.webhooks[0].partition("/webhooks")[0] + "/api/v1/events/reparse"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()
