"""`hand_on_tags`: the server that applications were sent to gets the declaration of the one that they came from.

Without the `outage-*` tags the next outage would find it undeclared and wait. A tag that somebody has set on it stays
as it is, and so do all others: Azure takes only all tags at once, so they are read just before. Also tagged
`responder-instead-of`, which says whose place it took. The source is only read, as the inventory last saw it.

Not handed on: `outage-run`, which says what run made a server, and what says where copies of the source go
(`outage-target-group`, `outage-network`): that is where this one is.
https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from responder.core import changes, errors, plans, playbooks, restores, runs, servers
from responder.steps import changing, doors, restore

EFFECT = "idempotent"
ABOUT = "Gives the server that applications were sent to the outage tags of the one that they came from."
OUTPUTS = (
    playbooks.Output(name="verdict", words=("handed-on",), about="handed-on"),
    playbooks.Output(name="copy", about="the ARM id of the server that has them now"),
    playbooks.Output(name="tags", type=playbooks.Type.LIST, about="the names of those that it was given"),
    playbooks.Output(name="kept", type=playbooks.Type.LIST, about="those that somebody had set on it otherwise"),
    playbooks.Output(name="left_out", type=playbooks.Type.LIST, about="those that say where the source's copies go"),
    playbooks.Output(name="told", about="the same as a sentence"),
)

_PREFIX = "outage-"
_NOBODYS = frozenset({restore.TAG_RUN})
_OF_THE_PLACE = frozenset({"outage-target-group", "outage-network"})
_MOST = 10
"""Times that the same tags are asked for. Who takes them away again each time (a policy) means it."""


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The server is only known when applications were sent to it."""
    detail = f"to those that {ctx.situation.server.name} has and it lacks"
    return [plans.Touch(verb="changes", what="outage tags of the server that takes its place", detail=detail)]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Look what it lacks and ask for that, or look at how the change is going."""
    if "token" in ctx.record.saved:
        return await _poll(ctx, ctx.record.saved)
    copy = servers.server_id(str(ctx.copy().get("copy") or ""))
    if not copy or not _was_sent_to(ctx):
        return runs.Fail(why="applications were sent to no other server, so nothing is handed on")
    try:
        found = await ctx.doors.control_plane.find(copy)
    except errors.AzureError as error:
        return ctx.look_again(error)
    if found is None:
        return runs.Fail(why=f"{copy} is not there any more")
    stays = _not_to_be_touched(ctx, found)
    if stays:
        return runs.Fail(why=stays)
    missing = lacking(ctx.situation.server, found.tags)
    return await _ask(ctx, found, missing) if missing else _done(ctx, found)


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """`execute` looks at the server first, and asks only for what it lacks."""
    return runs.NotStarted()


def lacking(source: servers.Server, there: Mapping[str, str]) -> dict[str, str]:
    """The tags that a server lacks to stand in for its source. Azure's names know no case."""
    has = {name.lower() for name in there}
    wanted = {**declared(source.tags), restores.INSTEAD_TAG: source.id[:256]}
    return {name: value for name, value in wanted.items() if name not in has}


def declared(tags: Mapping[str, str]) -> dict[str, str]:
    """What of these tags is a declaration that holds wherever the server is, by lower-case name."""
    ours = {name.lower(): value for name, value in tags.items() if name.lower().startswith(_PREFIX)}
    return {name: value for name, value in ours.items() if name not in _NOBODYS | _OF_THE_PLACE}


def _was_sent_to(ctx: doors.Context) -> bool:
    """The copy of a rehearsal, or one that stands beside, must not be taken for the server."""
    kind = "cut_over" if any(step.kind == "cut_over" for step in ctx.run.playbook.steps) else "hold"
    return ctx.output_of(kind).get("verdict") == "cut-over"


def _not_to_be_touched(ctx: doors.Context, found: restores.FoundServer) -> str:
    """Why it must stay as it is; empty: it need not."""
    if found.id == ctx.situation.server.id:
        return "a server does not take its own place"
    if found.replica:
        return f"{found.id} is a replica still, and does not take the place of its primary"
    if found.ours and found.tags.get(restore.TAG_RUN) != ctx.run.id:
        return f"{found.id} was made by another run; it is left alone"
    return ""


async def _ask(ctx: doors.Context, found: restores.FoundServer, missing: Mapping[str, str]) -> runs.Outcome:
    times = int(ctx.record.saved.get("times", 0))
    given = sorted({*ctx.record.saved.get("given", ()), *missing})
    if times >= _MOST:
        return runs.Fail(
            why=f"Azure took {', '.join(sorted(missing))} {times} times, and {found.id} does not have them"
        )
    ctx.check()
    try:
        token = await ctx.doors.control_plane.change(_change(found.id, {**found.tags, **missing}))
    except errors.AzureError as error:
        return changing.not_taken(ctx, error, {"times": times, "given": given}) or runs.Fail(why=str(error))
    await ctx.save({"token": token, "copy": found.id, "times": times + 1, "given": given})
    return runs.Wait(until=ctx.now, topic="operation")


async def _poll(ctx: doors.Context, saved: Mapping[str, Any]) -> runs.Outcome:
    kept = {name: saved[name] for name in ("times", "given") if name in saved}
    try:
        progress = await ctx.doors.control_plane.poll_change(_change(saved["copy"], {}), saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded() | restores.Lost():  # the server tells: it is looked at next
            return runs.Wait(until=ctx.now, topic="operation", saved=kept)
        case restores.OperationFailed(code=code, message=message):
            return runs.Retry(after=ctx.doors.rules.retry, why=f"{code}: {message}", saved=kept)


def _change(id_: str, tags: Mapping[str, str]) -> changes.Tags:
    return changes.Tags(server_id=servers.server_id(id_), tags=tags)


def _done(ctx: doors.Context, found: restores.FoundServer) -> runs.Done:
    source = ctx.situation.server
    there = {name.lower(): value for name, value in found.tags.items()}
    kept = sorted(name for name, value in declared(source.tags).items() if there.get(name) != value)
    left_out = sorted({name.lower() for name in source.tags} & _OF_THE_PLACE)
    given = sorted(ctx.record.saved.get("given", ()))
    output = {"verdict": "handed-on", "copy": found.id, "tags": given, "kept": kept, "left_out": left_out}
    return runs.Done(output={**output, "told": _told(source, found, kept, left_out)})


def _told(source: servers.Server, found: restores.FoundServer, kept: Sequence[str], left_out: Sequence[str]) -> str:
    new = found.id.rpartition("/")[2]
    told = [f"{new} has the outage tags of {source.name}."]
    if not declared(source.tags):
        told = [f"{source.name} had no outage tags, so {new} got none."]
    if kept:
        told.append(f"Set on it otherwise, and kept: {', '.join(kept)}.")
    if left_out:
        told.append(f"Not handed on, for they say where copies go: {', '.join(left_out)}.")
    return " ".join(told)
