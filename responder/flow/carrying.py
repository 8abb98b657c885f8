"""Carrying one run on, step by step. The journal is written before an effect (intent) and after it (outcome).

    words? ─► condition? ─► gate? ─► intent ─► execute ─► outcome ─► next step, or wait
                                       └─ found an intent without an outcome: reconcile, never repeat

Claims nothing and knows no other run: whoever has claimed one hands it over. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from responder import clock
from responder import steps as kinds
from responder.core import announcements, brakes, controls, errors, playbooks, runs, tolerances
from responder.flow import braking, gate, meaning, situations, told
from responder.steps import doors
from responder.store import codec, sqlite

_log = structlog.get_logger(__name__)

_ATTEMPT_LIMIT = timedelta(minutes=5)  # a single execution of a step never takes longer; waits are rows
_BACK_OFF = timedelta(seconds=2)
_LONGEST_BACK_OFF = timedelta(minutes=5)


class Fenced(Exception):
    """The run was claimed by somebody else meanwhile. Whatever we were about to write or do is theirs now."""


class Carrying:
    """Takes a claimed run from step to step."""

    def __init__(
        self, store: sqlite.Store, doors_: doors.Doors, defaults: tolerances.Tolerance, *,
        registry: kinds.Registry, policy: brakes.Policy, strikes: Callable[[runs.Run], int],
        cleared: Callable[[runs.RunId], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """
        Args:
            store: the journal.
            doors_: what steps may use.
            defaults: the tolerance of servers whose tags say nothing.
            registry: the step kinds there are.
            policy: how far it goes by itself.
            strikes: how often a run has left no outcome, in a row.
            cleared: told of each run that has left one, before it is carried on.
        """
        self._store = store
        self._doors = doors_
        self._defaults = defaults
        self._kinds = registry
        self._policy = policy
        self._gate = gate.Gate(store, policy, registry)
        self._strikes = strikes
        self._cleared = cleared

    async def carry_on(self, run: runs.Run, stopping: Callable[[], bool]) -> runs.Run:
        """Carry a claimed run on until it waits or ends, or we are to stop. Returns it as it was left.

        Raises:
            StoreError: its journal cannot be read or written now. What was under way is reconciled next time.
        """
        try:
            while True:
                run = await self._one_step(run)
                if run.state is not runs.State.READY or stopping():
                    break
        except Fenced:
            _log.warning("run.fenced", **run.log_context())
        if run.state.ended:
            _log.info("run.ended", **run.log_context(), state=run.state, why=run.why)
        return run

    async def _one_step(self, run: runs.Run) -> runs.Run:
        step = run.playbook.step(run.step or "")
        assert step is not None, "a run that has not ended names a step of its own playbook"
        taken = await self._store.runs.take_signals(run.id, run.fence)
        said = controls.standing(await self._store.runs.signals(run.id))
        records = await self._store.runs.steps(run.id)
        if said.cancelled is not None:
            return await self._cancel(run, step, said.cancelled, records)
        hurried = controls.hurries(taken, step.id)
        poisoned = run.waiting_for == controls.QUARANTINE or self._strikes(run) > self._policy.quarantine_after
        if poisoned and not hurried:
            return await self._quarantine(run, records.get(step.id))
        if step.id in said.skips:
            return await self._pass_over(run, step, said.skips[step.id], records)
        record = records.get(step.id)
        if record is not None and record.state is runs.StepState.FAILED:
            # Only somebody's word brings a run back to a failed step.
            records = {**records, step.id: runs.anew(step, record, clock.now())}
        elif not hurried and _backs_off(run, record):
            # Somebody's word woke it. That does not shorten a back-off, and nothing was tried, so it is no strike.
            return await self._write(replace(run, strikes=0), record)
        return await self._take_up(run, step, records, said)

    async def _take_up(
        self, run: runs.Run, step: playbooks.Step, records: Mapping[str, runs.StepRecord], said: controls.Standing
    ) -> runs.Run:
        """Begin the step or go on with it, unless its time is up, or its condition or a brake is against that."""
        record = records.get(step.id)
        gone = runs.overdue(run, record, clock.now())
        if gone is not None and record is not None:
            return await self._came_to(run, records, record, gone)
        known: meaning.Values = {}
        if meaning.is_asked(run, step, records):
            try:
                known = await self._values(run, records)
            except errors.InputError as error:
                return await self._not_yet(run, None, str(error))
            passed = await self._passed(run, step, records, known)
            if passed is not None:
                return passed
        elif step.id not in records and (why := meaning.against(step, known, _outputs(records))):
            return await self._skip(run, why)
        stop = None if runs.under_way(record) else await self._gate.stop(run, step, said)
        # What was asked for and not seen to its end is looked at, and not asked for again.
        look = stop is not None and record is not None and record.state is runs.StepState.WAITING and bool(record.saved)
        if stop is not None and not look:
            _log.info("step.stopped", **run.log_context(), waiting_for=stop.waiting_for, why=stop.why)
            return await self._write(stop.halt(run), None)
        return await self._act(run, step, records, said, known, look=look)

    async def _skip(self, run: runs.Run, why: str) -> runs.Run:
        passed, skipped = runs.skip(run, clock.now(), why)
        return await self._write(replace(passed, strikes=0), skipped)

    async def _passed(
        self, run: runs.Run, step: playbooks.Step, records: Mapping[str, runs.StepRecord], known: meaning.Values
    ) -> runs.Run | None:
        """The run past its requirements or its step's condition, when they do not hold."""
        unmet = meaning.unmet(run.playbook, known) if not records else []
        if unmet:
            ended = runs.refused(run, f"it requires what does not hold: {' '.join(unmet)}", clock.now())
            return await self._write(replace(ended, strikes=0), None, *await self._news(ended, records, None))
        started = meaning.notice(run, "started", known, clock.now()) if not records else None
        if started is not None:
            await self._store.outbox.put([started])
        why = meaning.against(step, known, _outputs(records))
        return await self._skip(run, why) if why else None

    async def _values(self, run: runs.Run, records: Mapping[str, runs.StepRecord]) -> meaning.Values:
        situation = await situations.gather(self._store, run, self._defaults)
        return meaning.values(situations.context(situation, run), records, self._kinds.declared)

    async def _act(
        self,
        run: runs.Run,
        step: playbooks.Step,
        records: Mapping[str, runs.StepRecord],
        said: controls.Standing,
        known: meaning.Values,
        *,
        look: bool,
    ) -> runs.Run:
        record = records.get(step.id)
        interrupted = look or (record is not None and record.state is runs.StepState.BEGUN)
        resumed = record is not None and record.state is runs.StepState.WAITING
        run = replace(run, state=runs.State.READY, waiting_for=None, wake_at=run.wake_at or clock.now())
        if record is None or not (interrupted or resumed):
            try:
                record = runs.begin(run, record, clock.now(), meaning.given(step, known) if record is None else None)
            except playbooks.Unknown as error:
                failed = runs.begin(run, record, clock.now())
                return await self._came_to(run, records, failed, runs.Fail(why=f"a setting cannot be told: {error}"))
            await self._write(run, record, keep=True)
            _log.info("step.begun", **run.log_context(), attempt=record.attempts)
        try:
            kind, ctx = self._kinds.get(step.kind), await self._context(run, step, record, records, said)
        except errors.InputError as error:
            return await self._not_yet(run, record, str(error))
        outcome, record = await self._outcome(kind, ctx, said, interrupted=interrupted and kind.EFFECT != "read")
        return await self._came_to(run, records, record, outcome)

    async def _came_to(
        self, run: runs.Run, records: Mapping[str, runs.StepRecord], record: runs.StepRecord, outcome: runs.Outcome
    ) -> runs.Run:
        """Write an outcome with the run's new place, and what people are told of it."""
        moved, written = runs.advance(run, record, outcome, clock.now())
        moved, step = replace(moved, strikes=0), run.playbook.step(written.id)
        await self._write(moved, written, *await self._news(moved, {**records, written.id: written}, written))
        self._log(run, outcome)
        if step is not None and step.kind == braking.RESTORE and brakes.is_failure(written):
            await braking.mind_the_wave(self._store, run.outage_id, self._policy.budget, clock.now())
        return moved

    async def _not_yet(self, run: runs.Run, record: runs.StepRecord | None, why: str) -> runs.Run:
        """The step cannot even be begun. Its record stays as it is, so that what may have been done is reconciled."""
        _log.error("step.not-possible", **run.log_context(), why=why)
        later = clock.now() + self._doors.rules.retry
        waiting = replace(run, state=runs.State.WAITING, wake_at=later, waiting_for="retry", strikes=0)
        kept = replace(record, why=why) if record is not None else None
        return await self._write(waiting, kept, told.not_possible(run, why))

    async def _outcome(
        self, kind: kinds.StepKind, ctx: doors.Context, said: controls.Standing, *, interrupted: bool
    ) -> tuple[runs.Outcome, runs.StepRecord]:
        """What the step answered, and its record with whatever it saved on the way."""
        latest = ctx.record
        self._must_be_ours(ctx.run)

        async def save(saved: Mapping[str, Any]) -> None:
            nonlocal latest
            latest = replace(latest, state=runs.StepState.WAITING, saved=dict(saved))
            await self._write(ctx.run, latest, keep=True)

        ctx = replace(ctx, save=save)
        try:
            async with asyncio.timeout(_ATTEMPT_LIMIT.total_seconds()):
                if interrupted:
                    _log.info("step.reconciled", **ctx.run.log_context())
                    found = await kind.reconcile(ctx)
                    if not isinstance(found, runs.NotStarted):
                        return _fit(ctx, found), latest
                    stop = await self._gate.stop(ctx.run, ctx.step, said)
                    if stop is not None:  # it had not begun, and must not begin now
                        return stop.wait(clock.now()), latest
                    self._must_be_ours(ctx.run)
                return _fit(ctx, await kind.execute(ctx)), latest
        except (Fenced, errors.StoreError):
            raise
        except errors.InputError as error:
            return runs.Fail(why=str(error)), latest
        except Exception as error:
            _log.warning("step.raised", **ctx.run.log_context(), error=str(error), kind=type(error).__name__)
            asked = error.retry_after if isinstance(error, errors.AzureError) else None
            own = runs.back_off(ctx.step, latest.attempts)
            after = max(own or _back_off(latest.attempts), asked or timedelta())
            return runs.Retry(after=after, why=str(error) or type(error).__name__), latest

    async def _context(
        self, run: runs.Run, step: playbooks.Step, record: runs.StepRecord, records: Mapping[str, runs.StepRecord],
        said: controls.Standing,
    ) -> doors.Context:  # fmt: skip
        async def nowhere(_: Mapping[str, Any]) -> None:
            raise AssertionError("replaced before the step is executed")

        return doors.Context(
            run=run,
            step=meaning.settled(step, self._kinds.declared.get(step.kind), record.given),
            record=record,
            outputs=_outputs(records),
            records=records,
            situation=await situations.gather(self._store, run, self._defaults, said),
            doors=self._doors,
            now=clock.now(),
            save=nowhere,
            check=functools.partial(self._must_be_ours, run),
        )

    async def _cancel(
        self, run: runs.Run, step: playbooks.Step, stop: runs.Signal, records: Mapping[str, runs.StepRecord]
    ) -> runs.Run:
        """End the run before its next effect, and name what was begun."""
        left = await self._left_behind(run, step, records)
        why = f"cancelled by {stop.by}: {stop.payload.get('reason') or 'no reason given'}{left}"
        ended = replace(runs.cancelled(run, why, clock.now()), strikes=0)
        return await self._write(ended, None, *await self._news(ended, {}, None))

    async def _pass_over(
        self, run: runs.Run, step: playbooks.Step, word: runs.Signal, records: Mapping[str, runs.StepRecord]
    ) -> runs.Run:
        """Skip the step in somebody's name. Past the guard of a cut-over there is no way: then the run ends here."""
        left = await self._left_behind(run, step, records)
        why = f"passed over by {word.by}: {word.payload.get('reason') or 'no reason given'}{left}"
        passed, record = runs.skip(run, clock.now(), why, records.get(step.id))
        _log.info("step.passed-over", **run.log_context(), by=word.by)
        if step.kind in controls.NO_RETURN:
            passed = runs.cancelled(run, f"{step.id} was {why}; nothing was cut over", clock.now())
        return await self._write(replace(passed, strikes=0), record, *await self._news(passed, {}, None))

    async def _quarantine(self, run: runs.Run, record: runs.StepRecord | None) -> runs.Run:
        """Leave a run that raises or kills again and again to a human. Whatever it saved is kept."""
        why = f"at step {run.step}" + (f" ({record.why})" if record is not None and record.why else "")
        first = run.waiting_for != controls.QUARANTINE
        kept = replace(run, state=runs.State.WAITING, wake_at=None, waiting_for=controls.QUARANTINE, why=why)
        if first:
            _log.error("run.quarantined", **run.log_context(), strikes=run.strikes)
        return await self._write(kept, None, *([told.quarantined(kept, why)] if first else []))

    async def _news(
        self, run: runs.Run, records: Mapping[str, runs.StepRecord], record: runs.StepRecord | None
    ) -> list[announcements.Announcement]:
        """What people are told of a run as it is now, in the playbook's own words where it has some."""
        usual = told.news(run, records, record)
        if not run.state.ended or run.playbook.notice(run.state) is None:
            return usual
        also = usual[0].text if usual else ""
        try:
            own = meaning.notice(run, run.state, await self._values(run, records), clock.now(), also=also)
        except errors.InputError:  # its server is not in the inventory any more
            return usual
        key = usual[0].key if usual else f"{run.id}/{run.state}"  # a run that is revived may end like this again
        return [replace(own, key=key)] if own is not None else usual

    async def _left_behind(self, run: runs.Run, step: playbooks.Step, records: Mapping[str, runs.StepRecord]) -> str:
        """What the run leaves in the world; looked up when a crash has left it unknown how far the last step came."""
        record, kind = records.get(step.id), self._kinds.kinds.get(step.kind)
        if record is None or record.state is not runs.StepState.BEGUN or kind is None or kind.EFFECT == "read":
            return told.left(run, records)
        try:
            async with asyncio.timeout(_ATTEMPT_LIMIT.total_seconds()):
                found = await kind.reconcile(await self._context(run, step, record, records, controls.Standing()))
        except Exception as error:
            return f"{told.left(run, records)}; {step.id} was interrupted, and how far it came cannot be seen: {error}"
        match found:
            case runs.Wait(saved=saved) if saved:
                return told.left(run, {**records, step.id: replace(record, saved=saved)})
            case runs.Done():
                return f"{told.left(run, records)}; {step.id} was carried out"
            case runs.NotStarted() if not record.taken:
                return told.left(run, {id_: one for id_, one in records.items() if id_ != step.id})
        return told.left(run, records)

    async def _write(
        self, run: runs.Run, record: runs.StepRecord | None, *news: announcements.Announcement, keep: bool = False
    ) -> runs.Run:
        """Write it, and let go of a run that waits or has ended. `keep`: we are not finished with it yet."""
        leave = run.state is not runs.State.READY and not keep
        step = run.playbook.step(record.id) if record is not None else None
        reads = step is not None and getattr(self._kinds.kinds.get(step.kind), "EFFECT", "") == "read"
        if not await self._store.runs.write(run, record, news, leave=leave, effect=not reads):
            raise Fenced
        if not run.strikes:
            self._cleared(run.id)
        return run

    def _must_be_ours(self, run: runs.Run) -> None:
        """Before an effect. An instance that was frozen, or cut off from the store, does not know what others did."""
        if not self._store.runs.ours(run):
            raise Fenced

    def _log(self, run: runs.Run, outcome: runs.Outcome) -> None:
        match outcome:
            case runs.Done(output=output):
                _log.info("step.done", **run.log_context(), **{k: v for k, v in output.items() if k == "verdict"})
            case runs.Wait(until=until, topic=topic):
                _log.debug("step.waits", **run.log_context(), until=until.isoformat(), topic=topic)
            case runs.Retry(after=after, why=why):
                _log.warning("step.retries", **run.log_context(), after_s=after.total_seconds(), why=why)
            case runs.Fail(why=why):
                _log.error("step.failed", **run.log_context(), why=why)


