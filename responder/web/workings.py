"""What `/metrics` tells of runs, brakes, Azure's budgets and instances. Reads values, asks nobody.

Names and labels are a promise: they are added, never renamed.

    responder_frozen{scope}                           1 for every brake that is held; `all` too, 0 when it is not
    responder_freeze_info{scope,by,reason}            1: who holds it, and why
    responder_freeze_ends_seconds{scope}              until it ends by itself; absent: when somebody lifts it
    responder_runs_waiting{for}                       runs that have not ended, by what they wait for: approval, pause,
                                                      hold, freeze, turn, quarantine, retry, ...; `nothing`: due
    responder_effects_under_way{region}               runs whose effect may be going on, by the region of their server
    responder_azure_budget_left{subscription,kind}    calls that are left of Azure's budget, as far as it was heard of
                                                      in the last ten minutes
    responder_azure_refused_seconds{subscription,kind}for how long Azure has refused more; 0: it has not
    responder_instances{role}                         processes that share the store now, `daemon` or `command line`
    responder_instance_leads{stage}                   1: this process leads that stage
    responder_playbooks{state}                        how many are `loaded`, and `unusable` on this machine
    responder_playbooks_changed                       1: their files are others than what was loaded
    responder_playbooks_broken                        1: the files as they are now cannot be loaded; the last good stay
    responder_store_refused_seconds                   for how long the store has taken no write; 0: it takes them
    responder_instance_runs{instance}                 runs in hand
    responder_servers                                 servers of the estate that are known
    responder_outages_open                            outages that are not over, each region of one by itself
    responder_announcements_undelivered{state}        announcements that wait: `new`, or `failing`: tried in vain
    responder_announcements_oldest_seconds            for how long the oldest of them has waited; 0: none waits
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import core

from responder.core import brakes, throttles
from responder.flow import shelf, workings
from responder.store import database

_Gauge = core.GaugeMetricFamily


def families(found: workings.Workings) -> Iterator[core.Metric]:
    """The metrics."""
    yield from _freezes(found)
    waiting = _Gauge("responder_runs_waiting", "Runs that have not ended, by what they wait for.", labels=["for"])
    for what in sorted({"approval", "quarantine", *found.waiting}):
        waiting.add_metric([what], found.waiting.get(what, 0))
    going_on = _Gauge("responder_effects_under_way", "Runs whose effect may be going on.", labels=["region"])
    for region, count in found.under_way.items():
        going_on.add_metric([region], count)
    yield from (waiting, going_on, *_budgets(found), *_instances(found), *_situation(found))


def _situation(found: workings.Workings) -> Iterator[core.Metric]:
    unsent = found.unsent
    waiting = _Gauge("responder_announcements_undelivered", "Announcements that wait, by state.", labels=["state"])
    waiting.add_metric(["new"], unsent.announcements - unsent.failing)
    waiting.add_metric(["failing"], unsent.failing)
    age = (found.now - unsent.since).total_seconds() if unsent.since is not None else 0.0
    yield from (
        _Gauge("responder_servers", "Servers of the estate that are known.", value=found.servers),
        _Gauge("responder_outages_open", "Outages that are not over, by region.", value=found.outages),
        waiting,
        _Gauge("responder_announcements_oldest_seconds", "How long the oldest has waited.", value=max(age, 0.0)),
    )


def playbooks(found: shelf.Shelf | None) -> Iterator[core.Metric]:
    """Of the playbooks that were loaded, and of their files since."""
    if found is None:
        return
    number = _Gauge("responder_playbooks", "Playbooks, by whether they can be used.", labels=["state"])
    number.add_metric(["loaded"], len(found))
    number.add_metric(["unusable"], len(found.library.unusable))
    changed = _Gauge("responder_playbooks_changed", "1: the files are others than what was loaded.")
    changed.add_metric([], float(found.state.changed))
    broken = _Gauge("responder_playbooks_broken", "1: the files as they are now cannot be loaded.")
    broken.add_metric([], float(found.state.problem is not None))
    yield from (number, changed, broken)


def refused(trouble: database.Trouble | None, now: datetime) -> core.Metric:
    """Of the store, if it takes no writes."""
    since = (now - trouble.since).total_seconds() if trouble is not None else 0.0
    about = "For how long the store has taken no write; 0: it takes them."
    return _Gauge("responder_store_refused_seconds", about, value=max(since, 1.0) if trouble is not None else 0.0)


def _freezes(found: workings.Workings) -> Iterator[core.Metric]:
    frozen = _Gauge("responder_frozen", "1 for every brake that is held.", labels=["scope"])
    info = _Gauge("responder_freeze_info", "Who holds a brake, and why.", labels=["scope", "by", "reason"])
    ends = _Gauge("responder_freeze_ends_seconds", "Until a brake lets go by itself.", labels=["scope"])
    scopes = {str(brakes.EVERYTHING): 0.0, **{str(freeze.scope): 1.0 for freeze in found.freezes}}
    for scope, held in scopes.items():
        frozen.add_metric([scope], held)
    for freeze in found.freezes:
        info.add_metric([str(freeze.scope), freeze.by, freeze.reason], 1.0)
        if freeze.until is not None:
            ends.add_metric([str(freeze.scope)], (freeze.until - found.now).total_seconds())
    yield from (frozen, info, ends)


def _budgets(found: workings.Workings) -> Iterator[core.Metric]:
    labels = ["subscription", "kind"]
    left = _Gauge("responder_azure_budget_left", "Calls that are left of Azure's budget.", labels=labels)
    refused = _Gauge("responder_azure_refused_seconds", "For how long Azure refuses more.", labels=labels)
    for (subscription, kind), bucket in sorted(found.buckets.items()):
        left.add_metric([subscription, kind.value], round(throttles.left(bucket, kind, found.now)))
        until = bucket.blocked_until
        still = max((until - found.now).total_seconds(), 0.0) if until is not None else 0.0
        refused.add_metric([subscription, kind.value], still)
    yield from (left, refused)


def _instances(found: workings.Workings) -> Iterator[core.Metric]:
    number = _Gauge("responder_instances", "Processes that share the store.", labels=["role"])
    daemons = sum(one.daemon for one in found.members)
    alone = not found.members  # a file of our own: nobody is registered, and we are here
    number.add_metric(["daemon"], float(daemons or alone))
    number.add_metric(["command line"], float(len(found.members) - daemons))
    leading = _Gauge("responder_instance_leads", "1: this process leads that stage.", labels=["stage"])
    for stage, leader in sorted(found.leaders.items()):
        leading.add_metric([stage], float(leader == found.me))
    in_hand = _Gauge("responder_instance_runs", "Runs in hand.", labels=["instance"])
    for instance in sorted({*found.in_hand, *(one.id for one in found.members)}):
        in_hand.add_metric([instance], found.in_hand.get(instance, 0))
    yield from (number, leading, in_hand)
