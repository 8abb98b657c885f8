"""The guard of the steps that nothing takes back: asked on a probe of this very moment, just before they write.

No step kind of its own. With an outage it is the same guard as the decision's; without one a human's word counts, and
what nobody can sign away still does.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from responder.core import cutovers, decisions, evidence, runs, tolerances
from responder.steps import doors

_FOR_A_WORD = timedelta(hours=1)


async def obstacle(
    ctx: doors.Context, recovery_point: datetime | None, *, unmeasured: timedelta | None = None
) -> runs.Outcome | None:
    """What the step answers instead of writing; None: nothing stands against it.

    Args:
        recovery_point: of the newest row in what takes the server's place; None: not measured.
        unmeasured: what an unmeasured loss counts as, and then takes a signature; `recovery_point` is newer than what
            the facts have. None: the bound of geo-backup, and the facts are believed.
    """
    superseded = await ctx.doors.records.superseded(ctx.situation.server.id)
    if superseded is not None and superseded.run != ctx.run.id:
        return runs.Fail(why=f"applications were sent away from it already. {superseded.sentence()}")
    policy, facts = ctx.doors.rules.policy, ctx.situation.facts
    if ctx.situation.said.held is not None:
        return runs.Wait(until=ctx.now + policy.review, topic="hold")
    probe = await ctx.doors.databases.visit(ctx.situation.server)
    if facts is None:
        return _by_hand(ctx, probe, recovery_point, unmeasured)
    # A silence that was only looked at long ago and just now proves nothing in between.
    health = evidence.observe(facts.health, probe, longest_gap=policy.evidence.fresh, policy=policy.evidence)
    fresh = dataclasses.replace(facts, health=health)
    if unmeasured is not None:
        fresh = dataclasses.replace(fresh, copy=dataclasses.replace(facts.copy, recovery_point=recovery_point))
    request = decisions.cut_over_request(fresh, policy, probe.at)
    if unmeasured is not None and recovery_point is None:
        # What nobody knows is within no RPO: only a signature covers it.
        unknown = dataclasses.replace(request.tolerance, rpo=None)
        request = dataclasses.replace(request, loss=unmeasured, tolerance=unknown)
    if cutovers.refusals(request):
        # What is there stays as it is; the next decision says whether to try again or to stand down.
        return runs.Wait(until=ctx.now + policy.review, topic="decision")
    return None


async def answers(ctx: doors.Context) -> bool:
    """Whether the run's server answers at this very moment: itself, where we ever got further than its gateway."""
    return _counts(ctx, await ctx.doors.databases.visit(ctx.situation.server))


def _counts(ctx: doors.Context, probe: evidence.Probe) -> bool:
    last = evidence.observe(ctx.situation.health, probe, policy=ctx.doors.rules.policy.evidence).last
    return last is not None and last.answered


def _by_hand(
    ctx: doors.Context, probe: evidence.Probe, recovery_point: datetime | None, unmeasured: timedelta | None
) -> runs.Outcome | None:
    tolerance, copy = ctx.situation.tolerance, ctx.copy().get("copy")
    if _counts(ctx, probe):
        return runs.Fail(why=f"the server answers, so nothing is sent away from it; {copy} is left as it is")
    if tolerance.cutover is tolerances.Cutover.NEVER:
        return runs.Fail(why=f"its owner declared outage-cutover=never; {copy} is left as it is")
    agreed = ctx.situation.agreed
    if agreed is not None and not agreed.granted:  # said after the yes that led here
        return runs.Wait(until=ctx.now + _FOR_A_WORD, topic="approval")
    loss = probe.at - recovery_point if recovery_point else unmeasured or ctx.doors.rules.policy.loss_bound
    rpo = None if recovery_point is None and unmeasured is not None else tolerance.rpo
    limits = [rpo, agreed.loss_accepted if agreed is not None else None]
    limit = max((each for each in limits if each is not None), default=None)
    if limit is None or loss > limit:
        # Nobody has agreed to lose that much: wait for `runs approve --accept-loss`.
        return runs.Wait(until=ctx.now + _FOR_A_WORD, topic="approval")
    return None
