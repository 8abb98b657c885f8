"""Which freeze holds a run now: one answer for the gate before its effects, for starting it, and for every screen."""

from __future__ import annotations

from datetime import datetime

from responder.core import brakes, runs
from responder.store import stores


async def place_of(store: stores.Store, run: runs.Run) -> brakes.Place:
    """Where a run acts, for the brakes."""
    server = await store.estate.server(run.server_id)
    return brakes.Place(server=run.server_id, region=server.region if server else None, outage=run.outage_id)


async def freeze_of(
    store: stores.Store, run: runs.Run, now: datetime, *, kind: str | None = None
) -> brakes.Freeze | None:  # fmt: skip
    """The freeze that holds a run. `kind`: of the step that would begin; None: the run would be started."""
    return brakes.freeze_on(await store.brakes.standing(now), await place_of(store, run), now, kind=kind)


async def refuse(store: stores.Store, run: runs.Run, now: datetime) -> None:
    """Refuse to start a run while a freeze holds its server.

    Raises:
        RefusedError: `brake.frozen`, with who holds it, why, until when, and how it is lifted.
    """
    held = await freeze_of(store, run, now)
    if held is not None:
        raise brakes.frozen(held, "Nothing is started")
