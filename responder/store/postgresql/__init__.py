"""The shared store: PostgreSQL, for several instances and command lines at once. The database arbitrates.

Needs PostgreSQL 13 or newer, and connections of its own: behind a pooler, one that pools sessions, not transactions.
"""

from __future__ import annotations

from responder.core import errors
from responder.store import migrations, stores
from responder.store.postgresql import places, pools

place_of = places.place_of


async def open_store(where: places.Place, *, exclusive: bool = True) -> stores.Store:
    """Open the store at that place.

    Args:
        where: database and schema.
        exclusive: True: to write, beside others who write; migrates if need be. False: for reading only.

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
    except BaseException:
        await base.close()
        raise
    return stores.assemble(base, None)


async def _there(base: pools.Database) -> None:
    if not await base.tables():
        remedy = "Check store.url and store.schema_name in the settings, or start the daemon: it makes the store."
        raise errors.StoreError("store.missing", "There is no store yet.", remedy=remedy, place=base.place)
