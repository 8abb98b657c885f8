"""What is old goes, and what still matters never does: every kind of run and outage there is, against a plain rule."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from responder.core import audits, brakes, outages, playbooks, runs, servers
from responder.flow import auditing
from responder.store import retention, stores
from tests.contracts import samples

DAY = timedelta(days=1)
NOW = samples.NOON + 1000 * DAY
BEFORE = NOW - 400 * DAY
OLD, YOUNG = samples.NOON + 400 * DAY, NOW - 10 * DAY
KINDS = {
    "restore": "restore", "verify": "verify", "cut-over": "cut_over", "discard": "discard_copy"
}  # fmt: skip
BOOK = replace(samples.PLAYBOOK, steps=tuple(playbooks.Step(id=id_, kind=kind) for id_, kind in KINDS.items()))
COPIES = ("none", "discarded", "gone", "cut over", "there", "there by its tag", "nobody can tell")
MATTERS = ("there", "there by its tag", "nobody can tell")
OUTAGES = ("none", "open", "closed", "closed lately")
KINDS_OF_RUN = list(itertools.product(("done", "failed", "lately", "waiting"), COPIES, OUTAGES))
FEWER = [kind for kind in KINDS_OF_RUN if kind[0] in ("done", "waiting") and kind[2] in ("open", "closed")]


@dataclass(frozen=True)
class Case:
    """A run, and what there is around it."""

    number: int
    state: str
    copy: str
    outage: str

    @property
    def name(self) -> str:
        return f"run-{self.number}"

    @property
    def outage_id(self) -> outages.OutageId | None:
        return samples.outage(f"{self.number:03}").id if self.outage != "none" else None

    @property
    def copy_id(self) -> servers.ServerId:
        found = samples.server_id(f"s{self.number}-geo-1")
        return servers.ServerId(found.replace("sub-1", "sub-2")) if self.copy == "nobody can tell" else found

    @property
    def ended(self) -> datetime | None:
        return {"waiting": None, "lately": YOUNG}.get(self.state, OLD)

    def must_stay(self) -> bool:
        return self.state in ("lately", "waiting") or self.outage == "open" or self.copy in MATTERS

    def outage_must_stay(self) -> bool:
        return self.outage in ("open", "closed lately") or self.must_stay()

    def records(self) -> list[runs.StepRecord]:
        if self.copy in ("none", "there by its tag"):
            return [self._record("restore", verdict="not-needed")]
        made = [self._record("restore", verdict="restored", copy=self.copy_id), self._record("verify", sql=True)]
        if self.copy == "cut over":
            return [*made, self._record("cut-over", verdict="cut-over", copy=self.copy_id)]
        return [*made, *([self._record("discard", verdict="discarded")] if self.copy == "discarded" else [])]

    def _record(self, step: str, **output: Any) -> runs.StepRecord:
        return samples.record(step, runs.StepState.DONE, output=output, ended_at=self.ended or NOW)


async def played(store: stores.Store, cases: list[Case]) -> None:
    there = [samples.server("the-subscription-is-listed", seen_at=NOW)]
    for case in cases:
        if case.copy in ("there", "there by its tag", "cut over"):
            tags = {"created-by": "responder", "outage-run": case.name}
            copy = samples.server(f"s{case.number}-geo-1", seen_at=NOW, tags=tags)
            there.append(copy if case.copy != "there" else replace(copy, tags={}))
    await store.estate.put_servers(there)
    known = [
        replace(samples.outage(f"{case.number:03}", active=case.outage == "open"), heard_at=OLD if case.outage != "open"
        else YOUNG) for case in cases if case.outage != "none"
    ]  # fmt: skip
    await store.outages.put(known)
    for case in cases:
        if case.outage in ("closed", "closed lately") and case.outage_id is not None:
            await store.outages.close(case.outage_id, OLD if case.outage == "closed" else YOUNG)
        await done(store, case)


async def done(store: stores.Store, case: Case) -> None:
    began = YOUNG if case.state == "waiting" else OLD - DAY
    run = replace(
        samples.run(case.name, server=f"s{case.number}", outage_id=case.outage_id),
        playbook=BOOK, created_at=began, wake_at=began,
    )  # fmt: skip
    await store.runs.submit(run)
    found = await store.runs.claim(NOW, only=run.id)
    assert found is not None
    *first, last = case.records()
    for record in first:
        assert await store.runs.write(found, record)
    state = {"waiting": runs.State.WAITING, "failed": runs.State.FAILED}.get(case.state, runs.State.DONE)
    ended = replace(found, state=state, step=None, wake_at=None, ended_at=case.ended)
    assert await store.runs.write(ended, last, leave=True)


async def pruned(store: stores.Store) -> None:
    for kind in (retention.Kind.RUNS, retention.Kind.OUTAGES):
        while await store.retention.delete(kind, BEFORE, 7) == 7:
            pass
    while await store.retention.sweep(2):
        pass


async def names(store: stores.Store) -> set[str]:
    return {run.id for run in await store.runs.list(1000)}


async def test_what_still_matters_stays_and_all_else_goes(store: stores.Store) -> None:
    chosen = KINDS_OF_RUN if store.database.KIND == "sqlite" else FEWER  # the rules are the same, and commits slow
    cases = [Case(number, *kind) for number, kind in enumerate(chosen)]
    await played(store, cases)
    taken = [samples.decided(f"s{case.number}", minutes=1) for case in cases if case.outage == "closed"]
    of = [case.outage_id for case in cases if case.outage == "closed"]
    decided = [(replace(d, outage=o), f) for (d, f), o in zip(taken, of, strict=True) if o is not None]
    await store.outages.put_decisions(decided)
    successions, restored = await store.successions.standing(), await store.samples.newest(1000)
    head = await store.audit.head()

    await pruned(store)

    assert await names(store) == {case.name for case in cases if case.must_stay()}
    left = {outage.id for outage in await store.outages.list(1000)}
    assert left == {case.outage_id for case in cases if case.outage_id is not None and case.outage_must_stay()}
    for case in cases:
        assert bool(await store.runs.steps(runs.RunId(case.name))) == case.must_stay()
        assert bool(await store.runs.journal(runs.RunId(case.name))) == case.must_stay()
        if case.outage == "closed" and case.outage_id is not None:
            assert bool(await store.outages.decisions(case.outage_id)) == case.outage_must_stay()
    assert successions == await store.successions.standing()
    assert len(successions) == sum(case.copy == "cut over" for case in cases)
    assert restored == await store.samples.newest(1000)
    assert head == await store.audit.head()
    assert (await auditing.verify(store.audit, audits.Witness())).whole


async def old(store: stores.Store, copy: str = "none", outage: str = "closed") -> Case:
    case = Case(1, "failed", copy, outage)
    await played(store, [case])
    return case


@pytest.mark.parametrize("needs", ["open outage", "run under way"])
async def test_nothing_goes_that_ended_since_the_oldest_open_thing_began(store: stores.Store, needs: str) -> None:
    case = await old(store)
    if needs == "open outage":
        await store.outages.put([replace(samples.outage("ZZZ"), heard_at=OLD - 2 * DAY)])
    else:
        await store.runs.submit(replace(samples.run("new", server="other"), created_at=OLD - 2 * DAY))
    await pruned(store)
    assert case.name in await names(store)


async def test_what_nobody_could_tell_goes_when_it_can_be_told(store: stores.Store) -> None:
    case = await old(store, "there")
    await pruned(store)
    assert await names(store) == {case.name}
    await store.estate.remove([case.copy_id])
    await pruned(store)
    assert await names(store) == set()


async def test_a_run_that_is_revived_meanwhile_stays(store: stores.Store) -> None:
    case = await old(store)
    word = samples.signal(case.name, runs.Topic.RETRY)
    original = store.database.execute_transaction

    async def late(work: Any) -> Any:
        store.database.execute_transaction = original  # type: ignore[method-assign]
        await store.runs.revive(word, "restore")
        return await original(work)

    store.database.execute_transaction = late  # type: ignore[method-assign]
    await pruned(store)
    assert await names(store) == {case.name}


async def test_an_outage_with_a_freeze_of_its_wave_stays(store: stores.Store) -> None:
    case = await old(store)
    assert case.outage_id is not None
    scope = brakes.Scope(kind=brakes.Kind.WAVE, name=case.outage_id)
    await store.brakes.freeze(brakes.Freeze(scope=scope, by="ada", reason="look", since=OLD, until=None), [])
    await pruned(store)
    assert await store.outages.get(case.outage_id) is not None
    assert await names(store) == set()


async def test_whoever_asks_is_told_what_became_of_it(store: stores.Store) -> None:
    case = await old(store, "gone")
    assert case.outage_id is not None
    await pruned(store)
    run, outage = await store.pruning.run(case.name), await store.pruning.outage(case.outage_id[:3].lower())
    assert run is not None
    assert outage is not None
    assert (run.ended_at, run.how, run.copies) == (OLD, "failed", (case.copy_id,))
    assert case.copy_id in run.sentence("run")
    assert (outage.id, outage.how) == (case.outage_id, "resolved")
    assert await store.pruning.run("never-was") is None


@pytest.mark.parametrize("active", [False, True])
async def test_news_that_comes_too_late_opens_no_outage_that_is_gone(store: stores.Store, active: bool) -> None:
    case = await old(store)
    assert case.outage_id is not None
    await pruned(store)
    again = replace(samples.outage("001", minutes=9e6, active=active), heard_at=NOW)
    await store.outages.put([again, samples.outage("002")])
    assert [outage.tracking_id for outage in await store.outages.list()] == ["002"]
    assert await store.pruning.gone([case.outage_id, samples.outage("002").id]) == {case.outage_id}
