"""What is known of a run's server at one moment: for the steps of the run, for its expressions, and for planning it."""

from __future__ import annotations

from responder.core import approvals, contexts, controls, errors, runs, tolerances
from responder.flow import facts
from responder.steps import doors
from responder.store import stores


async def gather(
    store: stores.Store, run: runs.Run, defaults: tolerances.Tolerance, said: controls.Standing | None = None
) -> doors.Situation:
    """The situation of a run, read from the store.

    Args:
        said: what people have told the run, as far as it still counts. None: nothing.

    Raises:
        InputError: its server is not in the inventory.
    """
    server = await store.estate.server(run.server_id)
    if server is None:
        raise errors.InputError(
            "run.no-server", f"{run.server_id} is not in the inventory.", remedy="Refresh it, then retry the run."
        )
    outage, decision = await store.outages.get(run.outage_id) if run.outage_id else None, None
    if outage is not None:
        outage, decision = await facts.leading(store, server, outage)
    words = await store.runs.signals(run.id)
    gathered = await facts.gather(store, outage, [server], defaults) if outage else []
    looks = (await store.estate.looks([server.id])).get(server.id, {}) if not gathered else {}
    return doors.Situation(
        server=server,
        tolerance=tolerances.read(server.tags, defaults=defaults),
        outage=outage,
        facts=gathered[0] if gathered else None,
        decision=decision,
        health=gathered[0].health if gathered else facts.own_look(looks),
        consent=facts.newest_word(words),
        agreed=approvals.consent(words, requester=run.created_by),
        said=said or controls.Standing(),
    )


def context(found: doors.Situation, run: runs.Run) -> contexts.Situation:
    """The same, as far as a playbook's expressions may speak of it."""
    return contexts.Situation(
        server=found.server, tolerance=found.tolerance, outage=found.outage, decision=found.decision, run=run
    )
