"""How steps make a copy what its source was, one change after the other. No step kind of its own.

Azure takes one operation a server at a time. Before each, the copy is looked at, and only what is missing is asked
for: whatever was lost on the way, nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from responder.core import changes, configurations, errors, restores, runs, servers
from responder.steps import doors

Missing = Callable[[servers.ServerId, configurations.Configuration], Sequence[changes.Change]]
"""What a copy lacks, given its id and how it is now."""

_PATIENT = {"Ambiguous", "ServerIsBusy", "ServerBusy", "ServerIsNotReady", "Conflict"}
"""After these the copy is looked at again: it is busy, perhaps with what we asked for."""
_MOST = 3
"""How often one change is asked for: one that Azure takes again and again and never shows would keep the copy from ever
being ready."""
_KEPT = ("refused", "written", "asked")
_KINDS = {kind.__name__: kind for kind in (changes.FirewallRule, changes.Parameter, changes.Restart)}


def not_captured(what: str) -> runs.Done:
    """There is nothing to go by."""
    told = f"{what} were never read while it was healthy: set them by hand."
    return runs.Done(output={"verdict": "not-captured", "told": told})


async def until_complete(ctx: doors.Context, missing: Missing, what: str) -> runs.Outcome:
    """Ask for what is missing, or look at how the change under way is going. Done: nothing is missing any more.

    A change that Azure refuses for good is left out and named in the output under `refused`.
    """
    saved = ctx.record.saved
    if "token" in saved:
        return await _poll(ctx, saved)
    copy = servers.server_id(str(ctx.copy()["copy"]))
    try:
        there = await ctx.doors.control_plane.configuration(copy)
    except errors.AzureError as error:
        return ctx.look_again(error)
    refused: Mapping[str, str] = saved.get("refused", {})
    left = [change for change in missing(copy, there) if name_of(change) not in refused]
    asked: Mapping[str, int] = saved.get("asked", {})
    if left and asked.get(name_of(left[0]), 0) >= _MOST:
        why = f"Azure has taken it {_MOST} times and does not show it"
        return _left_out(ctx, _kept(saved), name_of(left[0]), why)
    if not left:
        told = f"{what} are set" + (f", but for {', '.join(sorted(refused))}." if refused else ".")
        output = {"verdict": "incomplete" if refused else "copied", "told": told}
        return runs.Done(output={**output, "written": saved.get("written", 0), "refused": dict(refused)})
    return await _ask(ctx, left[0], saved)


def name_of(change: changes.Change) -> str:
    """What is changed."""
    if isinstance(change, changes.FirewallRule | changes.Parameter):
        return change.name
    return "the restart that some of them wait for"


def not_taken(ctx: doors.Context, error: errors.AzureError, kept: Mapping[str, Any]) -> runs.Wait | runs.Retry | None:
    """What follows when Azure did not take a change. None: it has refused for good.

    Args:
        kept: what the step remembers.
    """
    after = max(ctx.doors.rules.poll, error.retry_after or timedelta())
    if error.code in _PATIENT:
        return runs.Wait(until=ctx.now + after, topic="operation", saved=kept)
    if error.status is not None and 400 <= error.status < 500 and not error.retryable:
        return None
    return runs.Retry(after=after, why=str(error), saved=kept)


async def _ask(ctx: doors.Context, change: changes.Change, saved: Mapping[str, Any]) -> runs.Outcome:
    kept = _kept(saved)
    ctx.check()
    try:
        token = await ctx.doors.control_plane.change(change)
    except errors.AzureError as error:
        return not_taken(ctx, error, kept) or _left_out(ctx, kept, name_of(change), str(error))
    fields = {name: getattr(change, name) for name in type(change).__dataclass_fields__}
    asked = kept.get("asked", {})
    kept["asked"] = {**asked, name_of(change): asked.get(name_of(change), 0) + 1}
    await ctx.save({**kept, "token": token, "change": {"kind": type(change).__name__, **fields}})
    return runs.Wait(until=ctx.now, topic="operation")


async def _poll(ctx: doors.Context, saved: Mapping[str, Any]) -> runs.Outcome:
    kept = _kept(saved)
    fields = dict(saved["change"])
    change = _KINDS[fields.pop("kind")](**fields)
    try:
        progress = await ctx.doors.control_plane.poll_change(change, saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded():
            written = {**kept, "written": int(kept.get("written", 0)) + 1}
            return runs.Wait(until=ctx.now, topic="operation", saved=written)
        case restores.Lost():
            return runs.Wait(until=ctx.now, topic="operation", saved=kept)
        case restores.OperationFailed(code=code, message=message):
            return _left_out(ctx, kept, name_of(change), f"{code}: {message}")


def _kept(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What is remembered from one change to the next."""
    return {key: saved[key] for key in _KEPT if key in saved}


def _left_out(ctx: doors.Context, kept: Mapping[str, Any], name: str, why: str) -> runs.Wait:
    refused = {**kept.get("refused", {}), name: why}
    return runs.Wait(until=ctx.now, topic="operation", saved={**kept, "refused": refused})
