"""A disk that is full, seen from outside: the daemon is a process of its own, and no file of it may grow any more.

Nothing is acknowledged that is not kept, nothing breaks, and with space again everything goes on by itself.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.simulator import bulletins
from tests.cli import clouds

HUB = "health-events"
ROOM = 256 * 1024
"""Bytes that a file may have at most while the disk is full. The log, on the same disk, stays below it."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[clouds.Daemon]:
    """A running daemon that hears a hub, a webhook, and whatever the poll brings."""
    (tmp_path / "cloud").mkdir()
    with clouds.cloud(tmp_path / "cloud") as environment:
        hubs = f"[{{hub: {HUB}, connection_string: {{env: SIM_EVENT_HUB_HEALTH_EVENTS}}}}]"
        folder = tmp_path / "daemon"
        folder.mkdir()
        config = clouds.settings(folder, environment, event_hubs=hubs)
        with clouds.running(folder, "serve", "--config", config, environment=environment) as process:
            clouds.wait((folder / "port").exists, process)
            yield clouds.Daemon(process=process, config=config, environment=environment, folder=folder)


def post(daemon: clouds.Daemon, body: bytes, path: str = "/webhooks/azure-monitor") -> tuple[int, str | None]:
    """The status, and when to come back."""
    url = f"http://127.0.0.1:{(daemon.folder / 'port').read_text().strip()}{path}"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Retry-After"]


def store_of(daemon: clouds.Daemon) -> dict[str, Any]:
    """What it says of its store, to whoever watches it."""
    url = f"http://127.0.0.1:{(daemon.folder / 'port').read_text().strip()}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())["store"]
    except urllib.error.HTTPError as error:
        with error:
            found = json.loads(error.read())["store"]
    return found


def publish(daemon: clouds.Daemon, tracking_id: str) -> None:
    """Azure tells of an outage by the hub."""
    bulletin = {
        "tracking_id": tracking_id,
        "title": "Outage",
        "services": ["Azure Database for PostgreSQL"],
        "regions": ["eastus2"],
        "level": "Error",
    }
    body = json.dumps({"bulletin": bulletin, "channels": [f"hub:{HUB}"]}).encode()
    url = f"{daemon.environment['SIM_CONTROL']}/bulletins"
    urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=30).close()


def alert(daemon: clouds.Daemon, tracking_id: str) -> bytes:
    """The same by a webhook."""
    now = datetime.now(UTC)
    return json.dumps(
        bulletins.activity_log_alert(
            bulletins.Bulletin(
                tracking_id=tracking_id,
                subscription_id=daemon.environment["SIM_SUBSCRIPTION"],
                title="Outage",
                updated_at=now,
                impact_start=now - timedelta(minutes=5),
                services=("Azure Database for PostgreSQL",),
                regions=("eastus2",),
                level="Error",
            )
        )
    ).encode()


def asked(daemon: clouds.Daemon, sql: str) -> list[Any]:
    """Of the store, beside the daemon."""
    store = sqlite3.connect(f"file:{daemon.folder}/store.db?mode=ro", uri=True, timeout=10)
    try:
        return store.execute(sql).fetchall()
    finally:
        store.close()


def limit(daemon: clouds.Daemon, size: int) -> None:
    """From now on no file of the daemon's grows beyond this."""
    _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def opened(daemon: clouds.Daemon, tracking_id: str) -> bool:
    """An outage was made of it."""
    return bool(asked(daemon, f"SELECT 1 FROM outages WHERE tracking_id = '{tracking_id}' AND status = 'active'"))


def kept(daemon: clouds.Daemon) -> list[Any]:
    """Everything that was taken in, and how far the hub is read."""
    arrivals = asked(daemon, "SELECT id, recorded FROM arrivals ORDER BY id")
    return [*arrivals, *asked(daemon, "SELECT id FROM batches"), *asked(daemon, "SELECT sequence FROM checkpoints")]


def log(daemon: clouds.Daemon) -> str:
    return (daemon.folder / "err").read_text()


@pytest.mark.timeout(300)
def test_while_the_disk_is_full_nothing_is_acknowledged_and_afterwards_everything_goes_on(
    daemon: clouds.Daemon,
) -> None:
    publish(daemon, "HUB-1")
    assert post(daemon, alert(daemon, "HOOK-1")) == (202, None)
    clouds.wait(lambda: opened(daemon, "HUB-1") and opened(daemon, "HOOK-1"), daemon.process)
    # The write-ahead log has grown beyond what will be its limit, so that the very next write is one too many.
    assert post(daemon, b'{"rubbish": "' + b"x" * 2 * ROOM + b'"}') == (202, None)
    clouds.wait(lambda: asked(daemon, "SELECT 1 FROM arrivals WHERE id = 3 AND recorded = 1"), daemon.process)
    clouds.wait(lambda: asked(daemon, "SELECT 1 FROM checkpoints WHERE sequence = 0"), daemon.process)
    before = kept(daemon)

    limit(daemon, ROOM)
    refused = alert(daemon, "HOOK-2")
    for _ in range(3):
        assert post(daemon, refused) == (503, "5"), "to be sent again"
    publish(daemon, "HUB-2")
    clouds.wait(lambda: log(daemon).count("azure.hub-reconnecting") >= 1, daemon.process)
    assert post(daemon, refused) == (503, "5")
    assert kept(daemon) == before, "the hub was told nothing, and nothing is half written"
    assert daemon.process.poll() is None
    assert store_of(daemon)["writable"] is False
    assert "full" in log(daemon) or "disk I/O error" in log(daemon), "the log says why"

    limit(daemon, resource.RLIM_INFINITY)
    # By itself: it waited in the hub. Giving the partition back could not be written, so its owner is waited out first.
    for _ in range(3):
        with contextlib.suppress(AssertionError):
            clouds.wait(lambda: opened(daemon, "HUB-2"), daemon.process)
            break
    assert opened(daemon, "HUB-2")
    assert store_of(daemon) == {"writable": True, "since": None, "error": None}
    assert not opened(daemon, "HOOK-2")
    assert post(daemon, refused) == (202, None)
    clouds.wait(lambda: opened(daemon, "HOOK-2"), daemon.process)
    clouds.wait(lambda: asked(daemon, "SELECT 1 FROM checkpoints WHERE sequence = 1"), daemon.process)
    decided = "SELECT 1 FROM latest_decisions WHERE outage_id = 'HOOK-2@eastus2'"
    clouds.wait(lambda: asked(daemon, decided), daemon.process)

    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    told = log(daemon)
    assert "Traceback" not in told, told[told.index("Traceback") - 1500 :][:3000]
    assert asked(daemon, "PRAGMA integrity_check") == [("ok",)]
    assert len(asked(daemon, "SELECT 1 FROM arrivals WHERE source LIKE 'hub:%'")) == 2, "each once"
