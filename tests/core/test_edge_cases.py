"""The edge cases of the decision rule, one test each, in the order of the rule's own list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from responder.core import (
    copies,
    correlations,
    decisions,
    events,
    evidence,
    regions,
    runs,
    servers,
    services,
    ways,
)
from responder.core.decisions import Action
from responder.core.tolerances import Cutover
from responder.core.tolerances import read as read_tags
from tests.core import cases
from tests.core.cases import POLICY, at, decide, down, hours, ids, outage, ready, resolved, tolerance, up

HOUR = timedelta(hours=1)
SMALL = cases.server(storage_gb=64)
THIRD = regions.RegionName("westeurope")


def replica(lag_s: float | None = 20, region: regions.RegionName = THIRD, **changes: object) -> ways.Replica:
    lag = None if lag_s is None else timedelta(seconds=lag_s)
    return ways.Replica(id=servers.ServerId("/replicas/orders-r"), region=region, lag=lag, **changes)  # type: ignore[arg-type]


def impact(region: regions.RegionName) -> events.Impact:
    relation, status = services.Relation.POSTGRESQL, events.Status.ACTIVE
    return events.Impact(service=cases.FLEXIBLE, relation=relation, region=region, status=status)


def test_1_an_rto_shorter_than_any_restore_is_tried_at_once_and_cut_over_when_ready():
    assert decide(0.6, server=SMALL, tolerance=tolerance(1)).action is Action.START
    late = decide(2, server=SMALL, tolerance=tolerance(1), copy=ready(started=0.6, done=1.9))
    assert late.action is Action.CUT_OVER
    asked = decide(2, server=SMALL, tolerance=tolerance(1, 5 / 60), copy=ready(started=0.6, done=1.9))
    assert (asked.action, ids(asked)) == (Action.ASK, ["cutover.loss"])


def test_2_an_rpo_shorter_than_the_possible_loss_is_never_automatic_until_the_loss_is_measured():
    started = decide(1, tolerance=tolerance(4, 0.5))
    assert (started.action, started.consent_needed) == (Action.START, True)
    unmeasured = decide(3.9, tolerance=tolerance(4, 0.5), copy=ready(lacks_minutes=None))
    assert (unmeasured.action, unmeasured.consent_needed) == (Action.ASK, True)
    measured = decide(3.9, tolerance=tolerance(4, 0.5), copy=ready(lacks_minutes=20))
    assert (measured.action, measured.consent_needed) == (Action.CUT_OVER, False)


def test_3_where_the_recovery_point_is_unknown_the_bound_counts_and_the_newest_row_replaces_it():
    assert decide(3, copy=ready(lacks_minutes=None)).data_loss_bound == HOUR
    assert decide(3, copy=ready(lacks_minutes=7)).data_loss_bound == timedelta(minutes=7)


def test_4_without_a_backup_in_the_pair_it_is_no_candidate_and_that_is_said():
    for changes, said in (({"tier": "Basic"}, "way.basic-tier"), ({"geo_backup": False}, "way.no-geo-backup")):
        found = decide(3, server=cases.server(**changes))
        assert (found.action, found.way, ids(found)[0]) == (Action.WAIT, None, said)
    only_a_replica = decide(11, server=cases.server(geo_backup=False), replicas=(replica(),))
    assert only_a_replica.way == "promote-replica"


def test_5_a_restore_to_another_zone_is_offered_only_where_the_backup_surely_lies_in_other_zones():
    zonal = {"zonal": True, "tolerance": tolerance(4)}
    maybe = decide(1, server=cases.server(storage_gb=64, zone="1", geo_backup=False), **zonal)
    assert (maybe.way, ids(maybe)[0]) == (None, "way.backup-in-the-zone")
    surely = cases.server(storage_gb=64, zone="1", high_availability="ZoneRedundant")
    assert decide(1, server=surely, **zonal).way == "point-in-time-restore"


def test_6_with_the_pair_down_too_nothing_is_started_and_a_copy_under_way_is_kept():
    waiting = decide(3, pair_impaired=True)
    assert (waiting.action, ids(waiting)[0]) == (Action.WAIT, "way.pair-impaired")
    assert decide(3, pair_impaired=True, copy=cases.restoring()).action is Action.RESTORING
    assert decide(3, pair_impaired=True, copy=ready()).action is Action.HOLD
    elsewhere = decide(11.5, pair_impaired=True, replicas=(replica(region=THIRD),))
    assert (elsewhere.action, elsewhere.way, elsewhere.target) == (
        Action.START,
        "promote-replica",
        "/replicas/orders-r",
    )


def test_7_trouble_of_the_control_plane_alone_moves_nothing_and_only_makes_a_restore_doubtful():
    key_vault = outage(relation=services.Relation.DEPENDENCY, services=("Key Vault",))
    answering = decide(11.9, outage=key_vault, health=up(at(11.9)), copy=ready())
    assert answering.action in (Action.SETTLE, Action.STAND_DOWN)
    blocked = decide(1, arm_impaired=True)
    assert (blocked.action, "way.arm-impaired" in ids(blocked)) == (Action.START, True)


def test_8_duplicates_and_any_order_of_events_decide_the_same():
    told = [cases.event(15), cases.event(40, impact_start=at(-0.2)), cases.event(60)]
    found = {
        decide(3, outage=cases.fold(*order)).cut_over_at
        for order in (told, told[::-1], [*told, *told], [told[1], told[0], told[2], told[1]])
    }
    assert len(found) == 1


def test_9_a_region_that_is_added_later_has_its_own_impact_start():
    west = regions.RegionName("westus")
    first = cases.event(15, impacts=(impact(cases.EASTUS2),))
    later = cases.event(180, impacts=(impact(west),), regions=(west,), impact_start=at(2.5))
    known = correlations.correlate_all({}, first, at(0.5))
    known |= correlations.correlate_all(known, later, at(3))
    there = cases.server(region=west)
    assert decide(4, outage=known[cases.EASTUS2]).cut_over_at == at(12) - timedelta(minutes=25)
    assert decide(4, server=there, outage=known[west]).cut_over_at == at(14.5) - timedelta(minutes=25)


def test_10_a_revised_impact_start_moves_every_deadline_and_can_make_a_restore_overdue_at_once():
    server = {"server": SMALL, "tolerance": tolerance(20)}
    assert decide(12, **server).action is Action.WAIT
    revised = decide(12, outage=outage(impact_start=at(-4)), health=down(at(12), since=at(-4)), **server)
    assert revised.action is Action.START
    assert hours(revised.cut_over_at) == pytest.approx(hours(decide(12, **server).cut_over_at) - 4)


def test_11_a_false_alarm_starts_nothing_while_the_server_answers():
    found = decide(3, health=up(at(3)))
    assert (found.action, found.playbook, found.standing) == (
        Action.OBSERVE,
        None,
        evidence.Standing.CONTRADICTED,
    )
    maintenance = cases.event(kind=events.Kind.MAINTENANCE)
    assert cases.fold(maintenance) is None


def test_12_silence_without_a_word_of_azures_may_start_a_copy_and_never_cuts_over_alone():
    ours = outage(ours=True, relation=services.Relation.DEPENDENCY, subscriptions=())
    assert decide(1, outage=ours, tolerance=tolerance(4)).action is Action.START
    due = decide(4, outage=ours, tolerance=tolerance(4), copy=ready())
    assert (due.action, due.standing) == (Action.ASK, evidence.Standing.SUSPECTED)
    signed = decide(4, outage=ours, tolerance=tolerance(4), copy=ready(), consent=cases.yes())
    assert signed.action is Action.CUT_OVER


def test_13_resolved_and_answering_the_copy_is_kept_for_the_settling_time_and_then_thrown_away():
    for copy in (cases.restoring(), ready()):
        kept = decide(9, outage=resolved(8), health=up(at(9), since=at(8)), copy=copy)
        assert kept.action is Action.SETTLE
        gone = decide(10.1, outage=resolved(8), health=up(at(10.1), since=at(8)), copy=copy)
        assert gone.action is Action.STAND_DOWN


def test_14_resolved_and_still_silent_counts_as_down_for_this_server():
    found = decide(9, outage=resolved(8))
    assert found.action is Action.START
    assert decide(13, outage=resolved(8), copy=ready()).action is Action.ASK


def flapping(until: float = 6.1) -> evidence.Health:
    """Down at the impact, answers from 6 h 00 to 6 h 03, silent again, and looked at until then."""
    health = cases.down(at(5.9))
    for hour, answered in ((6.0, True), (6.05, True), (6.1, False), (until, False)):
        health = evidence.observe(health, evidence.Probe(at=at(hour), answered=answered))
    return health


def test_15_a_short_spell_of_answers_is_no_recovery_and_the_copy_lacks_its_rows():
    again = decide(6.1, health=flapping())
    assert (again.action, "flapping" in ids(again)) == (Action.START, True)
    assert decide(6.05, health=up(at(6.05), since=at(6))).action is Action.OBSERVE
    soon = decide(6.2, server=SMALL, tolerance=tolerance(24), health=flapping(), copy=ready(started=1))
    assert (soon.action, soon.refresh, ids(soon)) == (Action.HOLD, False, ["hold", "refresh-soon"])
    lacks = decide(7.1, server=SMALL, tolerance=tolerance(24), health=flapping(7.1), copy=ready(started=1))
    assert (lacks.action, lacks.refresh, ids(lacks)) == (Action.HOLD, True, ["hold", "refresh"])
    assert lacks.data_loss_bound is not None
    assert lacks.data_loss_bound >= 5 * HOUR
    begun = replace(ready(started=1), renewable=False, renewing_since=at(7.1))
    again = decide(7.2, server=SMALL, tolerance=tolerance(24), health=flapping(7.2), copy=begun)
    assert (again.action, again.refresh, ids(again)) == (Action.HOLD, True, ["hold", "refreshing"])
    once = replace(ready(started=1), renewable=False, instead_of="/the/older")
    assert ids(decide(7.2, server=SMALL, tolerance=tolerance(24), health=flapping(7.2), copy=once))[1] == "stale-once"
    too_late = decide(11, server=SMALL, health=flapping(), copy=ready(started=1))
    assert (too_late.refresh, "stale" in ids(too_late)) == (False, True)


def test_16_before_the_switch_an_answer_aborts_it_and_after_it_there_is_no_way_back():
    answering = cases.facts(at(11.7), health=up(at(11.7), since=at(11.65)), copy=ready())
    request = decisions.cut_over_request(answering, POLICY, at(11.7))
    assert request.verdict is evidence.Verdict.UP
    assert decisions.decide(answering, POLICY, at(11.7)).action is Action.SETTLE
    switched = replace(answering, copy=copies.Copy(state=copies.State.PROMOTED))
    assert decisions.decide(switched, POLICY, at(11.7)).action is Action.DONE


def test_17_a_restore_that_takes_too_long_is_told_before_the_deadline_and_a_given_up_one_is_not_repeated():
    running = decide(11, copy=cases.restoring(started=0.5))
    assert (running.action, ids(running)) == (Action.RESTORING, ["late", "restoring"])
    assert ids(decide(1, copy=cases.restoring(started=0.5), tolerance=tolerance(24))) == ["restoring"]
    failed = decide(6, copy=copies.Copy(state=copies.State.FAILED, started_at=at(1)))
    assert (failed.action, ids(failed)[0]) == (Action.WAIT, "gave-up")


def test_18_a_copy_is_not_paid_for_longer_than_its_owner_said():
    asked = {"tolerance": tolerance(4, cutover=Cutover.ASK, max_copy=6 * HOUR)}
    assert decide(5, copy=ready(started=1), **asked).action is Action.ASK
    over = decide(7.1, copy=ready(started=1), **asked)
    assert (over.action, ids(over)) == (Action.STAND_DOWN, ["copy-cost"])
    gone = copies.Copy(state=copies.State.DISCARDED, started_at=at(1))
    assert ids(decide(7.2, copy=gone, **asked))[0] == "copy-cost"


def test_19_undeclared_waits_and_a_default_of_the_organisation_is_marked_as_one():
    undeclared = decide(48, tolerance=tolerance(None))
    assert (undeclared.action, ids(undeclared)[0]) == (Action.WAIT, "undeclared")
    default = read_tags({}, defaults=tolerance(4))
    assert (decide(2, tolerance=default).action, "default" in ids(decide(2, tolerance=default))) == (Action.START, True)
    own = read_tags({"outage-rto": "4h"}, defaults=tolerance(4))
    assert "default" not in ids(decide(2, tolerance=own))


def test_20_after_a_restart_the_same_rows_decide_the_same_and_no_second_copy_is_asked_for():
    facts = cases.facts(at(3), copy=cases.restoring())
    assert decisions.decide(facts, POLICY, at(3)) == decisions.decide(facts, POLICY, at(3))
    assert decisions.decide(facts, POLICY, at(3)).action is Action.RESTORING
    run = runs.run_id("geo-restore", facts.server, facts.outage.id, 1)
    assert servers.copy_name(facts.server, run, 1) == servers.copy_name(cases.server(), run, 1)
