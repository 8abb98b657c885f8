"""`responder serve`, and every command beside it; what keeps it from starting is told in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli import clouds, terminal


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, cloud: dict[str, str]) -> Iterator[clouds.Daemon]:
    books = tmp_path_factory.mktemp("books")
    with clouds.daemon(tmp_path_factory.mktemp("daemon"), cloud, playbooks=str(books)) as running:
        yield running


# Beside a running daemon.


@pytest.mark.parametrize(
    ("command", "key"),
    [(["inventory"], "servers"), (["incidents", "list"], "incidents"), (["runs", "list"], "runs")],
    ids=str,
)
def test_looking_does_not_need_the_daemon_and_does_not_disturb_it(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon, command: list[str], key: str
):
    said = responder(*command, "--json", "--config", daemon.config)
    assert (said.code, key in said.json) == (0, True)


def test_a_run_by_hand_is_handed_to_the_daemon_and_words_reach_it(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon
):
    at = ("--config", daemon.config)
    said = responder("run", "geo-restore", "--server", "shop", "--yes", *at)
    assert said.code == 0
    assert "was handed to the daemon. Follow it with: responder runs show " in said.out
    (run,) = responder("runs", "list", "--json", *at).json["runs"]

    def state(name: str) -> object:
        return responder("runs", "show", run["id"], "--json", *at).json[name]

    clouds.wait(lambda: state("waiting_for") == "approval", daemon.process)
    responder("run", "geo-restore", "--server", "shop", "--yes", *at).complains("run.busy", run["id"])
    with clouds.dark(here, "eastus2"):
        noted = responder("runs", "approve", run["id"], "--reason", "agreed", "--accept-loss", "2h", *at)
        assert (noted.code, noted.out) == (
            0,
            f"{run['id']}: approve is noted. It is a yes to the cut-over; everything else is still checked before.\n",
        )
        clouds.wait(lambda: state("state") == "done", daemon.process)
    responder("runs", "approve", run["id"], *at).complains("run.ended")
    responder("runs", "approve", run["id"], "--json", *at).complains_in_json("run.ended")


def test_the_brake_is_held_and_lifted_beside_the_daemon(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon
):
    at = ("--config", daemon.config)
    held = responder("freeze", "--server", "bank", "--reason", "a change", "--for", "2h", *at)
    assert (held.code, "froze server bank" in held.out) == (0, True)
    refused = responder("run", "geo-restore", "--server", "bank", "--yes", *at)
    refused.complains("brake.frozen", "froze server bank", "a change", "responder unfreeze --server bank")
    lifted = responder("unfreeze", "--server", "bank", "--reason", "done", *at)
    assert (lifted.code, "not frozen any more" in lifted.out) == (0, True)
    assert responder("freeze", "--list", *at).out == "Nothing is frozen.\n"


BOOK = """
title: Tell somebody
purpose: Tries whether a playbook is taken anew.
steps:
  - {id: tell, do: notify, with: {kind: test, subject: Hello, text: Hello}}
