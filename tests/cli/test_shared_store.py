"""Two daemons and a command line share a PostgreSQL store. It crashes and comes back, one is killed: all goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import clouds, terminal
from tests.contracts import postgresql_server


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql_server.Server]:
    with postgresql_server.running() as started:
        yield started


@pytest.fixture
def shared(server: postgresql_server.Server, cloud: dict[str, str]) -> dict[str, str]:
    """What daemons and commands are told by their environment."""
    return cloud | {"STORE_URL": server.url, "STORE_SCHEMA": server.place().schema}


def settings(folder: Path, environment: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    config = clouds.settings(folder, environment, decision="{cutover: 1m}", probes="{timeout: 1s, confirm: 3s}")
    sections = config.read_text().partition("\n")[2]
    config.write_text(f"store: {{url: {{env: STORE_URL}}, schema_name: {environment['STORE_SCHEMA']}}}\n{sections}")
    return config


@contextlib.contextmanager
def daemon(folder: Path, environment: dict[str, str]) -> Iterator[clouds.Daemon]:
    config = settings(folder, environment)
    with clouds.running(folder, "serve", "--config", config, environment=environment) as process:
        clouds.wait(lambda: "service.started" in (folder / "err").read_text(), process)
        yield clouds.Daemon(process=process, config=config, environment=environment, folder=folder)


def restores(environment: dict[str, str]) -> list[str]:
    """Servers that were asked for, and accepted, since the beginning."""
    with urllib.request.urlopen(f"{environment['SIM_CONTROL']}/ledger?method=PUT", timeout=30) as answer:
        entries = json.load(answer)["entries"]
    return [entry["resource_id"] for entry in entries if entry["status"] < 300 and "flexible" in entry["path"].lower()]


def asked(server: postgresql_server.Server, environment: dict[str, str], sql: str) -> object:
    """One value of the store; looked up beside everybody, because a command takes its time to start."""
    return asyncio.run(server.ask(sql, schema=environment["STORE_SCHEMA"]))


def led(server: postgresql_server.Server, environment: dict[str, str]) -> str:
    """About the instance that leads the assessment, as soon as there is one."""
    sql = "SELECT about FROM leadership JOIN instances ON id = instance WHERE stage = 'assess'"
    clouds.wait(lambda: asked(server, environment, sql))
    return str(asked(server, environment, sql))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_an_outage_of_the_store_and_the_death_of_a_daemon_lose_nothing_and_double_nothing(
    shared: dict[str, str], server: postgresql_server.Server, tmp_path: Path
) -> None:
    with daemon(tmp_path / "one", shared) as one, daemon(tmp_path / "other", shared) as other:

        def run(column: str) -> object:
            return asked(server, shared, f"SELECT {column} FROM runs")

        clouds.wait(lambda: asked(server, shared, "SELECT count(*) FROM servers"), one.process)
        said = other.responder("run", "geo-restore", "--server", "shop", "--yes")
        assert said.code == 0, said
        assert "was handed to the daemon" in said.out
        clouds.wait(lambda: run("waiting_for") == "approval", other.process)

        server.crash()
        refused = other.responder("runs", "list")
        refused.complains("store.unavailable", "Is it up", shared["STORE_SCHEMA"])
        server.start()
        clouds.wait(lambda: other.responder("runs", "list").code == 0, other.process)
        assert [one.process.poll(), other.process.poll()] == [None, None]

        leading = led(server, shared)
        leader, heir = (one, other) if f"pid {one.process.pid} " in leading else (other, one)
        leader.process.send_signal(signal.SIGKILL)
        leader.process.wait()
        with clouds.dark(shared, "eastus2"):
            noted = heir.responder("runs", "approve", run("id"), "--reason", "agreed", "--accept-loss", "2h")
            assert (noted.code, "approve is noted" in noted.out) == (0, True), noted
            clouds.wait(lambda: run("state") == "done", heir.process)

        record = json.loads(str(asked(server, shared, "SELECT body FROM steps WHERE id = 'restore'")))
        copy = record["output"]["copy"].lower()
        assert [made.lower() for made in restores(shared)].count(copy) == 1
        clouds.wait(lambda: '"instance.dead"' in (heir.folder / "err").read_text(), heir.process)
        clouds.wait(lambda: f"pid {heir.process.pid} " in led(server, shared), heir.process)
        heir.process.send_signal(signal.SIGTERM)
        assert heir.process.wait(120) == 0
        assert "Traceback" not in (heir.folder / "err").read_text()


@pytest.mark.timeout(300)
def test_without_a_daemon_the_command_carries_the_run_out_and_a_word_waits_for_it(
    shared: dict[str, str], tmp_path: Path
) -> None:
    config = settings(tmp_path / "hand", shared)

    def responder(*arguments: str) -> terminal.Said:
        return terminal.in_a_process(*arguments, "--config", config, **shared)

    responder("runs", "list").complains("store.missing", shared["STORE_SCHEMA"])
    said = responder("run", "geo-restore", "--server", "till", "--yes", "--json")
    assert (said.code, said.json["waiting_for"]) == (0, "approval"), said
    noted = responder("runs", "cancel", said.json["id"], "--reason", "a rehearsal")
    assert (noted.code, "start the daemon" in noted.out) == (0, True), noted
    again = responder("run", "geo-restore", "--server", "till", "--yes", "--json")
    assert (again.code, again.json["state"]) == (1, "cancelled"), again
