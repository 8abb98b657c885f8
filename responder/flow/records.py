"""What steps may know of the estate and of earlier runs, read from the store. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from responder.core import configurations, copies, restores, runs, servers, successions
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
        """What applications were sent to instead of it, and not back since; the newest first.

        Known for longer than the runs that did it; these may tell more.
        """
        told = (await self._store.successions.of([server_id])).get(server_id, [])
        standing = {one.run: one for one in told if one.ended_at is None}
        ended = {one.run for one in told if one.ended_at is not None}
        found = {
            one.run: doors.InUse(server_id=one.by, run_id=one.run, at=one.since, recovery_point=one.recovery_point)
            for one in standing.values()
        }
        for run in await self._store.runs.of_server(server_id):
            records = await self._store.runs.steps(run.id)
            copy = runs.copy_of(run, records)
            if copy.state is copies.State.PROMOTED and copy.server_id is not None and run.id not in ended:
                known = standing.get(run.id)
                found[run.id] = doors.InUse(
                    server_id=servers.server_id(copy.server_id),
                    run_id=run.id,
                    at=known.since if known else _last(records),
                    recovery_point=copy.recovery_point,
                )
        return sorted(found.values(), key=lambda one: one.at or _NEVER, reverse=True)

    async def superseded(self, server_id: servers.ServerId) -> successions.Succession | None:
        """What took its place, if it is not the live server."""
        told = (await self._store.successions.of([server_id])).get(server_id, [])
        return successions.standing(told)

    async def captured(self, server_id: servers.ServerId) -> configurations.Captured | None:
        """Its configuration as it was while it was healthy; None: never captured."""
        return await self._store.configurations.get(server_id)


def _last(records: Mapping[str, runs.StepRecord]) -> datetime | None:
    return max((record.ended_at for record in records.values() if record.ended_at is not None), default=None)


_NEVER = datetime.min.replace(tzinfo=UTC)
