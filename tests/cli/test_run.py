"""`responder run` while the daemon is down: this command carries the run out, and nothing is lost by stopping it."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from responder.azure import inventory
from responder.store import sqlite
from tests.cli import clouds, terminal


def steps(said: terminal.Said) -> dict[str, str]:
    return {step["id"]: step["state"] for step in said.json["steps"]}


def test_from_an_empty_store_to_the_cut_over(responder: terminal.Responder, here: dict[str, str], tmp_path: Path):
    config = clouds.settings(tmp_path, here)
    run = ("run", "geo-restore", "--server", "shop", "--yes", "--config", config)

    # It goes as far as it can without a human's word, gives the store back, and says how to go on.
    first = responder(*run, "--json")
    id_ = first.json["id"]
    assert (first.code, first.json["state"], first.json["waiting_for"]) == (0, "waiting", "approval")
    assert (steps(first)["verify"], steps(first)["hold"]) == ("done", "waiting")
    assert f"approve|decline|cancel {id_}" in first.err

    # The same command goes on with the same run, and finds nothing new to do.
    again = responder(*run)
    assert (again.code, f"going on with {id_}" in again.err) == (0, True)
    assert "waits for approval" in again.out

    # Another playbook has to wait for it.
    responder("run", "wait-it-out", "--server", "shop", "--yes", "--config", config).complains("run.busy", id_)

    # A yes that signs for no loss is not enough where none was declared; one that does, is. The server is down by now.
    with clouds.dark(here, "eastus2"):
        assert responder("runs", "approve", id_, "--config", config).code == 0
        unsigned = responder(*run, "--json")
        assert (unsigned.json["state"], steps(unsigned)["cut-over"]) == ("waiting", "waiting")
        assert responder("runs", "approve", id_, "--accept-loss", "2h", "--config", config).code == 0
        last = responder(*run, "--json")
    assert (last.code, last.json["id"], last.json["state"]) == (0, id_, "done")
    assert (steps(last)["cut-over"], steps(last)["discard"]) == ("done", "skipped")


def test_a_server_that_answers_is_not_left_whatever_a_human_signs(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    config = clouds.settings(tmp_path, here)
    run = ("run", "geo-restore", "--server", "till", "--yes", "--json", "--config", config)
    id_ = responder(*run).json["id"]
    responder("runs", "approve", id_, "--accept-loss", "9h", "--config", config)
    said = responder(*run)
    assert (said.code, said.json["state"]) == (1, "failed")
    assert "the server answers" in said.json["why"]
    assert "is left as it is" in said.json["why"]


def test_at_a_terminal_the_run_asks_for_the_yes_and_goes_on_with_it(cloud: dict[str, str], tmp_path: Path):
    """The whole of a night without the daemon, in one command: the copy, the question, the cut-over."""
    config = clouds.settings(tmp_path, cloud)
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "responder", "run", "geo-restore", "--server", "bank", "--config", str(config)]
        with clouds.dark(cloud, "eastus2"), (tmp_path / "err").open("w") as err:
            process = subprocess.Popen(command, stdin=theirs, stdout=err, stderr=err, env=os.environ | cloud)
            try:
                for question, answer in (("[y/N]", "y"), ("Cut over to the copy?", "yes"), ("Sign for a loss", "2h")):
                    clouds.wait(lambda asked=question: asked in (tmp_path / "err").read_text())
                    os.write(ours, f"{answer}\n".encode())
                assert process.wait(120) == 0, (tmp_path / "err").read_text()
            finally:
                process.kill()
                process.wait()
    finally:
        os.close(ours)
        os.close(theirs)
    told = (tmp_path / "err").read_text()
    assert "It is a yes to the cut-over" in told
    assert re.search(r"^geo-restore\.bank\.\S+  done$", told, re.MULTILINE)


def test_a_run_that_was_left_is_carried_on_by_its_id(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    config = clouds.settings(tmp_path, here)
    id_ = responder("run", "geo-restore", "--server", "till", "--yes", "--json", "--config", config).json["id"]
    said = responder("runs", "decline", id_, "--config", config)
    assert f"responder runs carry-on {id_}" in said.out
    gone_on = responder("runs", "carry-on", id_, "--json", "--config", config)
    assert (gone_on.code, gone_on.json["state"]) == (0, "done")
    assert steps(gone_on)["discard"] == "done"
    responder("runs", "carry-on", id_, "--config", config).complains("run.ended")
    responder("runs", "carry-on", "nosuch", "--config", config).complains("run.unknown")
    watched = responder("runs", "watch", id_, "--config", config)
    assert (watched.code, watched.out) == (0, f"{id_}  done\n")


def test_a_cancelled_run_ends_with_1_and_says_what_is_left(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    config = clouds.settings(tmp_path, here)
    run = ("run", "geo-restore", "--server", "till", "--yes", "--json", "--config", config)
    id_ = responder(*run).json["id"]
    responder("runs", "cancel", id_, "--reason", "changed my mind", "--config", config)
    said = responder(*run)
    assert (said.code, said.json["state"]) == (1, "cancelled")
    assert "changed my mind" in said.json["why"]
    assert "is left as it is" in said.json["why"]


def test_ctrl_c_leaves_the_run_in_the_journal(cloud: dict[str, str], tmp_path: Path):
    config = clouds.settings(tmp_path, cloud, restore="{resource_groups: {centralus: nosuch}, retry: 1h}")
    run = ("run", "geo-restore", "--server", "bank", "--yes", "--config", config)
    with clouds.running(tmp_path, *run, environment=cloud) as process:
        clouds.wait(lambda: "waits for retry" in (tmp_path / "err").read_text(), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 1
    told = (tmp_path / "err").read_text()
    assert "Traceback" not in told
    assert told.endswith("responder: Interrupted. [cli.interrupted]\n")
    assert "stays in the journal" in told
    listed = terminal.in_a_process("runs", "list", "--json", "--config", config, **cloud)
    assert [row["state"] for row in listed.json["runs"]] == ["waiting"]
    assert listed.json["runs"][0]["id"] in told


def test_a_dry_run_shows_the_steps_and_writes_nothing(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    config = clouds.settings(tmp_path, here)
    run = ("run", "geo-restore", "--server", "shop", "--config", config)
    responder(*run, "--dry-run").complains("store.missing")
    responder("run", "geo-restore", "--server", "nosuch", "--yes", "--config", config).complains("server.unknown")
    near = responder("run", "geo-restore", "--server", "shopp", "--yes", "--config", config)
    near.complains("server.unknown", "Did you mean shop?")
    said = responder(*run, "--dry-run", "--json")
    assert (said.code, set(steps(said).values())) == (0, {"pending"})
    assert responder("runs", "list", "--all", "--json", "--config", config).json == {"runs": []}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nosuch", "--server", "shop", "--yes"], "playbook.unknown"),
        (["geo-restore", "--server", "shop", "--yes", "--set", "a=b"], "playbook.unknown-parameter"),
        (["geo-restore", "--server", "shop"], "run.not-confirmed"),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_told(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path, arguments: list[str], error: str
):
    config = clouds.settings(tmp_path, here)
    responder("run", *arguments, "--config", config).complains(error)
    responder("run", *arguments, "--config", config, "--json").complains_in_json(error)


def test_who_is_asked_sees_what_would_change_and_is_not_asked_about_what_cannot_be(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    config = clouds.settings(tmp_path, here)
    first = responder("run", "nosuch", "--server", "shop", "--config", config)  # no store yet, so nobody can tell
    assert "Run nosuch for shop?" in first.err
    responder("run", "geo-restore", "--server", "nosuch", "--yes", "--config", config).complains("server.unknown")
    asked = responder("run", "geo-restore", "--server", "shop", "--config", config)
    asked.complains("run.not-confirmed")
    assert re.search(r"^  creates /subscriptions/.*/shop-geo-\w+ in centralus", asked.err, re.MULTILINE), asked
    for arguments, error in ((("nosuch", "--server", "shop"), "playbook.unknown"),
                             (("geo-restore", "--server", "none"), "server.unknown")):  # fmt: skip
        refused = responder("run", *arguments, "--config", config)
        refused.complains(error)
        assert "[y/N]" not in refused.err


def test_a_cloud_that_does_not_answer_is_told(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inventory, "_PAUSE", timedelta(0))
    azure = "{subscriptions: [x], resource_manager: 'https://127.0.0.1:1', credential: managed-identity}"
    config = clouds.settings(tmp_path, here, azure=azure)
    said = responder("run", "geo-restore", "--server", "shop", "--yes", "--config", config)
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[-1].startswith("responder: ")
    assert "[azure." in said.err
    assert "Traceback" not in said.err


# Somebody holds the store and does not talk to us.


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    async def opened() -> sqlite.Store:
        return await sqlite.open_store(tmp_path / "store.db")

    with asyncio.Runner() as runner:
        store = runner.run(opened())
        yield tmp_path
        runner.run(store.close())


@pytest.mark.parametrize(
    ("web", "error"),
    [
        ("{port: 0}", "daemon.no-token"),
        ("{port: 1, token: {env: API_TOKEN}}", "daemon.silent"),
        ("{port: 1, host: '::1', token: {env: API_TOKEN}}", "daemon.silent"),
        ("{port: 1, token: {env: NOSUCH_VARIABLE}}", "settings.secret-missing"),
    ],
)
def test_a_holder_that_cannot_be_asked_is_told(
    responder: terminal.Responder, here: dict[str, str], held: Path, web: str, error: str
):
    # A password that only the daemon knows is not asked for.
    config = clouds.settings(held, here, web=web, postgres="{user: u, password: {env: ONLY_THE_DAEMON_HAS_IT}}")
    for command in (["run", "geo-restore", "--server", "shop", "--yes"], ["runs", "cancel", "x"]):
        responder(*command, "--config", config).complains(error)
        responder(*command, "--config", config, "--json").complains_in_json(error)


def test_something_else_on_the_daemons_port_is_told(responder: terminal.Responder, here: dict[str, str], held: Path):
    import threading

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]")

        thread = threading.Thread(target=answer)
        thread.start()
        (held / "port").write_text(f"{other.getsockname()[1]}\n")
        said = responder("runs", "cancel", "x", "--config", clouds.settings(held, here))
        thread.join()
    said.complains("daemon.silent")


def test_a_port_file_that_is_just_being_written_is_no_accident(
    responder: terminal.Responder, here: dict[str, str], held: Path
):
    (held / "port").write_text("")
    web = f"{{port: 1, port_file: {held}/port, token: {{env: API_TOKEN}}}}"
    responder("runs", "cancel", "x", "--config", clouds.settings(held, here, web=web)).complains("daemon.silent")
