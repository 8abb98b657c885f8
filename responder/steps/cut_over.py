"""`cut_over`: the point of no return. Applications are sent to the copy by pointing their DNS record at it.

Everything is checked once more on fresh facts, with a probe of this very moment, before the record is written.
Output `verdict`: `cut-over`, or `not-needed` when the region returned at the last moment.
"""

from __future__ import annotations

import dataclasses

from responder.core import cutovers, decisions, evidence, runs, servers
from responder.steps import doors

EFFECT = "idempotent"


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Check, then write the record."""
    done = await reconcile(ctx)
    if isinstance(done, runs.Done):
        return done  # an earlier try wrote it, and the answer was lost: there is no way back any more
    decision = ctx.situation.decision
    if decision is not None and decision.action is decisions.Action.STAND_DOWN:
        return runs.Done(output={"verdict": "not-needed"})
    refusals = await _refusals(ctx)
    if refusals:
        # The copy stays as it is; the next decision says whether to try again or to stand down.
        return runs.Wait(until=ctx.now + ctx.doors.rules.policy.review, topic="decision")
    target = str(ctx.output_of("restore").get("fqdn", ""))
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
    target = str(ctx.output_of("restore").get("fqdn", ""))
    followed = ctx.dns_record()
    if followed is None or await ctx.doors.dns.read_cname(*followed) != target:
        return runs.NotStarted()
    zone, name = followed
    return _done(ctx, record=f"{zone.name}/{name}", before=None, target=target)


async def _refusals(ctx: doors.Context) -> tuple[cutovers.Refusal, ...]:
    facts = ctx.situation.facts
    if facts is None:
        return ()  # a human's run without an outage: `hold` had the human's word
    probe = await ctx.doors.databases.probe(ctx.situation.server.fqdn)
    fresh = dataclasses.replace(facts, health=evidence.observe(facts.health, probe))
    return cutovers.refusals(decisions.cut_over_request(fresh, ctx.doors.rules.policy, probe.at))


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
