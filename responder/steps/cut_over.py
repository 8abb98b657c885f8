"""`cut_over`: the point of no return. Applications are sent to the copy by pointing their DNS record at it.

Everything is checked once more on fresh facts, with a probe of this very moment, before the record is written.
Output `verdict`: `cut-over`, or `not-needed` when the region returned at the last moment.
"""

from __future__ import annotations

from datetime import datetime

from responder.core import decisions, plans, playbooks, runs, servers
from responder.steps import doors, guard

EFFECT = "idempotent"
ABOUT = "Checks everything once more, then points the server's DNS record at the copy."
OUTPUTS = (
    playbooks.Output(
        name="verdict",
        words=("cut-over", "not-needed"),
        about="cut-over, or not-needed when the region came back at the last moment",
    ),
    playbooks.Output(name="record", about="the DNS record that was pointed, zone/record; null: none is declared"),
    playbooks.Output(name="from", about="where it led before"),
    playbooks.Output(name="to", about="where it leads now"),
    playbooks.Output(name="why", about="why it was not needed"),
    playbooks.Output(name="at", type=playbooks.Type.TIME, about="when it was pointed"),
    playbooks.Output(name="copy", about="the ARM id of what takes the server's place"),
    playbooks.Output(name="data_loss_s", type=playbooks.Type.DURATION, about="what was lost, as measured"),
)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The record it would point.

    Raises:
        InputError: its zone is not configured.
    """
    followed = ctx.dns_record()
    if followed is None:
        return []
    zone, name = followed
    return [plans.Touch(verb="points", what=f"{zone.name}/{name}", detail="at the copy")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Check, then write the record."""
    done = await reconcile(ctx)
    if isinstance(done, runs.Done):
        return done  # an earlier try wrote it, and the answer was lost: there is no way back any more
    decision = ctx.situation.decision
    if decision is not None and decision.action is decisions.Action.STAND_DOWN and not _promoted(ctx):
        return runs.Done(output={"verdict": "not-needed"})
    obstacle = await _obstacle(ctx)
    if obstacle is not None:
        return obstacle
    target = _target(ctx)
    if not target:
        return runs.Fail(why="no server that could take its place was made by an earlier step")
    followed = ctx.dns_record()
    if followed is None:
        return _done(ctx, record=None, before=None, target=target)
    zone, name = followed
    before = await ctx.doors.dns.read_cname(zone, name)
    if before is not None and servers.is_copy_name(before, ctx.situation.server):
        return runs.Fail(
            why=f"{name}.{zone.name} leads to {before}, an earlier copy that applications write to; it is left alone"
        )
    ctx.check()
    await ctx.doors.dns.point(zone, name, target)
    return _done(ctx, record=f"{zone.name}/{name}", before=before, target=target)


async def reconcile(ctx: doors.Context) -> runs.Done | runs.NotStarted:
    """Does the record point at the copy already? Then it was done, whatever the region does now."""
    target = _target(ctx)
    followed = ctx.dns_record()
    if followed is None or await ctx.doors.dns.read_cname(*followed) != target:
        return runs.NotStarted()
    zone, name = followed
    return _done(ctx, record=f"{zone.name}/{name}", before=None, target=target)


async def _obstacle(ctx: doors.Context) -> runs.Outcome | None:
    """Why the record is not written now, asked on a probe of this very moment; None: nothing stands against it."""
    if ctx.situation.said.held is not None:
        return runs.Wait(until=ctx.now + ctx.doors.rules.policy.review, topic="hold")
    if _promoted(ctx):
        # Everything was asked before the promotion, after which there is no replica to go back to.
        return await _obstacle_promoted(ctx)
    point = ctx.output_of("verify").get("recovery_point")
    return await guard.obstacle(ctx, datetime.fromisoformat(str(point)) if point else None)


async def _obstacle_promoted(ctx: doors.Context) -> runs.Outcome | None:
    """A server that came back in between has gone on taking rows, which the promoted one lacks. A no that was said
    since is a no, too: the promotion stands, and applications stay where they are until somebody says yes."""
    agreed = ctx.situation.agreed
    if not await guard.answers(ctx):
        if agreed is not None and not agreed.granted:
            return runs.Wait(until=ctx.now + ctx.doors.rules.policy.review, topic="approval")
        return None
    why = "it answers again, so applications are not sent away from it; its replica was promoted and follows it no more"
    return runs.Done(output={"verdict": "not-needed", "why": why})


def _promoted(ctx: doors.Context) -> bool:
    return ctx.output_of("promote_replica").get("verdict") == "promoted"


def _target(ctx: doors.Context) -> str:
    """The copy's name, as DNS gives it back."""
    return str(ctx.copy().get("fqdn", "")).rstrip(".").lower()


def _done(ctx: doors.Context, *, record: str | None, before: str | None, target: str) -> runs.Done:
    return runs.Done(
        output={
            "verdict": "cut-over",
            "record": record,
            "from": before,
            "to": target,
            "at": ctx.now.isoformat(),
            "copy": ctx.copy().get("copy"),
            "data_loss_s": ctx.output_of("verify").get("data_loss_s"),
        }
    )
