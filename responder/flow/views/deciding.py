"""Decisions as JSON: figures, reasons, every way out, and what was believed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from responder.core import (
    decisions,
    restore_times,
)
from responder.flow.views.plain import Json, seconds, time
from responder.store import codec


def of_decision(
    decision: decisions.Decision, facts: decisions.Facts | None, policy: decisions.Policy | None = None
) -> Json:
    """A decision with its figures, reasons and facts; with the policy also every way out and what was believed."""
    outlook = decision.outlook
    return {
        "server": decision.server,
        "outage": decision.outage,
        "at": time(decision.at),
        "playbook": decision.playbook,
        "action": decision.action.value,
        "way": decision.way,
        "start_by": time(decision.start_by),
        "start_at": time(decision.start_at),
        "cut_over_at": time(decision.cut_over_at),
        "must_serve_by": time(decision.must_serve_by),
        "review_at": time(decision.review_at),
        "restore_p50_s": seconds(decision.restore_p50),
        "restore_p90_s": seconds(decision.restore_p90),
        "p_meet_rto": round(outlook.p_meet_rto, 4) if outlook else None,
        "p_meet_rto_waiting": round(outlook.p_meet_rto_waiting, 4) if outlook else None,
        "expected_downtime_s": seconds(outlook.expected_downtime) if outlook else None,
        "expected_downtime_waiting_s": seconds(outlook.expected_downtime_waiting) if outlook else None,
        "data_loss_bound_s": seconds(decision.data_loss_bound),
        "consent_needed": decision.consent_needed,
        "evidence": decision.standing.value if decision.standing else None,
        "refresh": decision.refresh,
        "target": decision.target,
        "shadow": decision.shadow,
        "reasons": [{"id": reason.id, "text": reason.text} for reason in decision.reasons],
        "facts": json.loads(codec.dump(facts, decisions.Facts)) if facts else None,
        **(_grounds(facts, policy, decision.at) if facts and policy else {}),
    }


def _grounds(facts: decisions.Facts, policy: decisions.Policy, at: datetime) -> Json:
    """Every way out with what stands against it, and everything that was believed."""
    found = decisions.ways_of(facts, policy)
    return {
        "ways": [
            {
                "way": way.name.value,
                "open": way.open,
                "data_loss_s": seconds(way.loss),
                "why_not": [{"id": each.id, "text": each.text} for each in way.obstacles],
                "remarks": [{"id": each.id, "text": each.text} for each in way.remarks],
            }
            for way in found
        ],
        "beliefs": of_beliefs(facts, policy, at),
        "rule": _rule(policy),
    }


def _rule(policy: decisions.Policy) -> Json:
    """What the settings say of the decision itself."""
    timing, weighed = policy.timing, policy.evidence
    spans = {
        "cutover": timing.cutover,
        "approval": timing.approval,
        "margin": timing.margin,
        "grace": timing.grace,
        "settle": policy.settle,
        "standby": policy.standby,
        "review": policy.review,
        "loss_bound": policy.loss_bound,
        "in_region_loss": policy.in_region_loss,
        "confirm": weighed.confirm,
        "confirm_with_witness": weighed.confirm_with_witness,
        "fresh": weighed.fresh,
        "settled": weighed.settled,
    }
    shares = {"quantile": timing.quantile, "off_quantile": timing.off_quantile, "trust_estimate": timing.eta_trust}
    return {**{f"{name}_s": seconds(span) for name, span in spans.items()}, **shares}


def of_beliefs(facts: decisions.Facts, policy: decisions.Policy, at: datetime) -> Json:
    """What is believed of restores of this server's class and of how long such outages last."""
    size = restore_times.size_class(facts.server.storage_gb)
    belief, elapsed = policy.beliefs[size], max(at - facts.outage.impact_start, timedelta())
    mixture = policy.mixture
    return {
        "restore": {
            "size_class": size,
            "p50_s": seconds(belief.p50),
            "p95_s": seconds(belief.p95),
            "surge": belief.surge,
            "samples": len(belief.observed),
            "planned_with": policy.timing.quantile,
            "planned_s": seconds(belief.planning(policy.timing.quantile)),
        },
        "queue_wait_s": seconds(facts.queue_wait),
        "blocked": {"share": policy.blocked.share, "lasts_s": seconds(policy.blocked.lasts)},
        "outage": {
            "elapsed_s": seconds(elapsed),
            "big_share": mixture.share if mixture else None,
            "big_given_elapsed": round(mixture.big_given(elapsed), 3) if mixture else None,
            "survival": [[seconds(t), round(share, 4)] for t, share in policy.survival.points],
            "still_out_after": {
                f"{hours}h": round(policy.survival.beyond_given(elapsed + timedelta(hours=hours), elapsed), 3)
                for hours in (1, 2, 4, 8, 12, 24)
            },
        },
        "timing": {
            "cutover_s": seconds(policy.timing.cutover),
            "approval_s": seconds(policy.timing.approval),
            "margin_s": seconds(policy.timing.margin),
            "grace_s": seconds(policy.timing.grace),
            "settle_s": seconds(policy.settle),
        },
    }
