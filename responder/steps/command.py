"""`command`: one program of this machine that the settings list, with arguments and without a shell.

Its effect happens once: after a crash it is not run again blindly. `repeatable: true` says that it may be; else `check`
(arguments for the same program, exit 0: done, 1: not done) finds out. With neither, a human has to look.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from responder.core import calls, durations, plans, playbooks, runs
from responder.steps import doors

EFFECT = "once"
ABOUT = "Runs a program of this machine; it must be listed in the settings."
_T = playbooks.Type
SETTINGS = (
    playbooks.Setting(name="program", required=True, about="its whole path"),
    playbooks.Setting(name="arguments", type=_T.LIST, default=[], about="given to it as they are, by no shell"),
    playbooks.Setting(
        name="limit", type=_T.DURATION, default="1m", about="how long it may run, up to 4m; then it is killed"
    ),
    playbooks.Setting(name="repeatable", type=_T.FLAG, default=False, about="run twice, it ends the same"),
    playbooks.Setting(
        name="check",
        type=_T.LIST,
        about="arguments with which the same program tells whether it was done: exit 0 yes, 1 no",
    ),
)
OUTPUTS = (
    playbooks.Output(name="code", type=_T.NUMBER, about="its exit code"),
    playbooks.Output(name="said", about="the end of what it wrote"),
)

_LONGEST = timedelta(minutes=4)
"""A step that takes longer is given up by the stage of runs."""
_LOOK_AGAIN = timedelta(minutes=1)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The program it would run.

    Raises:
        InputError: it may not be run, or is not there.
    """
    program = str(ctx.step.settings["program"])
    if "${{" not in program:
        ctx.doors.programs.judge(program)
    return [plans.Touch(verb="runs", what=program, detail=shlex.join(map(str, ctx.step.settings["arguments"])))]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Run it, unless an earlier try may have had an effect: then look first."""
    if ctx.record.saved.get("begun") and not ctx.step.settings.get("repeatable"):
        found = await reconcile(ctx)
        if not isinstance(found, runs.NotStarted):
            return found
    ctx.doors.programs.judge(str(ctx.step.settings["program"]))
    await ctx.save({"begun": True})
    ended = await _run(ctx, ctx.step.settings["arguments"])
    if ended.code == 0:
        return runs.Done(output={"code": 0, "said": ended.said})
    why = f"exit {ended.code}" if ended.code is not None else "killed, as its time was up"
    why = f"{why}: {ended.said[-300:]}"
    if ctx.step.settings.get("repeatable") or ctx.step.settings.get("check") is not None:
        return runs.Retry(after=ctx.doors.rules.poll, why=why)
    return runs.Fail(why=why)


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """Was it done? Asked of the program itself, with the arguments of `check`."""
    if ctx.step.settings.get("repeatable") or not ctx.record.saved.get("begun"):
        return runs.NotStarted()
    check = ctx.step.settings.get("check")
    if check is None:
        return runs.Fail(why="it was run, and nobody knows how far it came: look")
    ended = await _run(ctx, check)
    if ended.code == 0:
        return runs.Done(output={"code": 0, "said": ended.said})
    if ended.code == 1:
        return runs.NotStarted()
    return runs.Wait(until=ctx.now + _LOOK_AGAIN, topic=f"its check (exit {ended.code})")


async def _run(ctx: doors.Context, arguments: Sequence[Any]) -> calls.Ended:
    most = limit(ctx)
    ctx.check()
    program = str(ctx.step.settings["program"])
    return await ctx.doors.programs.run(program, [str(a) for a in arguments], _variables(ctx), most)


def limit(ctx: doors.Context) -> timedelta:
    """How long the program may run: no longer than what is left of the step's `timeout`, but a moment at least."""
    most = min(durations.parse(str(ctx.step.settings["limit"])), _LONGEST)
    end = runs.deadline(ctx.step, ctx.record)
    return min(most, max(end - ctx.now, timedelta(seconds=1))) if end is not None else most


def _variables(ctx: doors.Context) -> Mapping[str, str]:
    """What the program learns of why it runs."""
    return {
        "RESPONDER_RUN": ctx.run.id,
        "RESPONDER_STEP": ctx.step.id,
        "RESPONDER_SERVER": ctx.situation.server.id,
        "RESPONDER_OUTAGE": ctx.run.outage_id or "",
        "RESPONDER_KEY": f"{ctx.run.id}/{ctx.step.id}",
    }
