"""What people and machines see: rows as plain JSON values. The shapes are a promise: fields are added, not renamed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from responder import clock
from responder.core import (
    approvals,
    brakes,
    controls,
    decisions,
    evidence,
    outages,
    restore_times,
    restores,
    runs,
    servers,
    tolerances,
    witness,
)
from responder.flow import facts, frozen, pauses
from responder.store import codec, journals, sqlite
from responder.store import outages as store_outages

if TYPE_CHECKING:  # looking needs no step kinds
    from responder.flow import requests

Json = dict[str, Any]


def time(value: datetime | None) -> str | None:
    """ISO 8601 UTC, or null."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def seconds(value: timedelta | None) -> float | None:
    """Seconds, or null."""
    return round(value.total_seconds(), 3) if value is not None else None


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


def of_run(run: runs.Run, steps: dict[str, runs.StepRecord] | None = None) -> Json:
    """A run; with its steps in the playbook's order when they are given."""
    shown: Json = {
        "id": run.id,
        "playbook": run.playbook.name,
        "playbook_version": run.playbook.version,
        "server": run.server_id,
        "outage": run.outage_id,
        "state": run.state.value,
        "step": run.step,
        "fence": run.fence,
        "waiting_for": run.waiting_for,
        "wake_at": time(run.wake_at),
        "created_at": time(run.created_at),
        "created_by": run.created_by,
        "ended_at": time(run.ended_at),
        "why": run.why,
    }
    if steps is not None:
        shown["steps"] = [_step(step.id, step.about, steps.get(step.id)) for step in run.playbook.steps]
        for one in _passed(run, shown["steps"]):
            one |= {"state": runs.StepState.SKIPPED.value, "why": "passed over after an earlier failure"}
    return shown


def _passed(run: runs.Run, steps: list[Json]) -> list[Json]:
    """Steps that were never come to and lie behind the run: a failure made it go on at a later one."""
    come_to = [one["id"] == run.step or one["state"] != "pending" for one in steps]
    last = max((i for i, reached in enumerate(come_to) if reached), default=0)
    return [one for one, reached in zip(steps[:last], come_to, strict=False) if not reached]


async def run(store: sqlite.Store, found: runs.Run) -> Json:
    """A run with its steps, and every brake that holds it."""
    steps, now = await store.runs.steps(found.id), clock.now()
    shown: Json = {**of_run(found, steps), "brakes": [], "signals": [], "approval": None}
    asked = (await store.asks.newest([found.id])).get(found.id)
    if asked is not None:
        shown["approval"] = of_ask(asked)
    signals = await store.runs.signals(found.id)
    shown["signals"] = [of_signal(word) for word in signals if word.topic is not runs.Topic.DECISION]
    if found.state.ended:
        return shown
    said = controls.standing(signals)
    for word, what in ((said.paused, "paused it"), (said.held, "holds its cut-over")):
        if word is not None:
            shown["brakes"].append(
                f"{word.by} {what} at {word.at:%H:%M} UTC: {word.payload.get('reason') or 'no reason'}"
            )
    if found.waiting_for == controls.QUARANTINE:
        shown["brakes"].append(f"In quarantine {found.why}: `responder runs retry {found.id}` takes it out.")
    step = found.playbook.step(found.step or "")
    held = await frozen.freeze_of(store, found, now, kind=step.kind if step else None)
    if held is not None:
        shown["brakes"].append(f"{held.sentence()}. {held.remedy()}")
    return shown


def of_signal(word: runs.Signal) -> Json:
    """What somebody said to a run."""
    return {"topic": word.topic.value, "by": word.by, "at": time(word.at), **dict(word.payload)}


def of_ask(ask: approvals.Ask) -> Json:
    """A question that was put to people, with its price."""
    return {
        "number": ask.number,
        "asked_at": time(ask.asked_at),
        "expires_at": time(ask.expires_at),
        "settled_at": time(ask.settled_at),
        **of_price(ask.price),
        "sentence": approvals.sentences(ask),
    }


