"""`/readyz` tells idle from blind in a sentence, and `/metrics` tells the same to Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import parser

from responder import clock, settings
from responder.core import errors, hearing, servers, throttles
from responder.flow import braking, intake, listening, wakes
from responder.store import intake as rows
from responder.store import sqlite
from responder.web import desk, doorbell, server
from tests.contracts import samples as store_samples


@dataclass
class Ear:
    """A source whose proof has a certain age, in seconds; None: there is none."""

    name: str = "hub a.servicebus.windows.net/health"
    age: float | None = None
    running_for: float = 3600
    more: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> hearing.Facts:
        now = clock.now()
        return hearing.Facts(
            source=self.name,
            since=now - timedelta(seconds=self.running_for),
            proof_lasts=timedelta(minutes=1),
            proven_at=None if self.age is None else now - timedelta(seconds=self.age),
            **self.more,
        )


@dataclass
class Site:
    """A daemon's web server."""

    url: str
    port: int
    store: sqlite.Store
    session: aiohttp.ClientSession

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with self.session.get(f"{self.url}/readyz") as answer:
            return answer.status, await answer.json()

    async def metrics(self) -> dict[tuple[str, ...], float]:
        """Name and label values of every sample, by the library's own parser."""
        async with self.session.get(f"{self.url}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            text = await answer.text()
        families = parser.text_string_to_metric_families(text)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


@contextlib.asynccontextmanager
async def served(folder: Path, *ears: listening.Ear, known: bool = True, **more: Any) -> AsyncIterator[Site]:
    store = await sqlite.open_store(folder / "store.db")
    config = settings.Settings.model_validate({"web": {"port": 0}, **more})
    bell = wakes.Wake()
    behind = desk.Desk(
        config=config, store=store, intake=intake.Intake(store.intake, bell), playbooks={}, sources=ears,
        assess=bell, act=bell,
    )  # fmt: skip
    try:
        if known:
            found = servers.server_id(
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/orders"
            )
            one = servers.Server(
                id=found, name="orders", family=servers.Family.FLEXIBLE, subscription_id="s", resource_group="g",
                region="eastus2", tier="", sku="",
            )  # fmt: skip
            await store.estate.put_servers([one])
        async with server.running(behind) as port, aiohttp.ClientSession() as session:
            yield Site(f"http://127.0.0.1:{port}", port, store, session)
    finally:
        await store.close()


async def test_idle_is_ready_and_says_that_we_would_hear(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1)) as site:
        status, body = await site.ready()

    assert status == 200
    assert body["hearing"]["state"] == "idle"
    assert body["hearing"]["sentence"] == "Idle: nothing is happening, and we know that we would hear."
    assert body["sources"][0]["state"] == "idle"
    assert body["sources"][0]["lag"] == 0


async def test_all_blind_is_not_ready_and_says_why(tmp_path: Path) -> None:
    ear = Ear(age=600, more={"error": "StalledError: nothing arrives", "restarts": 3})
    async with served(tmp_path, ear) as site:
        status, body = await site.ready()

    assert status == 503
    assert body["hearing"]["state"] == "blind"
    assert "an outage would not be heard of" in body["hearing"]["sentence"]
    assert "StalledError: nothing arrives" in body["sources"][0]["sentence"]
    assert body["sources"][0]["restarts"] == 3


async def test_one_blind_source_is_told_and_does_not_take_the_others_out_of_service(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1), Ear("reconciliation", age=600)) as site:
        status, body = await site.ready()

    assert status == 200
    assert body["hearing"]["sentence"].endswith("But blind: reconciliation.")
    assert [source["state"] for source in body["sources"]] == ["idle", "blind"]


@pytest.mark.parametrize(("running_for", "status"), [(10.0, 503), (3600.0, 200)])
async def test_a_source_gets_its_time_to_prove_itself(tmp_path: Path, running_for: float, status: int) -> None:
    """Right after the start we are not ready; a source that never gets there does not keep us from it for ever."""
    async with served(tmp_path, Ear(age=1), Ear("reconciliation", running_for=running_for)) as site:
        assert (await site.ready())[0] == status


