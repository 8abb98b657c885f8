"""The simulator as a process: what it prints, what clients of Azure get from it, how it plays, how it ends."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from azure.core.exceptions import HttpResponseError
from azure.eventhub.aio import EventHubConsumerClient
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.postgresqlflexibleservers.aio import PostgreSQLManagementClient
from click.testing import CliRunner

from responder.cli import simulate

ESTATE = """
tenant: 5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7701
subscriptions: [{id: 5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7702, name: One}]
resource_groups: [{name: rg-shop, region: eastus2}]
hubs: [{name: health-events, partitions: 1}]
servers:
  - {name: shop, resource_group: rg-shop, region: eastus2, geo_backup: true, data: real, rows_per_second: 5}
  - {name: till, resource_group: rg-shop, region: eastus2}
"""
PLAY = """
title: Down
steps:
  - {at: 0, region_down: eastus2}
  - at: 0
    bulletin: {tracking_id: LWT0-4XB, title: Outage, level: Error, regions: [East US 2], impact_start: region_down}
    channels: [hub:health-events, webhook, rest]
  - {at: 0, end: true}
"""
COMMAND = (sys.executable, "-c", "from responder.cli.simulate import simulate; simulate()")


class Running:
    """A simulator in a process of its own, with its environment once it is ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.environment: dict[str, str] = {}

    async def ready(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            key, _, value = line.decode().rstrip("\n").partition("=")
            self.environment[key] = value
            if key == "PGDATABASE":
                return
        raise AssertionError("the simulator ended before it was ready; see its standard error above")

    async def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def started(tmp_path: Path, *arguments: str, estate: str = ESTATE, **pipes: Any) -> AsyncIterator[Running]:
    described, play = tmp_path / "estate.yaml", tmp_path / "play.yaml"
    described.write_text(estate)
    play.write_text(PLAY)
    files = ("--estate", str(described), "--scenario", str(play), "--data-dir", str(tmp_path / "data"))
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *files, "--print-env", *arguments, stdout=subprocess.PIPE, **pipes
    )
    try:
        async with asyncio.timeout(60):
            yield Running(process)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@asynccontextmanager
async def webhook() -> AsyncIterator[tuple[str, asyncio.Queue[Any]]]:
    posted: asyncio.Queue[Any] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        posted.put_nowait(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", posted
    finally:
        await runner.cleanup()


@asynccontextmanager
async def manager(environment: dict[str, str]) -> AsyncIterator[PostgreSQLManagementClient]:
    async with (
        ManagedIdentityCredential() as credential,
        PostgreSQLManagementClient(
            credential,
            environment["SIM_SUBSCRIPTION"],
            base_url=environment["SIM_ARM_TLS"],
            credential_scopes=["https://management.azure.com/.default"],
            connection_verify=environment["SIM_CA_FILE"],
            retry_total=0,
        ) as client,
    ):
        yield client


async def first_event(connection_string: str) -> Any:
    """The first event of a hub, as its consumers get it."""
    found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def keep(_: Any, event: Any) -> None:
        if event is not None and not found.done():
            found.set_result(json.loads(event.body_as_str()))

    consumer = EventHubConsumerClient.from_connection_string(connection_string, "$Default")
    receiving = asyncio.create_task(consumer.receive(keep, starting_position="-1"))
    try:
        return await found
    finally:
        await consumer.close()
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)


