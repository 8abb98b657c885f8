"""Act: carry out runs, one step at a time. The journal is written before an effect (intent) and after it (outcome).

    claim a due run ─► condition? ─► intent ─► execute ─► outcome ─► next step, or wait
                                     └─ found an intent without an outcome: reconcile, never repeat blindly

A wait is a row: whoever claims the run at `wake_at` goes on from what is written. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from responder import clock
from responder import steps as kinds
from responder.core import announcements, contexts, copies, errors, playbooks, runs, tolerances
from responder.flow import facts, meaning, stages, wakes
from responder.steps import doors
from responder.store import apart, sqlite

_log = structlog.get_logger(__name__)

_SLOTS = 50  # runs acted on at the same moment; waiting runs take none
_LONGEST_NAP = timedelta(seconds=30)
_ATTEMPT_LIMIT = timedelta(minutes=5)  # a single execution of a step never takes longer; waits are rows
_GRACE = timedelta(seconds=10)
"""At the end, for the steps under way."""
_FIRST_PARK = timedelta(seconds=5)
_LONGEST_PARK = timedelta(minutes=5)
_BACK_OFF = timedelta(seconds=2)
_LONGEST_BACK_OFF = timedelta(minutes=5)


class Fenced(Exception):
    """The run was claimed by somebody else meanwhile. Whatever we were about to write or do is theirs now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parked:
    """A run that raised: when it may be claimed again, and how often in a row that happened."""

    until: datetime
    times: int


