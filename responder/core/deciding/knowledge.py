"""The two arguments of every decision: the facts of one server, and what the organisation decided once for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from responder.core import (
    copies,
    cutovers,
    deadlines,
    evidence,
    networks,
    outage_lengths,
    outages,
    restore_times,
    servers,
    successions,
    tolerances,
    ways,
    witness,
)

PROMOTION = restore_times.Belief(p50=timedelta(minutes=2), p95=timedelta(minutes=10), surge=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the organisation decided once for all servers."""

    timing: deadlines.Timing = field(default_factory=deadlines.Timing)
    evidence: evidence.Policy = field(default_factory=evidence.Policy)
    settle: timedelta = timedelta(hours=2)
    """How long a copy is kept after the region returned: outages recur."""
    loss_bound: timedelta = timedelta(hours=1)
    """Newest data a geo-restore may lack when nothing was measured (Azure: RPO < 1 h)."""
    in_region_loss: timedelta = timedelta(minutes=5)
    """The same for a restore within the region."""
    standby: timedelta = timedelta(minutes=15)
    """When a zone fails, a standby in another one is given this long to take over."""
    review: timedelta = timedelta(minutes=1)
    """A decision is taken again at least this often while its outage lasts."""
    beliefs: Mapping[str, restore_times.Belief] = field(default_factory=lambda: dict(restore_times.DEFAULTS))
    promotion: restore_times.Belief = PROMOTION
    """How long it takes to promote a replica."""
    blocked: deadlines.Blocked = field(default_factory=deadlines.Blocked)
    survival: outage_lengths.Survival = outage_lengths.DEFAULT
    mixture: outage_lengths.Mixture | None = outage_lengths.DEFAULTS
    """The two histories that `survival` is mixed of. None: it was given as a whole."""
    playbooks: frozenset[str] | None = None
    """The playbooks there are: a way without one is closed. None: all."""
    networks: Mapping[str, networks.Network] = field(default_factory=dict)
    """What was prepared for the copies of servers in virtual networks, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a decision may know. Stored with it, so that every decision can be replayed."""

    server: servers.Server
    tolerance: tolerances.Tolerance
    outage: outages.Outage
    health: evidence.Health
    """What this instance's probes have shown; of all vantage points together where `vantages` is empty."""
    copy: copies.Copy = field(default_factory=copies.Copy)
    pair_impaired: bool = False
    """An active outage is known for the paired region, too."""
    consent: cutovers.Consent | None = None
    witness: witness.Statement | None = None
    """What Azure's Resource Health last said of this server; None: nothing."""
    vantages: Mapping[str, evidence.Health] = field(default_factory=dict)
    """What the probes of each vantage point have shown, by its name. Empty: there is only one."""
    zonal: bool = False
    """Only the server's availability zone is silent: servers of the region's other zones answer."""
    well_zones: tuple[str, ...] = ()
    """The zones whose servers answer, where the outage is zonal."""
    replicas: tuple[ways.Replica, ...] = ()
    """Read replicas of the server."""
    offer: ways.Offer | None = None
    """What the paired region gives this subscription; None: not asked."""
    arm_impaired: bool = False
    """Azure Resource Manager has an active outage in the paired region."""
    queue_wait: timedelta = timedelta()
    """How long a restore that is asked for now waits for its turn."""
    superseded: successions.Succession | None = None
    """Applications were sent from this server to another, and not back: it is not the live one."""
    shadow: bool = False
    """The server is in shadow mode: nothing is started, and `copy` is supposed where no human has made one."""


def survey(facts: Facts, policy: Policy) -> tuple[ways.Way, ...]:
    """Every way out for the server, cheapest in data first, with what stands against each."""
    around = ways.Surroundings(
        impact_start=facts.outage.impact_start,
        zonal=facts.zonal,
        pair_impaired=facts.pair_impaired,
        arm_impaired=facts.arm_impaired,
        offer=facts.offer,
        replicas=facts.replicas,
        playbooks=policy.playbooks,
        networks=policy.networks,
    )
    return ways.survey(facts.server, around, (policy.loss_bound, policy.in_region_loss))
