"""`cut_over`: the point of no return. Applications are sent to the copy by pointing their DNS record at it.

Everything is checked once more on fresh facts, with a probe of this very moment, before the record is written.
Output `verdict`: `cut-over`, or `not-needed` when the region returned at the last moment.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from responder.core import cutovers, decisions, evidence, playbooks, runs, servers, tolerances
from responder.steps import doors

EFFECT = "idempotent"
ABOUT = "Checks everything once more, then points the server's DNS record at the copy."
OUTPUTS = (
    playbooks.Output(name="verdict", about="cut-over, or not-needed when the region came back at the last moment"),
    playbooks.Output(name="record", about="the DNS record that was pointed, zone/record; null: none is declared"),
    playbooks.Output(name="from", about="where it led before"),
    playbooks.Output(name="to", about="where it leads now"),
    playbooks.Output(name="at", type=playbooks.Type.TIME, about="when it was pointed"),
    playbooks.Output(name="data_loss_s", type=playbooks.Type.DURATION, about="what was lost, as measured"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Check, then write the record."""
    done = await reconcile(ctx)
    if isinstance(done, runs.Done):
        return done  # an earlier try wrote it, and the answer was lost: there is no way back any more
    decision = ctx.situation.decision
    if decision is not None and decision.action is decisions.Action.STAND_DOWN:
        return runs.Done(output={"verdict": "not-needed"})
    obstacle = await _obstacle(ctx)
    if obstacle is not None:
        return obstacle
    target = _target(ctx)
    followed = ctx.dns_record()
    if followed is None:
        return _done(ctx, record=None, before=None, target=target)
    zone, name = followed
    before = await ctx.doors.dns.read_cname(zone, name)
    if before is not None and servers.is_copy_name(before, ctx.situation.server):
        return runs.Fail(
            why=f"{name}.{zone.name} leads to {before}, an earlier copy that applications write to; it is left alone"
        )
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
    policy, facts = ctx.doors.rules.policy, ctx.situation.facts
    probe = await ctx.doors.databases.probe(ctx.situation.server.fqdn)
    if facts is None:
        return _obstacle_by_hand(ctx, probe)
    # A silence that was only looked at long ago and just now proves nothing in between.
    health = evidence.observe(facts.health, probe, longest_gap=policy.evidence.fresh)
    fresh = dataclasses.replace(facts, health=health)
    if cutovers.refusals(decisions.cut_over_request(fresh, policy, probe.at)):
        # The copy stays as it is; the next decision says whether to try again or to stand down.
        return runs.Wait(until=ctx.now + policy.review, topic="decision")
    return None


def _obstacle_by_hand(ctx: doors.Context, probe: evidence.Probe) -> runs.Outcome | None:
    """A human's run without an outage: their word counts, and what nobody can sign away still does."""
    tolerance, copy = ctx.situation.tolerance, ctx.output_of("restore").get("copy")
    if probe.answered:
        return runs.Fail(why=f"the server answers, so nothing is sent away from it; {copy} is left as it is")
    if tolerance.cutover is tolerances.Cutover.NEVER:
        return runs.Fail(why=f"its owner declared outage-cutover=never; {copy} is left as it is")
    point = ctx.output_of("verify").get("recovery_point")
    loss = probe.at - datetime.fromisoformat(str(point)) if point else None
    accepted = (ctx.situation.consent.payload if ctx.situation.consent else {}).get("loss_accepted_s")
    limits = [tolerance.rpo, timedelta(seconds=float(accepted)) if accepted is not None else None]
    limit = max((each for each in limits if each is not None), default=None)
    if limit is None or (loss or ctx.doors.rules.policy.loss_bound) > limit:
        # Nobody has agreed to lose that much: wait for `runs approve --accept-loss`.
        return runs.Wait(until=ctx.now + timedelta(hours=1), topic="approval")
    return None


def _target(ctx: doors.Context) -> str:
    """The copy's name, as DNS gives it back."""
    return str(ctx.output_of("restore").get("fqdn", "")).rstrip(".").lower()


def _done(ctx: doors.Context, *, record: str | None, before: str | None, target: str) -> runs.Done:
    return runs.Done(
        output={
            "verdict": "cut-over",
            "record": record,
            "from": before,
            "to": target,
            "at": ctx.now.isoformat(),
            "data_loss_s": ctx.output_of("verify").get("data_loss_s"),
        }
    )
