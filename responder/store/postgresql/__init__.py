"""The shared store: PostgreSQL, for several instances and command lines at once. The database arbitrates.

Needs PostgreSQL 13 or newer, and connections of its own: what lies behind a pooler is refused.
"""

from __future__ import annotations

from responder.core import errors
from responder.store import instances, migrations, stores
from responder.store.postgresql import places, pools, tenures

place_of = places.place_of

_TIMING = tenures.Timing()


async def open_store(
    where: places.Place,
    *,
    exclusive: bool = True,
    role: stores.Role = stores.Role.WRITER,
    timing: tenures.Timing = _TIMING,
) -> stores.Store:
    """Open the store at that place.

    Args:
        where: database and schema.
        exclusive: True: to write, beside others who write; migrates if need be. False: for reading only.
        role: whether we are one of the instances. Only they may claim runs and lead stages.
        timing: of our lease, if we have one.

    Raises:
        StoreError: `store.missing`, `store.newer`, `store.older`, `store.foreign`, `store.unavailable`.
    """
    base = pools.Database(where, read_only=not exclusive)
    await base.connect()
    try:
        steps = migrations.scripts(base.KIND)
        if exclusive:
            await migrations.apply(base, steps)
        else:
            await _there(base)
            await migrations.verify(base, steps)
        if not exclusive or role is stores.Role.WRITER:
            return stores.assemble(base, None, _Nobody())
        tenure = tenures.Tenure(where, timing, daemon=role is stores.Role.DAEMON)
        await tenure.begin()
    except BaseException:
        await base.close()
        raise
    return stores.assemble(base, None, tenure)


class _Nobody(instances.Alone):
    """Who is no instance has nothing in hand, and leads nothing."""

    id = ""

    def proven(self) -> bool:
        """Never."""
        return False

    def leads(self, stage: str) -> bool:
        """None."""
        return False


async def _there(base: pools.Database) -> None:
    if not await base.tables():
        remedy = "Check store.url and store.schema_name in the settings, or start the daemon: it makes the store."
        raise errors.StoreError("store.missing", "There is no store yet.", remedy=remedy, place=base.place)