def _fit(ctx: doors.Context, found: runs.Outcome) -> runs.Outcome:
    """The answer of a step kind, which may be somebody else's: an outcome that a journal can keep.

    Raises:
        InputError: it is none. What the step did is done, so it is not tried again.
    """
    if not isinstance(found, runs.Outcome):
        why = f"answered {str(found)[:80]!r}, which is none of Done, Wait, Retry and Fail"
    else:
        try:
            codec.dump(
                {"output": getattr(found, "output", None), "saved": getattr(found, "saved", None)}, codec.MAPPING
            )
            return found
        except (TypeError, ValueError) as error:
            why = f"answered what cannot be kept: {error}"
    text = f"The step kind {ctx.step.kind} {why}."
    remedy = "Mend the package it comes from; look what it did before anybody says `retry`."
    raise errors.InputError("step.no-outcome", text, remedy=remedy)


def _outputs(records: Mapping[str, runs.StepRecord]) -> dict[str, Mapping[str, Any]]:
    """What the steps that are done have put out."""
    return {id_: record.output for id_, record in records.items() if record.state is runs.StepState.DONE}


def _backs_off(run: runs.Run, record: runs.StepRecord | None) -> bool:
    trying = record is not None and record.state is runs.StepState.RETRYING
    return trying and run.wake_at is not None and run.wake_at > clock.now()


def _back_off(attempts: int) -> timedelta:
    """Exponential with jitter, so that a wave of runs does not come back as one."""
    grown: timedelta = min(_BACK_OFF * 2.0 ** min(attempts, 10), _LONGEST_BACK_OFF)
    return grown * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not cryptography
