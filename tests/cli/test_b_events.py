"""`responder events list|show|quarantine|reparse`: looking beside a daemon, reading again without one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from responder import logs
from responder.cli import events
from responder.core import errors
from responder.flow import reading
from responder.store import intake, sqlite
from responder.store import locks as store_locks

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
GOOD = {
    "name": "QX7T-2B8",
    "type": "Microsoft.ResourceHealth/events",
    "properties": {"eventType": "ServiceIssue", "status": "Active", "title": "[/] \x1b[31mred", "region": "East US 2"},
}
BAD = b'{"records": [\xff {oops}]}'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings with a store in which an event and a piece of rubbish were heard."""

    async def fill() -> None:
        store = await sqlite.open_store(tmp_path / "store.db")
        bodies = {"1": json.dumps(GOOD).encode(), "2": BAD}
        await store.intake.append(
            [intake.Arrival(source="webhook", key=key, body=body, received_at=NOON) for key, body in bodies.items()]
        )
        await reading.Reading(store).turn()
        await store.close()

    asyncio.run(fill())
    file = tmp_path / "settings.yaml"
    file.write_text(f"store: {{path: {tmp_path}/store.db}}\nweb: {{port: 1, token: {{file: {tmp_path}/token}}}}\n")
    (tmp_path / "token").write_text("s3cret")
    return file


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Setting logging up lasts as long as the process, and the command's stderr does not."""
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    monkeypatch.setattr(logs, "configure", lambda _: structlog.configure(wrapper_class=silent))
    yield
    structlog.reset_defaults()


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(events.events, [*arguments, "--config", str(config)])


def asked(config: Path, *arguments: str) -> Any:
    result = run(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_events_are_listed_in_our_words_with_where_they_came_from(config: Path) -> None:
    (row,) = asked(config, "list")["events"]

    assert (row["id"], row["source"], row["received_at"]) == ("e1", "webhook", "2026-03-04T12:00:00Z")
    assert (row["tracking_id"], row["kind"], row["status"]) == ("QX7T-2B8", "incident", "active")


def test_the_quarantine_shows_what_why_and_how_many(config: Path) -> None:
    found = asked(config, "quarantine")
    (row,) = found["quarantine"]

    assert row["id"] == "q1"
    assert row["reason"].startswith("not JSON")
    assert "\\xff {oops}" in row["raw"]
    assert found["intake"]["quarantined"] == 1


@pytest.mark.parametrize(("id_", "body"), [("e1", json.dumps(GOOD).encode()), ("q1", BAD)])
def test_a_whole_arrival_is_shown_as_it_came(config: Path, id_: str, body: bytes) -> None:
    assert run(config, "show", id_, "--raw").stdout_bytes == body
    assert asked(config, "show", id_)["bytes"] == len(body)


@pytest.mark.parametrize("command", [("list",), ("quarantine",), ("show", "e1"), ("show", "q1")])
def test_what_azure_wrote_does_not_command_the_terminal(config: Path, command: tuple[str, ...]) -> None:
    result = run(config, *command)

    assert result.exit_code == 0, result.output
    assert "\x1b[31m" not in result.output


def test_looking_works_beside_a_daemon(config: Path) -> None:
    lock = store_locks.take(config.parent / "store.db")
    try:
        assert asked(config, "list")["events"]
        assert asked(config, "quarantine")["quarantine"]
    finally:
        lock.release()


def test_without_a_daemon_reading_again_reads_at_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(config, "reparse", "--all")
    assert found == {"arrivals": 1, "quarantined_before": 1, "quarantined": 1, "pending": 0, "events": 1}

    parse = reading.payloads.parse
    monkeypatch.setattr(reading.payloads, "parse", lambda body: parse(json.dumps({**GOOD, "name": "NEW-1"}).encode()))
    assert asked(config, "reparse", "q1")["quarantined"] == 0
    assert [row["tracking_id"] for row in asked(config, "list")["events"]] == ["NEW-1", "QX7T-2B8"]


def test_with_a_daemon_that_does_not_answer_nothing_is_touched(config: Path) -> None:
    lock = store_locks.take(config.parent / "store.db")
    try:
        result = run(config, "reparse", "--all")
    finally:
        lock.release()

    assert isinstance(result.exception, errors.RefusedError)
    assert result.exception.error_id == "daemon.silent"


@pytest.mark.parametrize("arguments", [(), ("q1", "--all")])
def test_it_must_be_said_what_to_read_again(config: Path, arguments: tuple[str, ...]) -> None:
    assert run(config, "reparse", *arguments).exit_code == 2


@pytest.mark.parametrize(
    "command", [("show", "e9"), ("show", "q9"), ("show", "x"), ("reparse", "q9"), ("reparse", "e1")]
)
def test_what_is_not_there_is_said_to_be_not_there(config: Path, command: tuple[str, ...]) -> None:
    result = run(config, *command)

    assert isinstance(result.exception, errors.InputError)
    assert result.exception.error_id == "events.unknown"
