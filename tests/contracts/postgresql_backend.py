"""The shared store as the contract sees it: a schema of its own, whose connections can be killed at a chosen write."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from responder.store import instances, postgresql, stores
from responder.store.postgresql import sessions, tenures
from tests.contracts import postgresql_server
from tests.contracts.sqlite_backend import PowerLost

TIMING = tenures.Timing()


async def die(store: stores.Store) -> None:
    """It stops renewing its lease, and says no word."""

    def dead(*_: object) -> None:
        raise ConnectionError("it is dead")

    store.tenure._do = dead  # type: ignore[union-attr]
    await store.tenure.end()


class Backend:
    """One store in one schema; the twin of `sqlite_backend.Backend`."""

    def __init__(self, server: postgresql_server.Server) -> None:
        self.server = server
        self.place = server.place()
        self._opened: list[stores.Store] = []

    async def open(self, timing: tenures.Timing = TIMING) -> stores.Store:
        place = dataclasses.replace(self.place, process=uuid.uuid4().hex[:12])  # each as from a process of its own
        store = await postgresql.open_store(place, role=stores.Role.DAEMON, timing=timing)
        self._opened.append(store)
        return store

    def lose_power(self, store: stores.Store, *, before_commit: bool) -> None:
        """At the next write: just before it is committed, or just after. The connection is killed by the server."""
        original = store.database.execute_transaction

        async def dying(work: Callable[[Any], Any]) -> Any:
            def until_commit(connection: Any) -> None:
                work(connection)
                self._kill(connection)
                raise PowerLost

            if before_commit:
                await original(until_commit)
            await original(work)
            raise PowerLost

        store.database.execute_transaction = dying  # type: ignore[method-assign]

    async def restart(self) -> stores.Store:
        """What the next process finds, when the one before has died and its lease has run out."""
        for dead in self._opened:
            await die(dead)
        sql = "UPDATE instances SET lease_until = ''"
        store = await self.open()
        await store.database.execute_transaction(lambda c: c.execute(sql + " WHERE id <> ?", (store.tenure.id,)))
        await store.database.execute_transaction(instances.sweep)
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()

    def _kill(self, connection: Any) -> None:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        killer = sessions.Session(self.place, "kills")
        killer.execute("SELECT pg_terminate_backend(?)", (pid,))
        killer.close()
