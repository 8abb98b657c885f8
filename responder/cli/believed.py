"""What a decision at the command line rests on besides its facts: the settings, and what the store has learned since.

Reads; writes nothing. Loaded when it is used.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import Any

from responder import clock, playbook_files, settings, steps
from responder.cli import reach
from responder.core import brakes, decisions, errors, restore_times
from responder.flow import learn, views
from responder.store import stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The rule as the daemon would have it now."""

    policy: decisions.Policy
    """With beliefs that follow what was measured."""
    learned: learn.Learned = field(default_factory=learn.Learned)
    """What the belief about servers of this size rests on."""
    frozen: dict[str, Any] | None = None
    """The freeze that would keep a run of the server from being started now."""


def known(loaded: settings.Settings, facts: decisions.Facts, *, stored: bool) -> Known:
    """With what the store adds. Where there is none yet, the settings alone.

    Args:
        stored: the settings are somebody's own, and name a store.
    """
    # The playbooks are those that are shipped, overlaid by the operator's.
    found = playbook_files.load_all(loaded.playbooks, steps.KINDS)
    policy = replace(loaded.policy(), playbooks=frozenset(found))
    if not stored:
        return Known(policy=policy)
    try:
        return reach.read(loaded, functools.partial(_with_store, policy=policy, facts=facts))
    except errors.StoreError as error:
        if error.error_id != "store.missing":
            raise
        return Known(policy=policy)


async def _with_store(store: stores.Store, *, policy: decisions.Policy, facts: decisions.Facts) -> Known:
    beliefs = learn.Beliefs(store, policy)
    now, moved = clock.now(), await beliefs.policy(quiet=True)
    place = brakes.Place(server=facts.server.id, region=facts.server.region, outage=facts.outage.id)
    held = brakes.freeze_on(await store.brakes.standing(now), place, now)
    return Known(
        policy=moved,
        learned=beliefs.learned(restore_times.size_class(facts.server.storage_gb)),
        frozen=views.of_freeze(held) if held is not None else None,
    )