"""


def test_playbooks_are_taken_anew_all_or_none_and_a_mistake_leaves_the_last_good_ones(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon
):
    at = ("--config", daemon.config)
    found = re.search(r"^playbooks: (.*)$", daemon.config.read_text(), re.MULTILINE)
    assert found is not None
    book = Path(found[1], "tell.yaml")

    def ready() -> Any:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{(daemon.folder / 'port').read_text().strip()}/readyz"
        ) as answer:
            return json.load(answer)["playbooks"]

    before = ready()["loaded"]
    book.write_text(BOOK)
    said = responder("playbooks", "reload", *at)
    assert (said.code, said.out) == (0, f"{before + 1} playbooks loaded; changed: tell.\n")
    book.write_text(BOOK.replace("notify", "notfy"))
    responder("playbooks", "reload", *at).complains("playbook.unknown-step", f"{book}:5:20", "notify")
    assert (ready()["loaded"], ready()["changed_on_disk"]) == (before + 1, True)
    assert f"{book}:5:20" in ready()["problem"]
    assert "playbooks.not-loaded" in (daemon.folder / "err").read_text()
    book.unlink()
    daemon.process.send_signal(signal.SIGHUP)
    clouds.wait(lambda: ready()["loaded"] == before, daemon.process)
    assert (ready()["changed_on_disk"], ready()["problem"]) == (False, None)


@pytest.mark.parametrize("id_", ["nosuch", "a/b?c#d", "../../inventory", "é %2e"])
def test_a_word_to_no_run_is_refused_whatever_its_name(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon, id_: str
):
    responder("runs", "cancel", id_, "--config", daemon.config).complains("run.unknown")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nosuch", "--server", "till", "--yes"], "playbook.unknown"),
        (["geo-restore", "--server", "nosuch", "--yes"], "server.unknown"),
        (["geo-restore", "--server", "till", "--yes", "--set", "a=b"], "playbook.unknown-parameter"),
    ],
    ids=str,
)
def test_what_the_daemon_refuses_is_told_as_it_tells_it(
    responder: terminal.Responder,
    here: dict[str, str],
    daemon: clouds.Daemon,
    arguments: list[str],
    error: str,
):
    responder("run", *arguments, "--config", daemon.config).complains(error)
    responder("run", *arguments, "--json", "--config", daemon.config).complains_in_json(error)


def test_a_wrong_token_is_told(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("API_TOKEN", "wrong")
    responder("runs", "cancel", "x", "--config", daemon.config).complains("http.401", "web.token")


def test_a_second_daemon_is_refused_and_told_who_is_there(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon
):
    responder("serve", "--config", daemon.config).complains("store.locked", f"pid {daemon.process.pid} ")
    assert daemon.process.poll() is None


def test_no_secret_is_in_its_log(daemon: clouds.Daemon):
    told = (daemon.folder / "err").read_text() + (daemon.folder / "out").read_text()
    assert "web.listening" in told
    assert clouds.TOKEN not in told


def test_its_audit_is_whole_while_it_runs_and_holds_no_secret(
    responder: terminal.Responder, here: dict[str, str], daemon: clouds.Daemon
):
    at = ("--config", daemon.config)
    assert responder("audit", "verify", *at).code == 0
    told = responder("audit", "export", *at).out
    for kind in ("instance.started", "settings.loaded", "playbook.loaded"):
        assert f'"kind":"{kind}"' in told
    assert [secret for secret in (clouds.TOKEN, "eyJ", "sig=", "Bearer ") if secret in told] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_ends_in_order_when_it_is_told_to(cloud: dict[str, str], tmp_path: Path, number: int):
    with clouds.daemon(tmp_path, cloud) as daemon:
        daemon.process.send_signal(number)
        assert daemon.process.wait(120) == 0
    told = (tmp_path / "err").read_text()
    assert '"event": "service.stopped"' in told
    assert "Traceback" not in told
    assert not (tmp_path / "port").exists()


# What keeps it from starting.


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"web": "{prot: 1}"}, "settings.invalid", ["web.prot"]),
        ({"store": "{path: /nosuch/store.db}"}, "store.unavailable", ["/nosuch/store.db", "directory exists"]),
        ({"store": "{path: /proc/store.db}"}, "store.unavailable", ["/proc/store.db"]),
        ({"playbooks": "/nosuch"}, "playbooks.no-folder", ["/nosuch"]),
        ({"web": "{port: 0, token: {env: NOSUCH_VARIABLE}}"}, "settings.secret-missing", ["NOSUCH_VARIABLE"]),
        ({"web": "{port: 0, token: {file: /nosuch}}"}, "settings.secret-missing", ["/nosuch"]),
        ({"web": "{port: 0, port_file: /nosuch/port}"}, "web.port-file", ["/nosuch/port"]),
        ({"web": "{port: 0, host: nosuch.invalid}"}, "web.cannot-listen", ["nosuch.invalid", "web.host"]),
        ({"postgres": "{user: u, password: {env: NOSUCH_VARIABLE}}"}, "settings.secret-missing", ["NOSUCH_VARIABLE"]),
        ({"postgres": "{address_book: /nosuch}"}, "addresses.unreadable", ["/nosuch"]),
        (
            {"channels": "[{kind: webhook, url: {env: NOSUCH_VARIABLE}}]"},
            "settings.secret-missing",
            ["NOSUCH_VARIABLE"],
        ),
        (
            {"event_hubs": "[{hub: h, connection_string: {env: NOSUCH_VARIABLE}}]"},
            "settings.secret-missing",
            ["NOSUCH_VARIABLE"],
        ),
        ({"azure": "{ca_file: /nosuch}"}, "azure.ca-file", ["/nosuch"]),
    ],
    ids=str,
)
def test_what_keeps_it_from_starting_is_told(
    responder: terminal.Responder,
    here: dict[str, str],
    tmp_path: Path,
    changes: dict[str, str],
    error: str,
    words: list[str],
):
    config = clouds.settings(tmp_path, here, **changes)
    if "store" in changes:
        config.write_text(config.read_text().partition("\n")[2])  # the file's own line about the store
    responder("serve", "--config", config).complains(error, *words)


def test_a_port_that_is_taken_is_told(responder: terminal.Responder, here: dict[str, str], tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = clouds.settings(tmp_path, here, web=f"{{port: {port}}}")
        responder("serve", "--config", config).complains("web.cannot-listen", str(port), "web.port")


def test_a_stage_rests_while_the_store_fails_and_goes_on_when_it_is_back(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from responder.core import errors
    from responder.store import estate

    put, calls = estate.Estate.put_servers, 0

    async def full(self: estate.Estate, servers: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise errors.StoreError("store.unavailable", "The store cannot be used now: disk full.")
        await put(self, servers)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(estate.Estate, "put_servers", full)
    said = responder("serve", "--config", clouds.settings(tmp_path, here))
    assert (said.code, calls) == (0, 2)
    assert "Traceback" not in said.err + said.out
