"""The levers under /sim, over HTTP, on a whole simulator without a data plane; and the life of that simulator."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from responder.simulator import estates, inbox, scenarios, server, switches

BULLETIN = {"tracking_id": "LWT0-4XB", "title": "Outage", "regions": ["East US 2"], "impact_start": "-PT5M"}
SHORT = """
title: Short
steps:
  - at: 0
    bulletin: {tracking_id: LWT0-4XB, title: Outage, regions: [East US 2]}
    channels: [hub:health-events]
  - {at: 0, end: true}
"""


class Desk:
    """Somebody at the control endpoint."""

    def __init__(self, sim: server.Simulator, session: aiohttp.ClientSession) -> None:
        self.sim = sim
        self._session = session

    async def get(self, path: str, **query: str) -> Any:
        async with self._session.get(f"{self.sim.http}/sim/{path}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        async with self._session.post(f"{self.sim.http}/sim/{path}", json=body) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Desk]:
    options = {"data_plane": False, **options}
    async with (
        server.running(estates.load_shipped("small"), server.Options(**options)) as sim,
        aiohttp.ClientSession() as session,
    ):
        yield Desk(sim, session)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as found:
        yield found


async def test_a_region_goes_down_and_comes_back_by_any_spelling_of_its_name(desk: Desk):
    assert await desk.post("regions/East%20US%202/down") == (200, {"regions_down": ["eastus2"]})
    assert desk.sim.world.region_down("eastus2")
    assert (await desk.get("state"))["regions_down"] == ["eastus2"]
    assert await desk.post("regions/eastus2/up") == (200, {"regions_down": []})


async def test_a_region_that_does_not_exist_is_answered_404(desk: Desk):
    status, answer = await desk.post("regions/atlantis/down")
    assert status == 404
    assert "'atlantis' is not an Azure region" in answer["error"]


async def test_a_bulletin_is_published_on_its_channels(desk: Desk):
    body = {"bulletin": BULLETIN, "channels": ["hub:health-events", "rest"], "times": 2}
    status, answer = await desk.post("bulletins", body)
    assert status == 202
    assert [d["outcome"] for d in answer["deliveries"]] == ["delivered"] * 4
    events = desk.sim.broker.events("health-events")
    assert [json.loads(e.body)["records"][0]["properties"]["trackingId"] for e in events] == ["LWT0-4XB"] * 2
    assert [event["name"] for event in desk.sim.world.events] == ["LWT0-4XB"]
    assert (await desk.get("state"))["deliveries"] == answer["deliveries"]


async def test_a_bulletin_can_refer_to_a_region_that_somebody_took_down_by_hand(desk: Desk):
    body = {"bulletin": {**BULLETIN, "impact_start": "region_down"}, "channels": ["rest"]}
    status, answer = await desk.post("bulletins", body)
    assert (status, answer["error"]) == (
        400,
        "bulletin LWT0-4XB: 'region_down' has not happened yet; give a time instead",
    )
    await desk.post("regions/eastus2/down")
    status, _ = await desk.post("bulletins", body)
    assert status == 202


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        pytest.param({"bulletin": BULLETIN, "channels": []}, "body: channels: Tuple should have at least 1", id="none"),
        pytest.param({"bulletin": BULLETIN, "channels": ["hub:other"]}, "it has: health-events", id="no such hub"),
        pytest.param({"bulletin": {}, "channels": ["rest"]}, "body: bulletin.tracking_id: Field required", id="empty"),
        pytest.param([], "has to be a JSON object", id="not an object"),
    ],
)
async def test_a_bulletin_that_cannot_be_published_is_answered_400_with_the_reason(
    desk: Desk, body: Any, complaint: str
):
    status, answer = await desk.post("bulletins", body)
    assert status == 400
    assert complaint in answer["error"]
    assert desk.sim.publisher.deliveries == []


async def test_faults_are_armed_by_name_with_durations_as_text(desk: Desk):
    status, answer = await desk.post("faults/throttle", {"kind": "write", "count": 2, "retry_after": "PT3S"})
    assert (status, answer["faults"]["throttle"]) == (200, [{"kind": "write", "left": 2}])
    await desk.post("faults/down", {"hangs": True})
    assert desk.sim.world.faults.down_hangs
    await desk.post("faults/hub_freeze")
    assert desk.sim.broker.faults.frozen
    await desk.post("faults/hub_thaw")
    assert not desk.sim.broker.faults.frozen
    status, answer = await desk.post("faults/clear")
    assert answer["faults"]["throttle"] == []


async def test_a_hub_whose_port_was_shut_listens_again_on_the_same_port(desk: Desk):
    port = desk.sim.broker.port
    await desk.post("faults/hub_refuse_connections")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await desk.post("faults/hub_accept_connections")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


async def test_every_fault_that_is_offered_exists(desk: Desk):
    needed: dict[str, Any] = {
        "throttle": {"kind": "read"},
        "fail_operation": {"pattern": "*"},
        "slow_operation": {"pattern": "*", "by": 1},
        "refuse_capacity": {"region": "centralus"},
        "answer": {"method": "GET", "pattern": "*", "status": 500},
        "drop_answer": {"method": "PUT", "pattern": "*"},
    }
    for kind in sorted(switches.KINDS):
        status, answer = await desk.post(f"faults/{kind}", needed.get(kind, {}))
        assert status == 200, (kind, answer)


async def test_an_unknown_fault_is_answered_404_and_a_wrong_argument_400(desk: Desk):
    status, answer = await desk.post("faults/earthquake", {})
    assert status == 404
    assert "choose one of answer, clear, down" in answer["error"]
    status, answer = await desk.post("faults/throttle", {"kind": "write", "often": 2})
    assert status == 400
    assert "fault throttle: often: Unexpected keyword argument" in answer["error"]


async def test_the_inbox_keeps_what_is_posted_to_it(desk: Desk):
    assert await desk.post("inbox", {"text": "Outage in East US 2"}) == (202, {"letters": 1})
    letters = (await desk.get("inbox"))["letters"]
    assert [(letter["content_type"], letter["body"]) for letter in letters] == [
        ("application/json", {"text": "Outage in East US 2"})
    ]


async def test_a_letter_can_be_waited_for(desk: Desk):
    async def later() -> None:
        await desk.post("inbox", "first")
        await desk.post("inbox", "second")

    def is_second(letter: inbox.Letter) -> bool:
        return letter.body == "second"

    letter, _ = await asyncio.gather(desk.sim.inbox.wait_for(is_second), later())
    assert letter.body == "second"


async def test_the_ledger_is_told_by_method_region_and_time_and_the_control_endpoint_is_not_in_it(desk: Desk):
    subscription = desk.sim.environment["SIM_SUBSCRIPTION"]
    group = f"/subscriptions/{subscription}/resourceGroups/rg-orders"
    path = f"{group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/orders?api-version=2026-10-01"
    async with (
        aiohttp.ClientSession(headers={"Authorization": "Bearer opaque"}) as session,
        session.get(f"{desk.sim.http}{path}") as answer,
    ):
        assert answer.status == 200
    entries = (await desk.get("ledger"))["entries"]
    assert [(entry["method"], entry["region"]) for entry in entries] == [("GET", "eastus2")]
    assert (await desk.get("ledger", region="East US 2", method="get"))["entries"] == entries
    assert (await desk.get("ledger", method="PUT"))["entries"] == []
    assert (await desk.get("ledger", since="2999-01-01T00:00:00Z"))["entries"] == []


async def test_a_scenario_starts_on_request_and_only_once():
    async with opened(scenario=scenarios.parse(SHORT)) as desk:
        assert (await desk.get("scenario"))["state"] == "waiting"
        assert desk.sim.broker.events("health-events") == []
        status, _ = await desk.post("scenario/start")
        assert status == 202
        async with asyncio.timeout(5):
            await desk.sim.player.over()
        assert (await desk.get("scenario"))["state"] == "ended"
        assert len(desk.sim.broker.events("health-events")) == 1
        status, answer = await desk.post("scenario/start")
        assert (status, answer["error"]) == (409, "the scenario is ended; it plays once, start the simulator again")


async def test_webhooks_are_posted_to_the_urls_the_simulator_was_given(desk: Desk):
    desk.sim.publisher.webhooks.append(f"{desk.sim.http}/sim/inbox")
    await desk.post("bulletins", {"bulletin": BULLETIN, "channels": ["webhook"]})
    letter = await desk.sim.inbox.wait_for(lambda _: True)
    assert isinstance(letter.body, dict)
    assert letter.body["schemaId"] == "azureMonitorCommonAlertSchema"


async def test_a_scenario_that_needs_a_hub_the_estate_lacks_does_not_start():
    scenario = scenarios.parse(SHORT.replace("health-events", "elsewhere"))
    with pytest.raises(ValueError, match="the estate has no such event hub; it has: health-events"):
        async with opened(scenario=scenario):
            pass


async def test_nothing_is_left_of_a_simulator_in_a_directory_of_the_callers(tmp_path: Path):
    env_file = tmp_path / "sim.env"
    async with opened(data_plane=True, data_dir=tmp_path / "data", env_file=env_file) as desk:
        told = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
        assert told == desk.sim.environment
        assert env_file.stat().st_mode & 0o077 == 0, "it holds passwords"
        book = json.loads(desk.sim.address_book.read_text())
        assert told["SIM_ADDRESS_BOOK"] == str(desk.sim.address_book)
        assert book == desk.sim.world.address_book()
        assert len(book) == 4
        assert desk.sim.ca_file.read_text().startswith("-----BEGIN CERTIFICATE")
    assert os.listdir(tmp_path) == []


async def test_a_server_that_goes_is_taken_out_of_the_address_book():
    async with opened(data_plane=True) as desk:
        gone = desk.sim.world.server_named("reports")
        assert gone is not None
        assert desk.sim.world.data is not None
        await desk.sim.world.data.remove(gone.name)
        del desk.sim.world.servers[gone.key]
        desk.sim.world.changed()
        assert gone.fqdn not in json.loads(desk.sim.address_book.read_text())


async def test_a_simulator_that_cannot_open_a_port_leaves_nothing_behind(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with opened(data_dir=tmp_path / "data", tls_port=taken.getsockname()[1]):
            pass
    assert os.listdir(tmp_path) == []


async def test_it_ends_although_callers_are_kept_waiting_a_hub_is_frozen_and_a_webhook_is_being_retried():
    async with asyncio.timeout(30), aiohttp.ClientSession(headers={"Authorization": "Bearer opaque"}) as session:
        async with opened(webhooks=("http://127.0.0.1:9/",)) as desk:
            _, hub = await asyncio.open_connection("127.0.0.1", desk.sim.broker.port)
            await desk.post("faults/hub_freeze")
            await desk.post("faults/down", {"hangs": True})
            await desk.post("regions/eastus2/down")
            await desk.post("bulletins", {"bulletin": BULLETIN, "channels": ["webhook"]})
            orders = desk.sim.world.server_named("orders")
            assert orders is not None
            waiting = asyncio.create_task(session.get(f"{desk.sim.http}{orders.id}?api-version=2026-10-01"))
            await desk.sim.world.ledger.wait_for(lambda entry: entry.fault == "region_down")
        (delivery,) = desk.sim.publisher.deliveries
        assert delivery.outcome == "cancelled"
        hub.close()
        await asyncio.gather(waiting, hub.wait_closed(), return_exceptions=True)
