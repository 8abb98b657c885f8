"""What expressions in playbooks can speak of: the names, their types, and their values at a moment. Pure.

A name whose value is not known now (no outage, nothing declared, a step that did not run) is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from responder.core import decisions, outages, playbooks, regions, runs, servers, tolerances

_T = playbooks.Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a run's expressions are evaluated on."""

    server: servers.Server
    tolerance: tolerances.Tolerance
    outage: outages.Outage | None
    decision: decisions.Decision | None
    run: runs.Run


@dataclass(frozen=True, slots=True)
class Name:
    """One name of the vocabulary."""

    name: str
    type: playbooks.Type
    about: str
    read: Callable[[Situation], Any]
    moving: bool = False
    """It changes by the minute, so a plan does not depend on its value."""


def _pair(s: Situation) -> regions.RegionName | None:
    return regions.pair_of(s.server.region)


def _of_outage(read: Callable[[outages.Outage], Any]) -> Callable[[Situation], Any]:
    return lambda s: read(s.outage) if s.outage else None


def _of_decision(read: Callable[[decisions.Decision], Any]) -> Callable[[Situation], Any]:
    return lambda s: read(s.decision) if s.decision else None


def _of_outlook(field: str) -> Callable[[Situation], Any]:
    return lambda s: getattr(s.decision.outlook, field) if s.decision and s.decision.outlook else None


def _dns(s: Situation) -> str | None:
    record = s.tolerance.dns
    return f"{record.zone}/{record.name}" if record else None


def _reasons(s: Situation) -> str:
    return " ".join(reason.text for reason in s.decision.reasons) if s.decision else "A human started it."


VOCABULARY: tuple[Name, ...] = (
    Name("server.id", _T.TEXT, "its ARM id", lambda s: s.server.id),
    Name("server.name", _T.TEXT, "its name", lambda s: s.server.name),
    Name("server.family", _T.TEXT, "flexible or single", lambda s: s.server.family.value),
    Name("server.subscription", _T.TEXT, "the id of its subscription", lambda s: s.server.subscription_id),
    Name("server.resource_group", _T.TEXT, "its resource group", lambda s: s.server.resource_group),
    Name("server.region", _T.TEXT, "its region, like eastus2", lambda s: s.server.region),
    Name("server.region_name", _T.TEXT, "the same as people write it", lambda s: regions.display(s.server.region)),
    Name("server.pair", _T.TEXT, "the paired region, like centralus; null: it has none", _pair),
    Name(
        "server.pair_name",
        _T.TEXT,
        "the same as people write it",
        lambda s: regions.display(pair) if (pair := _pair(s)) else None,
    ),
    Name("server.tier", _T.TEXT, "Basic, Burstable, GeneralPurpose or MemoryOptimized", lambda s: s.server.tier),
    Name("server.sku", _T.TEXT, "its SKU", lambda s: s.server.sku),
    Name("server.version", _T.TEXT, "PostgreSQL's version", lambda s: s.server.version),
    Name("server.storage_gb", _T.NUMBER, "provisioned storage; null: not known", lambda s: s.server.storage_gb),
    Name("server.geo_backup", _T.FLAG, "it keeps geo-redundant backups", lambda s: s.server.geo_backup),
    Name("server.public_access", _T.FLAG, "it can be reached from the Internet", lambda s: s.server.public_access),
    Name("server.fqdn", _T.TEXT, "its host name", lambda s: s.server.fqdn),
    Name("server.state", _T.TEXT, "its state as the inventory last saw it", lambda s: s.server.state, moving=True),
    Name("server.tags", _T.MAP, 'its Azure tags: server.tags["team"]', lambda s: dict(s.server.tags)),
    Name("tolerance.declared", _T.FLAG, "its owner declared an RTO, readably", lambda s: s.tolerance.declared),
    Name("tolerance.rto", _T.DURATION, "how long it may be unreachable", lambda s: s.tolerance.rto),
    Name("tolerance.rpo", _T.DURATION, "how much of its newest data may be lost", lambda s: s.tolerance.rpo),
    Name("tolerance.cutover", _T.TEXT, "auto, ask or never", lambda s: s.tolerance.cutover.value),
    Name("tolerance.priority", _T.NUMBER, "1 (first) to 5 (last)", lambda s: s.tolerance.priority),
    Name("tolerance.hedge", _T.TEXT, "eager, lazy or off", lambda s: s.tolerance.hedge.value),
    Name("tolerance.dns", _T.TEXT, "the record that applications follow: zone/record", _dns),
    Name("tolerance.target_group", _T.TEXT, "the resource group for its copies", lambda s: s.tolerance.target_group),
    Name("tolerance.owner", _T.TEXT, "who its owner is", lambda s: s.tolerance.owner),
    Name("outage.id", _T.TEXT, "the outage that the run is for; null: none", _of_outage(lambda o: o.id)),
    Name("outage.tracking_id", _T.TEXT, "Azure's name for it", _of_outage(lambda o: o.tracking_id)),
    Name("outage.title", _T.TEXT, "Azure's title", _of_outage(lambda o: o.title), moving=True),
    Name("outage.region", _T.TEXT, "the region that is out, like eastus2", _of_outage(lambda o: o.region)),
    Name("outage.active", _T.FLAG, "Azure still calls it active", _of_outage(lambda o: o.active), moving=True),
    Name("outage.suspected", _T.FLAG, "we suspect it; Azure has said nothing", _of_outage(lambda o: o.ours)),
    Name("outage.impact_start", _T.TIME, "when it began", _of_outage(lambda o: o.impact_start), moving=True),
    Name("decision.action", _T.TEXT, "what is to be done now", _of_decision(lambda d: d.action.value), moving=True),
    Name("decision.playbook", _T.TEXT, "what should be running", _of_decision(lambda d: d.playbook), moving=True),
    Name("decision.way", _T.TEXT, "the way out; null: waiting", _of_decision(lambda d: d.way), moving=True),
    Name("decision.reasons", _T.TEXT, "why, in sentences", _reasons, moving=True),
    Name("decision.start_by", _T.TIME, "when a copy must be begun", _of_decision(lambda d: d.start_by), moving=True),
    Name("decision.cut_over_at", _T.TIME, "when it is due", _of_decision(lambda d: d.cut_over_at), moving=True),
    Name("decision.consent_needed", _T.FLAG, "a yes is missing", _of_decision(lambda d: d.consent_needed), moving=True),
    Name("decision.loss", _T.DURATION, "data lost at most", _of_decision(lambda d: d.data_loss_bound), moving=True),
    Name("decision.downtime", _T.DURATION, "expected with this plan", _of_outlook("expected_downtime"), moving=True),
    Name(
        "decision.downtime_waiting",
        _T.DURATION,
        "expected when waiting",
        _of_outlook("expected_downtime_waiting"),
        moving=True,
    ),
    Name("decision.p_meet_rto", _T.NUMBER, "chance of meeting the RTO", _of_outlook("p_meet_rto"), moving=True),
    Name(
        "decision.p_meet_rto_waiting",
        _T.NUMBER,
        "and when waiting",
        _of_outlook("p_meet_rto_waiting"),
        moving=True,
    ),
    Name("run.id", _T.TEXT, "the run's id, for `responder runs show`", lambda s: s.run.id),
    Name("run.by", _T.TEXT, "who started it; the daemon itself is `responder`", lambda s: s.run.created_by),
    Name("run.by_hand", _T.FLAG, "a human started it", lambda s: s.run.created_by != "responder"),
)
"""Every name but `params.NAME` and `steps.ID.OUTPUT`, which each playbook has its own of."""