def of_price(price: approvals.Price) -> Json:
    """What a yes costs and brings."""
    return {
        "default": price.default.value,
        "answer_by": time(price.answer_by),
        "copy": price.copy,
        "data_loss_s": seconds(price.loss),
        "data_loss_measured": price.measured,
        "expected_downtime_s": seconds(price.downtime),
        "expected_downtime_waiting_s": seconds(price.downtime_waiting),
        "p_meet_rto": price.p_meet_rto,
        "p_meet_rto_waiting": price.p_meet_rto_waiting,
    }


def of_freeze(freeze: brakes.Freeze) -> Json:
    """A brake that somebody holds."""
    return {
        "scope": str(freeze.scope),
        "words": freeze.scope.words(),
        "by": freeze.by,
        "reason": freeze.reason,
        "since": time(freeze.since),
        "until": time(freeze.until),
        "sentence": freeze.sentence(),
    }


def of_freezes(freezes: Sequence[brakes.Freeze]) -> Json:
    """All that stand."""
    return {"freezes": [of_freeze(freeze) for freeze in freezes]}


def of_noted(noted: requests.Noted) -> Json:
    """A run that was just told something, and what comes of it."""
    return {
        **of_run(noted.run),
        "effect": noted.answer.effect.value,
        "answer": " ".join(filter(None, (noted.answer.sentence, noted.missing, noted.braked))),
    }


def _step(step_id: str, about: str, record: runs.StepRecord | None) -> Json:
    return {
        "id": step_id,
        "about": about,
        "state": record.state.value if record else "pending",
        "attempts": record.attempts if record else 0,
        "started_at": time(record.started_at) if record else None,
        "ended_at": time(record.ended_at) if record else None,
        "output": dict(record.output) if record else {},
        "why": record.why if record else "",
    }


def of_server(
    server: servers.Server,
    tolerance: tolerances.Tolerance,
    health: evidence.Health | None,
    said: witness.Statement | None = None,
) -> Json:
    """A server of the estate: what its owner declared, what our probes last saw, what Resource Health last said."""
    return {
        "id": server.id,
        "name": server.name,
        "family": server.family.value,
        "subscription": server.subscription_id,
        "resource_group": server.resource_group,
        "region": server.region,
        "tier": server.tier,
        "sku": server.sku,
        "version": server.version,
        "storage_gb": server.storage_gb,
        "geo_backup": server.geo_backup,
        "fqdn": server.fqdn,
        "seen_at": time(server.seen_at),
        "copy_of": server.tags.get(restores.SOURCE_TAG),
        "tolerance": _tolerance(tolerance),
        "probe": _probe(health),
        "resource_health": of_statement(said),
    }


def _probe(health: evidence.Health | None) -> Json | None:
    """The newest look, and the depths that were ever reached from here."""
    last = health.last if health else None
    if health is None or last is None:
        return None
    return {
        "at": time(last.at),
        "answered": last.answered,
        "detail": last.detail,
        "said": last.said,
        "reached_at": {
            "door": time(health.last_answer_at),
            "tls": time(health.tls_at),
            "server": time(health.spoke_at),
        },
    }


def _tolerance(tolerance: tolerances.Tolerance) -> Json:
    return {
        "declared": tolerance.declared,
        "rto_s": seconds(tolerance.rto),
        "rpo_s": seconds(tolerance.rpo),
        "cutover": tolerance.cutover.value,
        "priority": tolerance.priority,
        "hedge": tolerance.hedge.value,
        "dns": f"{tolerance.dns.zone}/{tolerance.dns.name}" if tolerance.dns else None,
        "owner": tolerance.owner,
        "problems": list(tolerance.problems),
        "remarks": list(tolerance.remarks),
    }