class Act:
    """Takes due runs from the journal and carries them on."""

    def __init__(
        self, store: sqlite.Store, doors_: doors.Doors, defaults: tolerances.Tolerance, *,
        wake: wakes.Wake, assess: wakes.Wake, registry: kinds.Registry = kinds.BUILT_IN,
    ) -> None:  # fmt: skip
        self._store = store
        self._doors = doors_
        self._defaults = defaults
        self._wake = wake
        self._assess = assess
        self._kinds = registry
        self._busy: dict[runs.RunId, asyncio.Task[None]] = {}
        self._parked: dict[runs.RunId, _Parked] = {}
        self._stopping = False

    async def run(self) -> None:
        """Until cancelled; then no run is begun any more, and the steps under way may still write their outcome.

        What takes longer than that is given up, and the journal knows what to reconcile.
        """
        try:
            await stages.patiently("act", self._keep_filling)
        finally:
            await self._finish()

    async def _keep_filling(self) -> None:
        while True:
            await self._fill_slots()
            await self._wake.wait(await self._next_wake(), _LONGEST_NAP)

    async def _fill_slots(self) -> None:
        while len(self._busy) < _SLOTS:
            run = await self._store.runs.claim(clock.now(), excluding=self._not_now())
            if run is None:
                return
            task = asyncio.create_task(self._carried(run), name=f"run {run.id}")
            self._busy[run.id] = task
            task.add_done_callback(functools.partial(self._left, run.id))

    async def _next_wake(self) -> datetime | None:
        if len(self._busy) >= _SLOTS:
            return None  # whoever leaves a slot rings
        due = await self._store.runs.next_wake(excluding=self._not_now())
        again = [parked.until for parked in self._parked.values() if parked.until > clock.now()]
        return min([*again, *([due] if due else [])], default=None)

    def _not_now(self) -> tuple[runs.RunId, ...]:
        """Runs in hand, and those that failed us a moment ago."""
        now = clock.now()
        return (*self._busy, *(id_ for id_, parked in self._parked.items() if parked.until > now))

    def _left(self, id_: runs.RunId, _: asyncio.Task[None]) -> None:
        self._busy.pop(id_, None)
        self._wake.ring()

    async def _finish(self) -> None:
        self._stopping = True
        if self._busy:
            _, late = await asyncio.wait(self._busy.values(), timeout=_GRACE.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _carried(self, run: runs.Run) -> None:
        """Carry a run on. One that raises is left alone for a while: claimed again at once, it would raise for ever."""
        try:
            await self.carry_on(run)
        except Exception as error:
            times = self._parked[run.id].times + 1 if run.id in self._parked else 1
            pause: timedelta = min(_FIRST_PARK * 2.0 ** min(times - 1, 16), _LONGEST_PARK)
            self._parked[run.id] = _Parked(until=clock.now() + pause, times=times)
            known = isinstance(error, errors.StoreError)
            _log.error(
                "run.parked", **run.log_context(), error=str(error), pause_s=pause.total_seconds(), exc_info=not known
            )
            await self._tell_parked(run, error)
        else:
            self._parked.pop(run.id, None)

    async def _tell_parked(self, run: runs.Run, error: Exception) -> None:
        """Once, by the key. While the store is out of order nothing can be told, and it is no trouble of this run."""
        if isinstance(error, errors.StoreError) and error.error_id != apart.UNREADABLE:
            return
        why = str(error) or type(error).__name__
        text = f"{run.id} cannot be carried on and is tried again now and then: {why}. The log has the details."
        told = _announcement(run, "parked", "run.parked", f"{run.playbook.name} is stuck", text)
        try:
            await self._store.outbox.put([told])
        except errors.StoreError as failed:
            _log.error("run.parked-untold", **run.log_context(), error=str(failed))

    async def carry_on(self, run: runs.Run) -> runs.Run:
        """Carry a claimed run on until it waits or ends. Returns it as it was left.

        Raises:
            StoreError: its journal cannot be read or written now. What was under way is reconciled next time.
        """
        try:
            while run.state is runs.State.READY or (run.wake_at and not run.state.ended):
                run = await self._one_step(run)
                if run.state is not runs.State.READY or self._stopping:
                    break
        except Fenced:
            _log.warning("run.fenced", **run.log_context())
        if run.state.ended:
            _log.info("run.ended", **run.log_context(), state=run.state, why=run.why)
        self._assess.ring()
        return run

    async def _one_step(self, run: runs.Run) -> runs.Run:
        step = run.playbook.step(run.step or "")
        assert step is not None, "a run that has not ended names a step of its own playbook"
        signals = await self._store.runs.take_signals(run.id, run.fence)
        stop = next((signal for signal in signals if signal.topic is runs.Topic.CANCEL), None)
        records = await self._store.runs.steps(run.id)
        if stop is not None:
            return await self._cancel(run, step, stop, records)
        record = records.get(step.id)
        if record is not None and record.state is runs.StepState.RETRYING and run.wake_at and run.wake_at > clock.now():
            return await self._write(run, record)  # somebody's word woke it; that does not shorten a back-off
        outputs = {id_: record.output for id_, record in records.items() if record.state is runs.StepState.DONE}
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
        elif step.id not in records and meaning.against(step, known, outputs):
            return await self._write(*runs.skip(run, clock.now(), meaning.against(step, known, outputs)))
        return await self._act(run, step, records, outputs, known)

    async def _passed(
        self, run: runs.Run, step: playbooks.Step, records: Mapping[str, runs.StepRecord], known: meaning.Values
    ) -> runs.Run | None:
        """The run past its requirements or its step's condition, when they do not hold."""
        unmet = meaning.unmet(run.playbook, known) if not records else []
        if unmet:
            ended = runs.refused(run, f"it requires what does not hold: {' '.join(unmet)}", clock.now())
            return await self._write(ended, None, *await self._news(ended, records, None))
        started = meaning.notice(run, "started", known, clock.now()) if not records else None
        if started is not None:
            await self._store.outbox.put([started])
        outputs = {id_: one.output for id_, one in records.items() if one.state is runs.StepState.DONE}
        why = meaning.against(step, known, outputs)
        return await self._write(*runs.skip(run, clock.now(), why)) if why else None

    async def _values(self, run: runs.Run, records: Mapping[str, runs.StepRecord]) -> meaning.Values:
        found = await self._situation(run)
        situation = contexts.Situation(
            server=found.server, tolerance=found.tolerance, outage=found.outage, decision=found.decision, run=run
        )
        return meaning.values(situation, records, self._kinds.declared)

    async def _act(
        self,
        run: runs.Run,
        step: playbooks.Step,
        records: Mapping[str, runs.StepRecord],
        outputs: Mapping[str, Any],
        known: meaning.Values,
    ) -> runs.Run:
        record = records.get(step.id)
        interrupted = record is not None and record.state is runs.StepState.BEGUN
        resumed = record is not None and record.state is runs.StepState.WAITING
        if record is None or not (interrupted or resumed):
            try:
                record = runs.begin(run, record, clock.now(), meaning.given(step, known) if record is None else None)
            except playbooks.Unknown as error:
                failed = runs.begin(run, record, clock.now())
                return await self._came_to(run, records, failed, runs.Fail(why=f"a setting cannot be told: {error}"))
            await self._write(run, record)
            _log.info("step.begun", **run.log_context(), attempt=record.attempts)
        try:
            kind, ctx = self._kinds.get(step.kind), await self._context(run, step, record, outputs, records)
        except errors.InputError as error:
            return await self._not_yet(run, record, str(error))
        outcome, record = await self._outcome(kind, ctx, interrupted=interrupted and kind.EFFECT != "read")
        return await self._came_to(run, records, record, outcome)

    async def _came_to(
        self, run: runs.Run, records: Mapping[str, runs.StepRecord], record: runs.StepRecord, outcome: runs.Outcome
    ) -> runs.Run:
        """Write an outcome with the run's new place, and what people are told of it."""
        moved, written = runs.advance(run, record, outcome, clock.now())
        await self._write(moved, written, *await self._news(moved, {**records, written.id: written}, written))
        self._log(run, outcome)
        return moved

    async def _not_yet(self, run: runs.Run, record: runs.StepRecord | None, why: str) -> runs.Run:
        """The step cannot even be begun. Its record stays as it is, so that what may have been done is reconciled."""
        _log.error("step.not-possible", **run.log_context(), why=why)
        later = clock.now() + self._doors.rules.retry
        waiting = replace(run, state=runs.State.WAITING, wake_at=later, waiting_for="retry")
        return await self._write(waiting, replace(record, why=why) if record is not None else None)

    async def _outcome(
        self, kind: kinds.StepKind, ctx: doors.Context, *, interrupted: bool
    ) -> tuple[runs.Outcome, runs.StepRecord]:
        """What the step answered, and its record with whatever it saved on the way."""
        latest = ctx.record

        async def save(saved: Mapping[str, Any]) -> None:
            nonlocal latest
            latest = replace(latest, state=runs.StepState.WAITING, saved=dict(saved))
            await self._write(ctx.run, latest)

        ctx = replace(ctx, save=save)
        try:
            async with asyncio.timeout(_ATTEMPT_LIMIT.total_seconds()):
                if interrupted:
                    _log.info("step.reconciled", **ctx.run.log_context())
                    found = await kind.reconcile(ctx)
                    if not isinstance(found, runs.NotStarted):
                        return found, latest
                return await kind.execute(ctx), latest
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
        self,
        run: runs.Run,
        step: playbooks.Step,
        record: runs.StepRecord,
        outputs: Mapping[str, Any],
        records: Mapping[str, runs.StepRecord],
    ) -> doors.Context:
        async def nowhere(_: Mapping[str, Any]) -> None:
            raise AssertionError("replaced before the step is executed")

        return doors.Context(
            run=run,
            step=meaning.settled(step, self._kinds.declared.get(step.kind), record.given),
            record=record,
            outputs=outputs,
            records=records,
            situation=await self._situation(run),
            doors=self._doors,
            now=clock.now(),
            save=nowhere,
        )

    async def _situation(self, run: runs.Run) -> doors.Situation:
        server = await self._store.estate.server(run.server_id)
        if server is None:
            raise errors.InputError(
                "run.no-server", f"{run.server_id} is not in the inventory.", remedy="Refresh it, then retry the run."
            )
        outage, decision = await self._store.outages.get(run.outage_id) if run.outage_id else None, None
        if outage is not None:
            outage, decision = await facts.leading(self._store, server, outage)
        gathered = await facts.gather(self._store, outage, [server], self._defaults) if outage else []
        return doors.Situation(
            server=server,
            tolerance=tolerances.read(server.tags, defaults=self._defaults),
            outage=outage,
            facts=gathered[0] if gathered else None,
            decision=decision,
            consent=facts.newest_word(await self._store.runs.signals(run.id)),
        )

    async def _cancel(
        self, run: runs.Run, step: playbooks.Step, stop: runs.Signal, records: Mapping[str, runs.StepRecord]
    ) -> runs.Run:
        """End the run before its next effect, and name what was begun."""
        left = await self._left_behind(run, step, records)
        why = f"cancelled by {stop.by}: {stop.payload.get('reason') or 'no reason given'}{left}"
        ended = runs.cancelled(run, why, clock.now())
        return await self._write(ended, None, *await self._news(ended, {}, None))

    async def _news(
        self, run: runs.Run, records: Mapping[str, runs.StepRecord], record: runs.StepRecord | None
    ) -> list[announcements.Announcement]:
        """What people are told of a run as it is now, in the playbook's own words where it has some."""
        usual = _news(run, records, record)
        if not run.state.ended or run.playbook.notice(run.state) is None:
            return usual
        also = usual[0].text if usual else ""
        try:
            own = meaning.notice(run, run.state, await self._values(run, records), clock.now(), also=also)
        except errors.InputError:  # its server is not in the inventory any more
            return usual
        return [own] if own is not None else usual

    async def _left_behind(self, run: runs.Run, step: playbooks.Step, records: Mapping[str, runs.StepRecord]) -> str:
        """What the run leaves in the world; looked up when a crash has left it unknown how far the last step came."""
        record, kind = records.get(step.id), self._kinds.kinds.get(step.kind)
        if record is None or record.state is not runs.StepState.BEGUN or kind is None or kind.EFFECT == "read":
            return _left(run, records)
        outputs = {id_: done.output for id_, done in records.items() if done.state is runs.StepState.DONE}
        try:
            async with asyncio.timeout(_ATTEMPT_LIMIT.total_seconds()):
                found = await kind.reconcile(await self._context(run, step, record, outputs, records))
        except Exception as error:
            return f"{_left(run, records)}; {step.id} was interrupted, and how far it came cannot be seen: {error}"
        match found:
            case runs.Wait(saved=saved) if saved:
                return _left(run, {**records, step.id: replace(record, saved=saved)})
            case runs.Done():
                return f"{_left(run, records)}; {step.id} was carried out"
        return _left(run, records)

    async def _write(
        self, run: runs.Run, record: runs.StepRecord | None, *news: announcements.Announcement
    ) -> runs.Run:
        if not await self._store.runs.write(run, record, news):
            raise Fenced
        return run

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