TYPES: Mapping[str, playbooks.Type] = {name.name: name.type for name in VOCABULARY}
WORDS: Mapping[str, tuple[str, ...]] = {
    "server.family": tuple(servers.Family),
    "tolerance.cutover": tuple(tolerances.Cutover),
    "tolerance.hedge": tuple(tolerances.Hedge),
    "decision.action": tuple(decisions.Action),
}
"""Of some texts, all that they may be."""
MOVING: frozenset[str] = frozenset(name.name for name in VOCABULARY if name.moving)


def values(
    situation: Situation, records: Mapping[str, runs.StepRecord], kinds: Mapping[str, playbooks.Kind]
) -> dict[str, Any]:
    """Every name with its value at this moment."""
    book, run = situation.run.playbook, situation.run
    found = {name.name: playbooks.meant(name.type, name.read(situation)) for name in VOCABULARY}
    for parameter in book.parameters:
        found[f"params.{parameter.name}"] = playbooks.meant(
            playbooks.Type(parameter.type), run.params.get(parameter.name)
        )
    for step in book.steps:
        if step.id == run.step:
            break  # it and those behind it have nothing to say yet, and nobody may ask
        found |= _of_step(step, records.get(step.id), kinds.get(step.kind))
    return found


def _of_step(step: playbooks.Step, record: runs.StepRecord | None, kind: playbooks.Kind | None) -> dict[str, Any]:
    prefix = f"steps.{playbooks.named(step.id)}"
    state = record.state if record is not None else runs.StepState.SKIPPED  # passed over by an earlier failure
    output = record.output if record is not None and state is runs.StepState.DONE else {}
    found: dict[str, Any] = {f"{prefix}.state": state.value}
    for declared in kind.outputs if kind is not None else ():
        value = output.get(declared.name)
        if declared.type is _T.DURATION and isinstance(value, int | float):
            found[f"{prefix}.{declared.called}"] = timedelta(seconds=value)
        else:
            found[f"{prefix}.{declared.called}"] = playbooks.meant(declared.type, value)
    return found
