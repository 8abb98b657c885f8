"""What steps may know of the estate and of earlier runs, read from the store. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from responder.core import configurations, copies, restores, runs, servers
from responder.steps import doors
from responder.store import sqlite


class Records:
    """`doors.Records` over the store."""

    def __init__(self, store: sqlite.Store) -> None:
        self._store = store

    async def replicas_of(self, server_id: servers.ServerId) -> Sequence[servers.Server]:
        """Its read replicas, as the inventory last saw them."""
        return [each for each in await self._store.estate.servers() if each.replica_of == server_id]

    async def copies_of(self, server_id: servers.ServerId) -> Sequence[servers.Server]:
        """The servers that we made from it, as the inventory last saw them."""
        wanted = {restores.CREATED_BY_TAG: restores.CREATED_BY, restores.SOURCE_TAG: server_id[:256]}
        return [each for each in await self._store.estate.servers() if wanted.items() <= each.tags.items()]

    async def in_use(self, server_id: servers.ServerId) -> Sequence[doors.InUse]:
        """What applications were sent to instead of it, by the journal of its runs; the newest first."""
        found = []
        for run in await self._store.runs.of_server(server_id):
            records = await self._store.runs.steps(run.id)
            copy = runs.copy_of(run, records)
            if copy.state is copies.State.PROMOTED and copy.server_id is not None:
                found.append(
                    doors.InUse(
                        server_id=servers.server_id(copy.server_id),
                        run_id=run.id,
                        at=max((r.ended_at for r in records.values() if r.ended_at is not None), default=None),
                        recovery_point=copy.recovery_point,
                    )
                )
        return found

    async def captured(self, server_id: servers.ServerId) -> configurations.Captured | None:
        """Its configuration as it was while it was healthy; None: never captured."""
        return await self._store.configurations.get(server_id)