def of_statement(said: witness.Statement | None) -> Json | None:
    """What Resource Health last said of one server, or null."""
    if said is None:
        return None
    return {"state": said.state.value, "cause": said.cause.value, "at": time(said.at), "title": said.title}


def of_outage(outage: outages.Outage) -> Json:
    """An outage as last told."""
    return {
        "id": outage.id,
        "tracking_id": outage.tracking_id,
        "region": outage.region,
        "status": outage.status.value,
        "title": outage.title,
        "services": list(outage.services),
        "subscriptions": list(outage.subscriptions),
        "impact_start": time(outage.impact_start),
        "heard_at": time(outage.heard_at),
        "updated_at": time(outage.updated_at),
        "resolved_at": time(outage.resolved_at),
        "expected_end": time(outage.expected_end),
        "reopened": outage.reopened,
        "suspected_by_us": outage.ours,
        "merged_into": outage.merged_into,
    }


async def incidents(store: sqlite.Store, limit: int = 50) -> Json:
    """Every outage known, newest first, and what could not be read."""
    return {
        "incidents": [of_outage(outage) for outage in await store.outages.list(limit)],
        "intake": await store.intake.counts(),
    }


async def incident(store: sqlite.Store, outage: outages.Outage, page: store_outages.Page | None = None) -> Json:
    """One outage with the servers it concerns: the newest decision of each, its facts, and its runs.

    Args:
        page: which of them; None: the first five hundred. `next_offset` says where the next ones begin, `actions` how
            many there are of all, by what was decided.
    """
    page, actions = page or store_outages.Page(), await store.outages.actions(outage.id)
    known = await store.outages.decided(outage.id, page)
    ids = [one.decision.server for one in known]
    names, said = await store.estate.some(ids), await store.estate.statements(ids)
    wanted = journals.Wanted(outages=[outage.id], since=outage.impact_start, servers=ids, whole=True)
    own: dict[servers.ServerId, list[Json]] = defaultdict(list)
    for journal in (await store.journals.read(wanted))[0]:
        if journal.run.outage_id == outage.id:
            own[journal.run.server_id].append(of_run(journal.run, journal.steps))
    shown, rest = [], pauses.Pauses()
    for one in known:
        id_ = one.decision.server
        shown.append(
            {
                "name": names[id_].name if id_ in names else id_,
                "id": id_,
                "decision": {**of_decision(one.decision, None), "facts": one.facts},
                "resource_health": of_statement(said.get(id_)),
                "runs": own[id_],
            }
        )
        await rest.breathe()
    total = sum(count for action, count in actions.items() if page.action in (None, action))
    following = page.offset + page.limit
    return {
        **of_outage(outage),
        "servers": sorted(shown, key=lambda row: str(row["name"])),
        "servers_total": total,
        "actions": actions,
        "next_offset": following if following < total else None,
    }


async def inventory(store: sqlite.Store, defaults: tolerances.Tolerance, zones: Collection[str] | None = None) -> Json:
    """The whole estate.

    Args:
        zones: the DNS zones that are configured; a tag that names another is remarked upon, while there is time. None:
            not looked at.
    """
    looks, said = await store.estate.looks(), await store.estate.statements()
    rows, rest = [], pauses.Pauses()
    for server in await store.estate.servers():
        await rest.breathe()
        tolerance = tolerances.read(server.tags, defaults=defaults)
        if tolerance.dns is not None and zones is not None and tolerance.dns.zone not in zones:
            text = f"tag outage-dns: the zone {tolerance.dns.zone} is not configured, so no cut-over can switch it."
            remark = f"{text} Add dns_zones.{tolerance.dns.zone} to the settings."
            tolerance = replace(tolerance, remarks=(*tolerance.remarks, remark))
        rows.append(of_server(server, tolerance, facts.own_look(looks.get(server.id, {})), said.get(server.id)))
    return {"servers": sorted(rows, key=lambda row: (row["region"], row["name"]))}