def _news(
    run: runs.Run, records: Mapping[str, runs.StepRecord], record: runs.StepRecord | None
) -> list[announcements.Announcement]:
    """What people are told of a run as it is now; written with it, so that no crash comes in between."""
    if run.state in (runs.State.FAILED, runs.State.CANCELLED):
        text = f"{run.why}{_left(run, records)}. Look at it with: responder runs show {run.id}"
        return [_announcement(run, run.state, f"run.{run.state}", f"{run.playbook.name} {run.state}", text)]
    if record is not None and record.state is runs.StepState.RETRYING and record.attempts == 1:
        # The first failure is told at once: a missing right or quota is mended by people, not time.
        text = f"{record.id} of {run.id} did not work and is tried again: {record.why}"
        return [_announcement(run, f"{record.id}/failed", "step.failed", f"{run.playbook.name} has trouble", text)]
    return []


def _left(run: runs.Run, records: Mapping[str, runs.StepRecord]) -> str:
    """The copy that a run which goes no further leaves behind."""
    copy = runs.copy_of(run, records)
    there = copy.server_id and copy.state is not copies.State.DISCARDED
    return f"; {copy.server_id} exists and is left as it is" if there else ""


def _announcement(run: runs.Run, key: str, kind: str, subject: str, text: str) -> announcements.Announcement:
    return announcements.Announcement(
        key=f"{run.id}/{key}",
        kind=kind,
        subject=f"{subject}: {run.server_id.rpartition('/')[2]}",
        text=text,
        at=clock.now(),
        facts={"run": run.id, "server": run.server_id, "outage": run.outage_id or ""},
    )


def _back_off(attempts: int) -> timedelta:
    """Exponential with jitter, so that a wave of runs does not come back as one."""
    grown: timedelta = min(_BACK_OFF * 2.0 ** min(attempts, 10), _LONGEST_BACK_OFF)
    return grown * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not cryptography
