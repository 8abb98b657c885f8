"""Store: runs submitted, and steps (intent and outcome), against a bare SQLite loop with as many commits.

One after the other, as one run is carried on: what is measured is the way to a commit, not how commits are shared.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from responder import playbook_files, steps
from responder.core import playbooks, regions, runs, servers
from responder.store import codec, sqlite
from tests.benchmarks import bare_store, measures

RUNS = 400
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_OUTPUT = {"verdict": "restored", "copy": "/subscriptions/s/resourcegroups/g/providers/p/flexibleservers/copy"}


async def measure(effort: measures.Effort) -> list[measures.Row]:
    """Two rows."""
    playbook = playbook_files.load_all(None, steps.KINDS)["geo-restore"]
    submitted = [_run(playbook, number) for number in range(effort.of(RUNS))]
    begun = submitted[: max(1, len(submitted) // len(playbook.steps))]
    snapshot = codec.dump(playbook, playbooks.Playbook)
    record = codec.dump(_last_record(begun[0]), runs.StepRecord)
    step_count = len(begun) * len(playbook.steps)
    return [
        await measures.compare(
            "store: submit", "run", lambda: _submit(submitted), lambda: _bare(len(submitted), 1, snapshot), effort
        ),
        await measures.compare(
            "store: steps", "step", lambda: _carry_on(begun), lambda: _bare(step_count, 2, record), effort
        ),
    ]


@contextlib.asynccontextmanager
async def _store() -> AsyncIterator[sqlite.Store]:
    with tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        store = await sqlite.open_store(Path(folder) / "store.db")
        try:
            yield store
        finally:
            await store.close()


async def _submit(submitted: list[runs.Run]) -> measures.Sample:
    async with _store() as store:
        watch = measures.Stopwatch()
        for run in submitted:
            await store.runs.submit(run)
        return watch.read(len(submitted))


async def _carry_on(begun: list[runs.Run]) -> measures.Sample:
    async with _store() as store:
        for run in begun:
            await store.runs.submit(run)
        claimed: list[runs.Run] = []
        while taken := await store.runs.claim(_NOON, excluding=[run.id for run in claimed]):
            claimed.append(taken)
        done, watch = 0, measures.Stopwatch()
        for run in claimed:
            while not run.state.ended:
                intent = runs.begin(run, None, _NOON)
                assert await store.runs.write(run, intent)
                run, outcome = runs.advance(run, intent, runs.Done(output=_OUTPUT), _NOON)
                assert await store.runs.write(run, outcome)
                done += 1
        return watch.read(done)


async def _bare(items: int, commits: int, body: str) -> measures.Sample:
    """So many commits an item, each of one row of that size."""
    with tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        connection = bare_store.connect(Path(folder) / "bare.db")
        with contextlib.closing(connection):
            watch = measures.Stopwatch()
            for number in range(items * commits):
                bare_store.append(connection, [(f"row {number}", body)])
            return watch.read(items)


def _run(playbook: playbooks.Playbook, number: int) -> runs.Run:
    name = f"server-{number}"
    address = servers.Address(subscription_id="sub", resource_group="group", family=servers.Family.FLEXIBLE, name=name)
    server = servers.Server(
        id=servers.id_of(address),
        name=name,
        family=servers.Family.FLEXIBLE,
        subscription_id="sub",
        resource_group="group",
        region=regions.RegionName("eastus2"),
        tier="GeneralPurpose",
    )
    return runs.new(
        id_=runs.run_id(playbook.name, server, "bench"),
        server=server,
        outage_id=None,
        playbook=playbook,
        params={},
        by="bench",
        now=_NOON,
    )


def _last_record(run: runs.Run) -> runs.StepRecord:
    intent = runs.begin(run, None, _NOON)
    return runs.advance(run, intent, runs.Done(output=_OUTPUT), _NOON)[1]
