"""How far the responder goes by itself: caps, cooldown, quarantine, the error budget of a wave. Holds nothing."""

from __future__ import annotations

from datetime import timedelta

import pydantic

from responder.core import approvals, brakes
from responder.settings import fields


class Brakes(fields.Part):
    """What holds effects without anybody's word. `responder freeze` is the brake for people."""

    cooldown: fields.Duration = timedelta(hours=1)
    """After a cut-over, and after a run that acted and failed, no such run of that server is started by itself for so
    long. One hour: something that goes wrong is looked at before it is tried again. Humans are never kept off."""
    per_subscription: int = pydantic.Field(default=50, ge=1, le=10_000)
    """Runs of one subscription that may have an effect under way at a moment, those of people too. 50: a subscription
    may send 200 writes at once, and every restore takes several calls."""
    per_region: int = pydantic.Field(default=50, ge=1, le=10_000)
    """The same for the servers of one region. 50: all of them ask the paired region for capacity."""
    quarantine_after: int = pydantic.Field(default=10, ge=3, le=1000)
    """A run that so often in a row raised, or took the process with it, is left to a human. 10: more than a bad night
    of somebody else's making."""
    budget_failures: int = pydantic.Field(default=3, ge=0, le=10_000)
    """When more than so many of the newest `budget_of` restores of an outage failed, no further one is begun until a
    human says so. 3: two can be chance; a third is looked at, a fourth is a pattern."""
    budget_of: int = pydantic.Field(default=10, ge=1, le=10_000)
    """How many of the newest restores of an outage count. 10: what is older was mended, or was something else."""

    azure_reserve: int = pydantic.Field(default=50, ge=0, le=200)
    """Of the reads that Azure allows a subscription, so many are left for what cannot wait (looking at a target before
    and after a write): polls and lists are put off before. 50: a wave of a few dozen restores. 0: none."""

    def policy(self) -> brakes.Policy:
        """As the core wants them."""
        return brakes.Policy(
            caps=brakes.Caps(per_subscription=self.per_subscription, per_region=self.per_region),
            budget=brakes.Budget(failures=self.budget_failures, of=self.budget_of),
            cooldown=self.cooldown,
            quarantine_after=self.quarantine_after,
        )


class Approvals(fields.Part):
    """How people say yes to a cut-over that may lose data."""

    two_people: bool = False
    """Whether whoever started a run may not approve it, and a loss beyond the RPO takes the signatures of two people.
    False: one person is enough, and is named in the journal."""
    expires: fields.Duration = pydantic.Field(default=timedelta(hours=4), gt=timedelta(0))
    """How long a question stands before `default` is taken. Four hours: somebody who sleeps is woken within that."""
    default: approvals.Default = approvals.Default.WAIT
    """What happens when nobody answers: `wait` (held on) or `decline` (counts as a no). Never a yes. Wait: nothing is
    lost by it, and a late yes still counts."""