async def test_an_unknown_estate_is_not_ready(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1), known=False) as site:
        assert (await site.ready())[0] == 503


async def test_metrics_tell_each_source_and_the_intake(tmp_path: Path) -> None:
    """Names and labels are a promise."""
    busy = Ear("hub b", age=5, more={"waiting": 7, "restarts": 2, "accepted": 40})
    async with served(tmp_path, Ear(age=1), busy, Ear("reconciliation")) as site:
        arrivals = [rows.Arrival(source="webhook", key=str(n), body=b"?", received_at=clock.now()) for n in range(3)]
        await site.store.intake.append(arrivals)
        (first, *_) = await site.store.intake.pending()
        await site.store.intake.record(first.id, events=[], unreadable=[("not JSON", "0", b"?")], outages=[])
        samples = await site.metrics()

    assert samples["responder_source_state", "hub b", "idle"] == 1
    assert samples["responder_source_state", "hub b", "blind"] == 0
    assert samples["responder_source_state", "reconciliation", "blind"] == 1
    assert samples["responder_source_state", "all sources", "idle"] == 1
    assert samples["responder_source_lag_events", "hub b"] == 7
    assert samples["responder_source_restarts_total", "hub b"] == 2
    assert samples["responder_source_events_accepted_total", "hub b"] == 40
    assert samples["responder_source_last_receive_seconds", "hub b"] == pytest.approx(5, abs=1)
    assert ("responder_source_last_event_seconds", "hub b") not in samples
    assert ("responder_source_last_receive_seconds", "reconciliation") not in samples
    assert samples[("responder_intake_arrivals",)] == 3
    assert samples[("responder_intake_pending",)] == 2
    assert samples[("responder_intake_events",)] == 0
    assert samples[("responder_intake_quarantined",)] == 1
    assert {name for name, *_ in samples} <= {
        f"responder_source_{name}"
        for name in (
            "state", "lag_events", "last_event_seconds", "last_receive_seconds", "restarts_total",
            "events_accepted_total",
        )
    } | {f"responder_intake_{name}" for name in ("arrivals", "pending", "events", "quarantined")} | {
        "responder_shadow", "responder_frozen", "responder_runs_waiting", "responder_instances", "responder_servers",
        "responder_outages_open", "responder_announcements_undelivered", "responder_announcements_oldest_seconds",
        "responder_store_refused_seconds",
    }  # fmt: skip
    assert samples["responder_shadow", "everything"] == 0


async def test_shadow_mode_is_told_by_both(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1), mode="shadow") as site:
        _, body = await site.ready()
        samples = await site.metrics()
    assert (body["mode"], body["shadow"]) == ("shadow", ["everything"])
    assert samples["responder_shadow", "everything"] == 1

    async with served(tmp_path, Ear(age=1), shadow_regions=["eastus2"]) as site:
        _, body = await site.ready()
        samples = await site.metrics()
    assert (body["mode"], body["shadow"]) == ("act", ["eastus2"])
    assert (samples["responder_shadow", "everything"], samples["responder_shadow", "eastus2"]) == (0, 1)


async def test_a_store_that_takes_no_writes_is_told_by_both_though_it_can_be_read(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1)) as site:
        status, body = await site.ready()
        assert (status, body["store"]) == (200, {"writable": True, "since": None, "error": None})
        assert (await site.metrics())["responder_store_refused_seconds",] == 0
        (row,) = await site.store.database.rows("PRAGMA page_count")
        await site.store.database.rows(f"PRAGMA max_page_count = {row[0]}")
        with pytest.raises(errors.StoreError):
            await site.store.outbox.put([store_samples.announcement("x" * 100_000)])
        status, body = await site.ready()
        assert (status, body["ready"], body["store"]["writable"]) == (503, False, False)
        assert "Free space" in body["store"]["error"]
        assert (await site.metrics())["responder_store_refused_seconds",] > 0

        await site.store.database.rows("PRAGMA max_page_count = 100000")
        await site.store.outbox.put([store_samples.announcement("a")])
        status, body = await site.ready()
        assert (status, body["store"]["writable"]) == (200, True)