async def test_real_clients_live_through_an_outage_and_nothing_is_left_of_the_simulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with webhook() as (url, posted), started(tmp_path, "--webhook", url) as sim:
        await sim.ready()
        environment = sim.environment
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
            monkeypatch.setenv(name, environment[name])

        # An ordinary day.
        async with manager(environment) as client:
            assert sorted([server.name async for server in client.servers.list_by_subscription()]) == ["shop", "till"]
        host, port = address_of("shop", environment).split(":")
        connection = await asyncpg.connect(
            host=host,
            port=int(port),
            user=environment["PGUSER"],
            password=environment["PGPASSWORD"],
            database=environment["PGDATABASE"],
        )
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()

        # The region goes down, and every channel says so.
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{environment['SIM_CONTROL']}/scenario/start") as answer:
                assert answer.status == 202
            record = (await first_event(environment["SIM_EVENT_HUB_HEALTH_EVENTS"]))["records"][0]
            alert = await posted.get()
            async with session.get(f"{environment['SIM_CONTROL']}/scenario") as answer:
                assert (await answer.json())["state"] == "ended"
        assert record["properties"]["trackingId"] == "LWT0-4XB"
        assert alert["data"]["alertContext"]["properties"]["trackingId"] == "LWT0-4XB"
        async with manager(environment) as client:
            with pytest.raises(HttpResponseError) as failure:
                await client.servers.get("rg-shop", "shop")
            assert failure.value.status_code == 503

        family = descendants(sim.process.pid)
        assert family, "a real server is a process"
        assert await sim.end() == 0
    assert sorted(os.listdir(tmp_path)) == ["estate.yaml", "play.yaml"]
    assert not family & set(parents()), "all its processes are gone"
    for gone in (int(port), *ports_of(environment)):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", gone)


def parents() -> dict[int, int]:
    """The parent of each process on this machine."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return {int(pid): int(parent) for pid, parent in map(str.split, table.splitlines())}


def descendants(ancestor: int) -> set[int]:
    """The processes that a process has started, and those they have."""
    table, found = parents(), {ancestor}
    while more := {pid for pid, parent in table.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


def address_of(server: str, environment: dict[str, str]) -> str:
    book = json.loads(Path(environment["SIM_ADDRESS_BOOK"]).read_text())
    return str(book[f"{server}.postgres.database.azure.com"])


def ports_of(environment: dict[str, str]) -> list[int]:
    names = ("SIM_ARM_HTTP", "SIM_ARM_TLS", "SIM_EVENT_HUB_HEALTH_EVENTS")
    matches = [re.search(r":(\d+)(?:;|$)", environment[name]) for name in names]
    return [int(match[1]) for match in matches if match]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_it_ends_cleanly_when_it_is_interrupted_before_it_is_ready(tmp_path: Path, number: int):
    async with started(tmp_path, stderr=subprocess.PIPE) as sim:
        assert sim.process.stderr is not None
        assert await sim.process.stderr.readline() == b"starting 2 servers ...\n"
        sim.process.send_signal(number)
        told, complaints = await sim.process.communicate()
        assert (sim.process.returncode, told) == (0, b"")
        assert complaints.decode().splitlines()[-1] == "ended"
        assert "Traceback" not in complaints.decode()
    assert sorted(os.listdir(tmp_path)) == ["estate.yaml", "play.yaml"]


async def test_the_environment_file_appears_when_everything_is_ready_and_goes_at_the_end(tmp_path: Path):
    env_file = tmp_path / "sim.env"
    estate = ESTATE.replace("data: real", "data: handshake")
    async with started(tmp_path, "--env-file", str(env_file), "--play", estate=estate) as sim:
        await sim.ready()
        lines = env_file.read_text().splitlines()
        assert lines == [f"{key}={value}" for key, value in sim.environment.items()]
        assert await sim.end(signal.SIGINT) == 0
    assert sorted(os.listdir(tmp_path)) == ["estate.yaml", "play.yaml"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["--play"], "--play needs --scenario", id="nothing to play"),
        pytest.param(["--estate", "atlantis"], "no estate 'atlantis' comes with the simulator", id="no such estate"),
        pytest.param(["--estate", "./none.yaml"], "cannot be read", id="no such file"),
        pytest.param(
            ["--scenario", "doomsday"], "no scenario 'doomsday' comes with the simulator", id="no such scenario"
        ),
        pytest.param(["--http-port", "70000"], "70000 is not in the range", id="no such port"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(arguments: list[str], complaint: str):
    result = CliRunner().invoke(simulate.simulate, arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())


def test_help_answers_without_importing_the_simulator():
    code = (
        "import sys; from responder.cli import simulate\n"
        "try: simulate.simulate(['--help'])\n"
        "except SystemExit: assert not [m for m in sys.modules if m.startswith(('aiohttp', 'responder.simulator'))]"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--print-env" in result.stdout
