"""The stages, each built out of the parts. Whoever needs one of them alone, such as a run by hand, takes it here."""

from __future__ import annotations

import functools

from responder.azure import inventory, offers
from responder.flow import assess, auditing, by_hand, capture, offering, plans, retention, stages, watch
from responder.flow import inventory as inventory_stage
from responder.service import hands
from responder.service import parts as service_parts


def assessor(parts: service_parts.Parts) -> assess.Assess:
    """The stage that decides."""
    rules = assess.Rules(
        policy=parts.config.policy(),
        defaults=parts.config.tolerance(),
        playbooks=parts.shelf,
        suspicion=parts.config.suspicions(),
        brakes=parts.config.brakes.policy(),
        wave=parts.config.waves.policy(),
        approvals=parts.config.approvals_policy(),
        shadow=parts.config.shadow(),
    )
    return assess.Assess(parts.store, rules, wake=parts.wakes["assess"], act=parts.wakes["act"], estate=parts.estate)


def planner(parts: service_parts.Parts) -> plans.Planner:
    """What plans runs by hand."""
    return plans.Planner(
        store=parts.store,
        books=parts.shelf,
        config=parts.config,
        registry=parts.registry,
    )


async def refresh_inventory(parts: service_parts.Parts) -> None:
    """List the estate once, for a run by hand on a store that never saw it."""
    listed = await inventory.list_servers(parts.config.azure.subscriptions, parts.clients.graph())
    await parts.store.estate.put_servers(listed)


def one_run(parts: service_parts.Parts) -> by_hand.ByHand:
    """What carries out one run and no other, for a run by hand while the daemon is down."""
    probes = parts.config.probes
    looks = by_hand.Looks(
        probe=parts.databases.visit, every=probes.interval_in_outage, longest_gap=probes.fresh, vantage=probes.vantage
    )
    return by_hand.ByHand(parts.store, hands.actor(parts), looks, parts.wakes["act"])


def looking(parts: service_parts.Parts) -> dict[str, stages.Job]:
    """What looks at the estate itself: its list, and whether its servers answer."""
    config, probing = parts.config, parts.config.probes
    pace = watch.Pace(
        peace=probing.interval,
        outage=probing.interval_in_outage,
        concurrency=probing.concurrency,
        proof=config.policy().evidence,
        per_second=probing.per_second,
    )
    lister = inventory_stage.Inventory(
        parts.store,
        lambda: inventory.list_servers(config.azure.subscriptions, parts.clients.graph()),
        config.azure.inventory_refresh,
        parts.wakes["assess"],
        parts.estate,
    )
    watcher = watch.Watch(
        parts.store,
        parts.databases.probe,
        pace,
        parts.wakes["assess"],
        vantage=probing.vantage,
        estate=parts.estate,
        deep=watch.Deep(parts.databases.visit, probing.deep_per_second, probing.deep_interval),
    )
    keeping = config.retention
    ages = retention.ages(keeping.ages(), config.brakes.cooldown)
    cleaner = retention.Retention(parts.store.retention, ages, keeping.every)
    return {
        "inventory": lister.run,
        f"watch {probing.vantage}": watcher.run,
        "capture": capturer(parts).run,
        "offering": offering.Offering(
            parts.store, functools.partial(offers.ask, parts.clients), config.azure.offer_refresh, parts.estate
        ).run,
        "retention": cleaner.run,
        "audit": auditing.Daily(parts.store.audit).run,
    }


def capturer(parts: service_parts.Parts) -> capture.Capture:
    """The stage that keeps what servers are set to."""
    every = parts.config.azure.configuration_refresh
    return capture.Capture(parts.store, parts.doors.control_plane.configuration, parts.config.tolerance(), every)