async def test_a_freeze_is_in_the_metrics_with_who_why_and_until_when(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1)) as site:
        assert (await site.metrics())["responder_frozen", "all"] == 0
        asked = braking.Asked(by="ana", reason="a change", region="eastus2", lasts=timedelta(hours=2))
        await braking.freeze(site.store, asked, clock.now())
        samples = await site.metrics()
        _, body = await site.ready()
    assert (samples["responder_frozen", "all"], samples["responder_frozen", "region:eastus2"]) == (0, 1)
    assert samples["responder_freeze_info", "ana", "a change", "region:eastus2"] == 1
    assert 0 < samples["responder_freeze_ends_seconds", "region:eastus2"] <= 7200
    assert "ana froze East US 2" in body["frozen"][0]["sentence"]


async def test_what_azure_says_of_its_budgets_is_in_the_metrics(tmp_path: Path) -> None:
    now = clock.now()
    bucket = throttles.Bucket(seen_at=now, remaining=7, blocked_until=now + timedelta(minutes=5))
    async with served(tmp_path, Ear(age=1)) as site:
        await site.store.throttles.put({("sub", throttles.Kind.DELETES): bucket})
        samples = await site.metrics()
    assert 7 <= samples["responder_azure_budget_left", "deletes", "sub"] < 800
    assert 0 < samples["responder_azure_refused_seconds", "deletes", "sub"] <= 300


async def test_runs_are_counted_by_what_they_wait_for_and_one_process_is_one_instance(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1)) as site:
        await site.store.runs.submit(store_samples.run("a"))
        samples = await site.metrics()
    assert samples["responder_runs_waiting", "nothing"] == 1
    assert samples["responder_runs_waiting", "approval"] == samples["responder_runs_waiting", "quarantine"] == 0
    assert (samples["responder_instances", "daemon"], samples["responder_instances", "command line"]) == (1, 0)


async def test_what_waits_to_be_told_is_in_the_metrics(tmp_path: Path) -> None:
    async with served(tmp_path, Ear(age=1)) as site:
        quiet = await site.metrics()
        await site.store.outbox.put([store_samples.announcement("a"), store_samples.announcement("b")])
        ((first, _, _), _) = await site.store.outbox.due(clock.now())
        await site.store.outbox.failed(first, clock.now(), "nobody there")
        await site.store.outages.put([store_samples.outage()])
        samples = await site.metrics()
    names = ("new", "failing")
    assert [quiet["responder_announcements_undelivered", name] for name in names] == [0, 0]
    assert [samples["responder_announcements_undelivered", name] for name in names] == [1, 1]
    assert quiet["responder_announcements_oldest_seconds",] == 0 < samples["responder_announcements_oldest_seconds",]
    assert (quiet["responder_outages_open",], samples["responder_outages_open",]) == (0, 1)
    assert samples["responder_servers",] == 1


async def test_the_doorbell_proves_that_our_door_opens(tmp_path: Path) -> None:
    """And says so when it does not."""
    door = listening.Door("webhooks", ["webhook"], intake.Intake(None, wakes.Wake()), None)  # type: ignore[arg-type]

    async def rung(port: int) -> None:
        task = asyncio.create_task(doorbell.ring("0.0.0.0", port, door))
        try:
            async with asyncio.timeout(20):
                while door.open_at is None and door.error is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async with served(tmp_path) as site:
        await rung(site.port)
        assert door.open_at is not None
    door.open_at = None
    await rung(site.port)
    assert "does not answer" in str(door.error)
