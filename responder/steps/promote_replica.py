"""`promote_replica`: the point of no return of a replica. It becomes a server of its own, for good.

Forced, for that is the only way while the primary's region is down: what has not reached the replica is lost. So the
loss is measured once more just before, and one that is unknown or beyond what was declared takes a human's signature.
The primary is asked nothing. Output `verdict`: `promoted`, or `not-needed` when the region returned at the last moment.
https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas-promote
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from responder.core import changes, decisions, errors, plans, playbooks, restores, runs, servers
from responder.steps import doors, guard

EFFECT = "once"
ABOUT = "Measures and checks everything once more, then makes the replica a server of its own, by force."
OUTPUTS = (
    playbooks.Output(
        name="verdict",
        words=("promoted", "not-needed"),
        about="promoted, or not-needed when the region came back at the last moment",
    ),
    playbooks.Output(name="copy", about="the ARM id of the replica"),
    playbooks.Output(name="fqdn", about="its host name"),
    playbooks.Output(name="region", about="where it is, like centralus"),
    playbooks.Output(name="sql", type=playbooks.Type.FLAG, about="a login and a query succeeded"),
    playbooks.Output(name="recovery_point", type=playbooks.Type.TIME, about="the time of its newest row"),
    playbooks.Output(name="data_loss_s", type=playbooks.Type.DURATION, about="what promoting it loses"),
)

_NOT_TAKEN = {"ServerIsBusy", "ServerBusy", "ServerIsNotReady", "Conflict"}
"""It may be busy with a promotion of ours whose answer was lost."""
_UNKNOWN_LOSS = timedelta(days=1)
"""A lag that nobody knows has no bound, other than that of a backup: whoever wants it signs for a day."""


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The replica that an earlier step chooses."""
    chosen = str(ctx.run.params.get("replica") or "the read replica with the newest row")
    return [plans.Touch(verb="promotes", what=chosen, detail="to a server of its own, for good")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Ask for the promotion, or look at how it is going."""
    saved = ctx.record.saved
    if "token" in saved:
        return await _poll(ctx, saved)
    if "copy" in saved:
        # It was asked for once, and nothing is known of the answer: never again without looking.
        try:
            there = await reconcile(ctx)
        except errors.AzureError as error:
            return ctx.look_again(error)
        if not isinstance(there, runs.NotStarted):
            return there
    decision = ctx.situation.decision
    if decision is not None and decision.action is decisions.Action.STAND_DOWN:
        return runs.Done(output={"verdict": "not-needed"})
    return await _ask(ctx)


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """The promotion may have been begun and nothing more is known: is it a replica still?"""
    saved = ctx.record.saved
    if "token" in saved or "copy" not in saved:
        return runs.NotStarted()  # its handle was saved, or nothing was asked for yet
    found = await _found(ctx)
    if found.replica and found.ready:
        return runs.NotStarted()
    return _done(saved, found) if found.ready else runs.Wait(until=ctx.now + ctx.doors.rules.poll, topic="operation")


async def _ask(ctx: doors.Context) -> runs.Outcome:
    known = ctx.output_of("measure_replica")
    if not known.get("copy"):
        return runs.Fail(why="no replica was measured by an earlier step")
    found = await _found(ctx)
    if not found.replica:
        return runs.Fail(why=f"{found.id} is no replica any more, and this run has not promoted it; it is left alone")
    look = await ctx.doors.databases.look(str(known["fqdn"]))
    if not look.answers:
        return runs.Retry(after=ctx.doors.rules.poll, why=look.why or "the replica does not answer")
    obstacle = await guard.obstacle(ctx, look.newest_row, unmeasured=_UNKNOWN_LOSS)
    if obstacle is not None:
        return obstacle
    return await _promote(ctx, known, look)


async def _promote(ctx: doors.Context, known: Mapping[str, Any], look: doors.Look) -> runs.Outcome:
    """What is asked for is written down first, with the loss that was measured."""
    facts, point = ctx.situation.facts, look.newest_row
    until = decisions.last_written(facts) if facts else ctx.now
    intent = {
        **{key: known.get(key) for key in ("copy", "fqdn", "region")},
        "sql": look.sql,
        "recovery_point": point.isoformat() if point else None,
        "data_loss_s": max((until - point).total_seconds(), 0.0) if point else None,
    }
    await ctx.save(intent)
    ctx.check()
    try:
        token = await ctx.doors.control_plane.change(_promotion(ctx, intent))
    except errors.AzureError as error:
        return await _refused(ctx, intent, error)
    await ctx.save({**intent, "token": token})
    return runs.Wait(until=ctx.now, topic="operation")


async def _poll(ctx: doors.Context, saved: Mapping[str, Any]) -> runs.Outcome:
    intent = {key: value for key, value in saved.items() if key != "token"}
    try:
        progress = await ctx.doors.control_plane.poll_change(_promotion(ctx, saved), saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded() | restores.Lost():
            # The target tells: `execute` looks at it next, and asks anew only when it is a replica still.
            return runs.Wait(until=ctx.now, topic="operation", saved=intent)
        case restores.OperationFailed(code=code, message=message):
            return runs.Retry(after=ctx.doors.rules.retry, why=f"{code}: {message}", saved=intent)


async def _refused(ctx: doors.Context, intent: Mapping[str, Any], error: errors.AzureError) -> runs.Outcome:
    """The request failed. Whether it had an effect is only known by looking, which the next try does first."""
    after = max(ctx.doors.rules.retry, error.retry_after or timedelta())
    if error.code == "Ambiguous" or error.code in _NOT_TAKEN:
        after = max(ctx.doors.rules.poll, error.retry_after or timedelta())
    return runs.Retry(after=after, why=str(error), saved=intent)


async def _found(ctx: doors.Context) -> restores.FoundServer:
    """The replica as Azure shows it, in its own region.

    Raises:
        AzureError: no answer, or there is no such server.
    """
    id_ = servers.server_id(str(ctx.output_of("measure_replica").get("copy") or ctx.record.saved.get("copy")))
    found = await ctx.doors.control_plane.find(id_)
    if found is None:
        raise errors.AzureError("ResourceNotFound", "The replica is not there.", status=404, retryable=False, place=id_)
    return found


def _promotion(ctx: doors.Context, intent: Mapping[str, Any]) -> changes.Promotion:
    return changes.Promotion(server_id=servers.server_id(str(intent["copy"])), source_id=ctx.situation.server.id)


def _done(saved: Mapping[str, Any], found: restores.FoundServer) -> runs.Done:
    return runs.Done(output={**saved, "verdict": "promoted", "fqdn": found.fqdn or saved.get("fqdn")})
