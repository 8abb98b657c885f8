"""A disk that fills up under runs in the middle of their steps: nothing is done twice, nothing breaks, and they go on.

Once at any write, in this process: each transaction may find the disk full after all its work, as at its COMMIT.
And once for real, in a process of its own whose files may not grow any more.
"""

from __future__ import annotations

import collections
import json
import random
import resource
import signal
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.core import audits, errors, runs
from responder.flow import auditing
from tests.cli import clouds
from tests.scenarios import night as nights
from tests.scenarios import test_b_full_disk as full
from tests.scenarios.conftest import Fall


def fills_up(night: nights.Night, seed: int) -> list[int]:
    """From now on three of ten writes find the disk full when everything but the COMMIT is done. Counts them."""
    chance, refused = random.Random(seed), [0]
    base = night.store.database
    transact = base.execute_transaction

    async def transact_or_not(work: Callable[[Any], Any]) -> Any:
        is_full = chance.random() < 0.3

        def until_commit(connection: Any) -> Any:
            answer = work(connection)
            if is_full:
                refused[0] += 1
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return answer

        return await transact(until_commit)

    base.execute_transaction = transact_or_not
    return refused


async def patiently(night: nights.Night, span: timedelta) -> None:
    """Time passes. As the stages do it, what the store refused is done again a little later."""
    night.clock.forward(span)
    for _ in range(100):
        try:
            await night.turn()
            return
        except errors.StoreError as error:
            if error.error_id != "store.full" or "Free space" not in str(error):
                raise
    raise AssertionError("it does not come through")


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_write_refused_anywhere_is_made_up_for_and_no_effect_is_done_twice(fall: Fall, seed: int) -> None:
    """From the first look at the silence over restore, rules, verification, hold and cut-over to the end."""
    # Nights claim runs without `parking`, which forgives a run what the store did.
    night = await fall(brakes={"quarantine_after": 100})
    await night.region_down()
    await night.passes("10m")
    await night.tell()
    refused = fills_up(night, seed)
    for _ in range(60):
        holds = await night.at_step("hold")
        await patiently(night, timedelta(minutes=10 if holds else 2))
        if any(run.state.ended for run in await night.runs()):
            break
    (run,) = await night.runs()

    assert run.state is runs.State.DONE, run.why
    assert refused[0] > 10
    assert [(e.method, e.detail) for e in night.writes()] == [("PUT", "GeoRestore"), ("PUT", ""), ("PATCH", "")]
    (copy,) = night.copies()
    assert night.record() == copy.fqdn
    keys = collections.Counter(announcement.key for announcement in await night.told())
    assert set(keys.values()) == {1}
    assert (await auditing.verify(night.store.audit, audits.Witness())).faults == ()
    assert [tuple(row) for row in await night.store.database.rows("PRAGMA integrity_check")] == [("ok",)]


# For real -------------------------------------------------------------------------------------------------------------

NAMES = ("shop", "till", "bank")
SLOW = clouds.ESTATE.replace("restore: PT0.1S", "restore: PT3S")


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[clouds.Daemon]:
    """A running daemon that has listed its estate, in a cloud whose restores take three seconds."""
    monkeypatch.setattr(clouds, "ESTATE", SLOW)
    (tmp_path / "cloud").mkdir()
    (tmp_path / "daemon").mkdir()
    with clouds.cloud(tmp_path / "cloud") as environment, clouds.daemon(tmp_path / "daemon", environment) as running:
        clouds.wait((running.folder / "port").exists, running.process)
        yield running


def writes(daemon: clouds.Daemon) -> list[str]:
    """What was asked of Resource Manager, as `METHOD path`."""
    with urllib.request.urlopen(f"{daemon.environment['SIM_CONTROL']}/ledger", timeout=30) as answer:
        entries = json.loads(answer.read())["entries"]
    return [f"{e['method']} {e['path']}" for e in entries if e["method"] in ("PUT", "PATCH", "DELETE")]


def waiting_for(daemon: clouds.Daemon) -> list[str]:
    """What the runs wait for, beside the daemon."""
    return [row[0] for row in full.asked(daemon, "SELECT waiting_for FROM runs ORDER BY id")]


@pytest.mark.timeout(300)
def test_runs_in_the_middle_of_their_steps_outlive_a_full_disk(daemon: clouds.Daemon) -> None:
    # The write-ahead log grows beyond what will be its limit, so that the very next write is one too many.
    assert full.post(daemon, b'{"rubbish": "' + b"x" * 2 * full.ROOM + b'"}') == (202, None)
    for name in NAMES:
        said = daemon.responder("run", "geo-restore", "--server", name, "--yes", "--json")
        assert said.code == 0, said
    clouds.wait(lambda: len(writes(daemon)) >= 1, daemon.process)

    full.limit(daemon, full.ROOM)  # some restores are under way, others perhaps just being asked for, or not yet
    clouds.wait(lambda: full.log(daemon).count("[store.") >= 2, daemon.process)
    refused = daemon.responder("run", "wait-it-out", "--server", "shop", "--yes", "--json")
    assert refused.code == 1
    assert daemon.process.poll() is None
    assert daemon.responder("audit", "verify").code == 0
    assert full.asked(daemon, "PRAGMA integrity_check") == [("ok",)]

    full.limit(daemon, resource.RLIM_INFINITY)
    clouds.wait(lambda: waiting_for(daemon) == ["approval"] * 3, daemon.process)
    copies = [each for each in writes(daemon) if "-geo-" in each and each.count("/flexibleServers/") == 1]
    assert len(copies) == len(set(copies)) == 3, "one restore for each, asked for once"
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    assert "Traceback" not in full.log(daemon)
    assert daemon.responder("audit", "verify").code == 0
    assert full.asked(daemon, "PRAGMA integrity_check") == [("ok",)]
