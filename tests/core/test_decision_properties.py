"""What holds for every decision, whatever the facts: any combination of them, likely and unlikely."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from responder.core import (
    copies,
    cutovers,
    deadlines,
    decisions,
    evidence,
    outage_lengths,
    outages,
    regions,
    restore_times,
    servers,
    services,
    ways,
)
from responder.core.decisions import Action
from responder.core.evidence import Verdict
from responder.core.tolerances import Cutover, Hedge
from tests.core import cases
from tests.core.cases import HEARD, POLICY, at, down, never_reached, outage, tolerance, up

instants = st.floats(-10, 400).map(at)
healths = st.builds(
    lambda probes: _observed(probes),
    st.lists(st.tuples(st.integers(-600, 24_000), st.booleans()), max_size=6),
)


def _observed(probes: list[tuple[int, bool]]) -> evidence.Health:
    health = evidence.Health()
    for minute, answered in probes:
        health = evidence.observe(health, evidence.Probe(at=at(minute / 60), answered=answered))
    return health


replicas = st.builds(
    ways.Replica,
    id=st.sampled_from(["/replica-1", "/replica-2"]).map(servers.ServerId),
    region=st.sampled_from(["eastus2", "westus"]).map(regions.RegionName),
    lag=st.sampled_from([None, timedelta(seconds=20), timedelta(hours=3)]),
    impaired=st.booleans(),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[decisions.Facts, datetime]:
    """Any combination, likely and unlikely, with an emphasis on servers that are silent right now."""
    now = draw(instants)
    region = draw(st.sampled_from(["eastus2", "eastus2", "centralus", "italynorth"]))
    ended = draw(st.sampled_from([None, None, at(8), at(-1)]))
    health = draw(
        st.one_of(
            healths,
            st.sampled_from([down(now, since=now - timedelta(hours=h)) for h in (0.05, 1, 30)]),
            st.sampled_from([up(now, since=now - timedelta(hours=3)), never_reached(now)]),
        )
    )
    copy = draw(
        st.builds(
            copies.Copy,
            state=st.sampled_from([*copies.State, copies.State.READY, copies.State.READY]),
            way=st.sampled_from([*ways.Name, ways.Name.GEO_RESTORE]).map(str),
            started_at=st.sampled_from([None, at(0.5), at(2)]),
            recovery_point=st.sampled_from([None, at(-0.3), at(-3), at(1)]),
        )
    )
    declared = draw(
        st.builds(
            tolerance,
            st.sampled_from([None, 0.1, 1, 12, 24, 24, 300]),
            st.sampled_from([None, 0.1, 1, 1, 5]),
            cutover=st.sampled_from([*Cutover, Cutover.AUTO]),
            hedge=st.sampled_from(Hedge),
            problems=st.sampled_from([(), (), ("tag outage-rto: ...",)]),
            cost_per_hour=st.sampled_from([None, 0.0, 1000.0]),
            cost_of_loss=st.sampled_from([None, 0.0, 5_000.0, 1e9]),
            max_copy=st.sampled_from([None, None, timedelta(hours=3)]),
        )
    )
    facts = decisions.Facts(
        server=cases.server(
            region=regions.RegionName(draw(st.sampled_from(["eastus2", region]))),
            tier=draw(st.sampled_from(["Basic", "basic", "Burstable", "GeneralPurpose", "GeneralPurpose"])),
            geo_backup=draw(st.sampled_from([True, True, False])),
            storage_gb=draw(st.sampled_from([None, 32, 512, 4096])),
            zone=draw(st.sampled_from(["", "1"])),
            high_availability=draw(st.sampled_from(["", "ZoneRedundant"])),
            elastic=draw(st.sampled_from([False, False, True])),
            backups_since=draw(st.sampled_from([None, at(-0.5), at(-500)])),
        ),
        tolerance=declared,
        outage=outage(
            region=regions.RegionName(region),
            status=outages.Status.ACTIVE if ended is None else outages.Status.RESOLVED,
            resolved_at=ended,
            impact_start=draw(st.sampled_from([at(0), at(-5), at(3)])),
            heard_at=draw(st.sampled_from([HEARD, at(6)])),
            expected_end=draw(st.sampled_from([None, at(5), at(500)])),
            subscriptions=draw(st.sampled_from([(), (cases.SUBSCRIPTION,), (cases.SUBSCRIPTION,)])),
            relation=draw(st.sampled_from([*services.Relation, services.Relation.POSTGRESQL])),
        ),
        health=health,
        copy=copy,
        vantages=draw(st.dictionaries(st.sampled_from(["east", "west"]), healths, max_size=2)),
        zonal=draw(st.sampled_from([False, False, True])),
        replicas=draw(st.lists(replicas, max_size=2).map(tuple)),
        offer=draw(st.sampled_from([None, None, ways.Offer(restricted=True), ways.Offer(free_vcores=0)])),
        arm_impaired=draw(st.booleans()),
        queue_wait=draw(st.sampled_from([timedelta(), timedelta(hours=3)])),
        pair_impaired=draw(st.sampled_from([False, False, True])),
        consent=draw(st.sampled_from([None, None, cases.yes(), cases.yes(2), cases.yes(50), cases.no()])),
    )
    return (_plain(facts, now) if draw(st.booleans()) else facts), now


def _plain(facts: decisions.Facts, now: datetime) -> decisions.Facts:
    """A server that is down in an outage of its region and could be geo-restored: where most obstacles are drawn at
    once, few situations come as far as the decision to start a copy."""
    return replace(
        facts,
        server=cases.server(storage_gb=facts.server.storage_gb),
        outage=outage(impact_start=at(0)),
        health=down(now, since=now - timedelta(hours=1)),
        vantages={},
        zonal=False,
        replicas=(),
        offer=None,
        pair_impaired=False,
    )


@given(situations())
def test_every_situation_has_one_decision_with_a_reason_and_a_time_to_look_again(
    situation: tuple[decisions.Facts, datetime],
):
    facts, now = situation
    found = decisions.decide(facts, POLICY, now)
    assert found == decisions.decide(facts, POLICY, now)
    assert found.reasons
    assert all(reason.text and "{" not in reason.text for reason in found.reasons)
    assert now < found.review_at <= now + POLICY.review
    assert (found.playbook is None) == (decisions.PLAYBOOK_OF[found.action] is None)
    due = (found.start_at, found.cut_over_at)
    assert all(found.review_at <= moment for moment in due if moment is not None and moment > now)


@given(situations())
def test_nothing_is_cut_over_without_proof_consent_and_an_affordable_loss(situation: tuple[decisions.Facts, datetime]):
    """The rule that must never break, in words of its own and not in those of the guard."""
    facts, now = situation
    if decisions.decide(facts, POLICY, now).action is not Action.CUT_OVER:
        return
    signed = facts.consent is not None and facts.consent.granted
    automatic = facts.tolerance.declared and facts.tolerance.cutover is Cutover.AUTO and facts.consent is None
    every = [facts.health, *facts.vantages.values()]
    verdict = evidence.weigh(evidence.combined(every, POLICY.evidence, now), POLICY.evidence, now)
    fresh = [each.last for each in every if each.last is not None and now - each.last.at <= POLICY.evidence.fresh]

    assert fresh
    assert not any(probe.answered for probe in fresh)
    assert signed or decisions.decide(facts, POLICY, now).standing is evidence.Standing.CONFIRMED
    assert facts.copy.state is copies.State.READY
    assert signed or automatic
    assert verdict is Verdict.DOWN or (signed and verdict is Verdict.UNPROVEN)
    assert signed or facts.outage.active
    assert signed or facts.outage.concern(facts.server) is outages.Concern.NAMED
    if facts.tolerance.rto is not None and facts.tolerance.declared:
        limit = facts.tolerance.limit or timedelta()
        assert now >= facts.outage.impact_start + min(limit / 2, limit - timedelta(minutes=25))

    accepted = facts.consent.loss_accepted if facts.consent and facts.consent.granted else None
    if decisions.cut_over_request(facts, POLICY, now).loss is None:
        assert accepted is not None
        assert accepted >= cutovers.UNKNOWN_LOSS
        return
    allowed = max(limit for limit in (facts.tolerance.rpo, accepted) if limit is not None)
    point = facts.copy.recovery_point
    if point is not None:
        assert facts.outage.impact_start - point <= allowed
        assert facts.health.last_answer_at is None or facts.health.last_answer_at - point <= allowed
    elif facts.copy.way == ways.Name.GEO_RESTORE:
        assert allowed >= POLICY.loss_bound


@given(situations())
def test_an_undeclared_server_is_never_geo_restored_unless_a_human_began_it(
    situation: tuple[decisions.Facts, datetime],
):
    facts, now = situation
    undeclared = replace(facts, tolerance=replace(facts.tolerance, rto=None), consent=None)
    found = decisions.decide(undeclared, POLICY, now)
    assert found.action not in (Action.START, Action.CUT_OVER)
    if facts.copy.state in (copies.State.NONE, copies.State.FAILED, copies.State.DISCARDED):
        assert found.playbook in (None, decisions.WAIT_IT_OUT)


@given(situations())
def test_a_server_without_a_geo_redundant_backup_never_gets_a_restore(situation: tuple[decisions.Facts, datetime]):
    facts, now = situation
    for without in ({"tier": "Basic"}, {"geo_backup": False}):
        bare = replace(facts, server=replace(facts.server, **without), replicas=(), zonal=False)
        found = decisions.decide(bare, POLICY, now)
        assert found.action is not Action.START
        assert found.way is None


@given(situations())
def test_a_server_that_answers_is_never_restored_or_cut_over(situation: tuple[decisions.Facts, datetime]):
    facts, now = situation
    answering = evidence.observe(facts.health, evidence.Probe(at=now, answered=True))
    if evidence.weigh(answering, POLICY.evidence, now) is not Verdict.UP:
        return  # its probes lie in the future
    found = decisions.decide(replace(facts, health=answering), POLICY, now)
    assert found.action in (Action.OBSERVE, Action.SETTLE, Action.STAND_DOWN, Action.DONE)


@given(situations())
def test_a_no_is_a_no(situation: tuple[decisions.Facts, datetime]):
    facts, now = situation
    found = decisions.decide(replace(facts, consent=cases.no()), POLICY, now)
    assert found.action is not Action.CUT_OVER


@given(situations())
def test_the_decision_and_the_step_before_the_write_ask_the_same_guard(situation: tuple[decisions.Facts, datetime]):
    facts, now = situation
    if decisions.decide(facts, POLICY, now).action is Action.CUT_OVER:
        assert not cutovers.refusals(decisions.cut_over_request(facts, POLICY, now))


@given(situations(), st.floats(0.001, 0.99))
def test_a_decision_stands_whatever_history_is_believed(situation: tuple[decisions.Facts, datetime], share: float):
    """The survival curve is advice: it changes the figures shown, never the action."""
    facts, now = situation
    steep = replace(POLICY, survival=outage_lengths.Survival(((timedelta(hours=1), share),)))
    assert decisions.decide(facts, steep, now).action is decisions.decide(facts, POLICY, now).action


@given(situations(), st.sampled_from(["health", "east"]))
def test_more_evidence_of_health_never_brings_a_cut_over_forward(
    situation: tuple[decisions.Facts, datetime], where: str
):
    """One more answer, at the moment of the decision, from any vantage point."""
    facts, now = situation
    answer = evidence.Probe(at=now, answered=True)
    if where == "health":
        healthier = replace(facts, health=evidence.observe(facts.health, answer))
    else:
        seen = evidence.observe(facts.vantages.get(where, evidence.Health()), answer)
        healthier = replace(facts, vantages={**facts.vantages, where: seen})
    before, after = (decisions.decide(each, POLICY, now) for each in (facts, healthier))
    assert after.action is not Action.CUT_OVER or before.action is Action.CUT_OVER
    if before.cut_over_at is not None and after.cut_over_at is not None:
        assert after.cut_over_at >= before.cut_over_at


@given(situations(), st.floats(1, 10))
def test_a_longer_rto_never_starts_earlier_under_a_lazy_hedge(
    situation: tuple[decisions.Facts, datetime], longer: float
):
    facts, now = situation
    if facts.tolerance.rto is None or facts.copy.state is not copies.State.NONE:
        return
    lazy = replace(facts.tolerance, hedge=Hedge.LAZY)
    patient = replace(lazy, rto=facts.tolerance.rto * longer)
    short, long = (decisions.decide(replace(facts, tolerance=each), POLICY, now) for each in (lazy, patient))
    assert not (long.action is Action.START and short.action is Action.WAIT)
    if short.start_at is not None and long.start_at is not None:
        assert short.start_at <= long.start_at


@given(situations())
def test_who_wants_no_insurance_never_starts_before_who_is_lazy_nor_the_lazy_before_the_eager(
    situation: tuple[decisions.Facts, datetime],
):
    facts, now = situation
    if facts.tolerance.cutover is Cutover.NEVER:
        return
    starts = [
        decisions.decide(replace(facts, tolerance=replace(facts.tolerance, hedge=hedge)), POLICY, now).action
        is Action.START
        for hedge in (Hedge.OFF, Hedge.LAZY, Hedge.EAGER)
    ]
    assert starts == sorted(starts)


drills = st.lists(st.floats(0.02, 30), min_size=1, max_size=8)


@given(drills, st.data(), st.sampled_from([restore_times.SMALL, restore_times.MIDDLE, restore_times.LARGE]))
def test_quicker_rehearsals_never_start_a_copy_earlier(hours: list[float], data: st.DataObject, size: str):
    quicker = [hour * data.draw(st.floats(0.01, 1), label="factor") for hour in hours]
    prior = POLICY.beliefs[size]

    def start_by(taken: list[float]) -> datetime:
        belief = prior.updated([restore_times.Sample(took=timedelta(hours=hour)) for hour in taken])
        return deadlines.compute(
            impact_start=at(0),
            notice=HEARD,
            expected_end=None,
            tolerance=tolerance(24),
            belief=belief,
            timing=POLICY.timing,
        ).start_by

    assert start_by(quicker) >= start_by(hours) - timedelta(seconds=1)


@given(situations())
def test_waiting_for_a_turn_only_ever_starts_a_copy_earlier(situation: tuple[decisions.Facts, datetime]):
    facts, now = situation
    at_once = decisions.decide(replace(facts, queue_wait=timedelta()), POLICY, now)
    queued = decisions.decide(replace(facts, queue_wait=timedelta(hours=5)), POLICY, now)
    assert queued.cut_over_at == at_once.cut_over_at
    assert not (at_once.action is Action.START and queued.action is Action.WAIT)


@given(situations())
def test_a_probability_is_one_and_acting_is_never_worse_than_waiting(situation: tuple[decisions.Facts, datetime]):
    facts, now = situation
    seen = decisions.decide(facts, POLICY, now).outlook
    if seen is not None:
        assert 0 <= seen.p_meet_rto_waiting <= seen.p_meet_rto + 1e-9 <= 1 + 2e-9
        assert seen.expected_downtime <= seen.expected_downtime_waiting + timedelta(seconds=1)
