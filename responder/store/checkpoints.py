"""How far each partition of a hub is read, and by whom: what azure-eventhub's CheckpointStore asks for.

Speaks the SDK's dictionaries without importing it; the adapter in the Azure room passes them through.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from responder import clock
from responder.store import database

Facts = dict[str, Any]


class Checkpoints:
    """Ownerships and checkpoints of every hub and consumer group."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def list_ownership(self, namespace: str, hub: str, group: str) -> builtins.list[Facts]:
        """Who reads which partition: the SDK's dictionaries, with `etag` and `last_modified_time`."""
        return [_ownership(row) for row in await self._rows("ownerships", namespace, hub, group)]

    async def claim_ownership(self, ownerships: Iterable[Mapping[str, Any]]) -> builtins.list[Facts]:
        """Claim partitions, each by compare-and-set on its etag; one that nobody ever owned needs none.

        Returns:
            The ownerships won, with their new etag. Losing one is normal: somebody was faster.
        """
        wanted, now = list(ownerships), clock.now().timestamp()
        return await self._base.execute_transaction(lambda c: [won for o in wanted if (won := _claim(c, o, now))])

    async def update(self, checkpoint: Mapping[str, Any]) -> None:
        """Remember how far a partition is read."""
        row = (*_key(checkpoint), checkpoint.get("offset"), checkpoint.get("sequence_number"))
        await self._base.execute_transaction(lambda c: c.execute(_UPDATE, row))

    async def list(self, namespace: str, hub: str, group: str) -> builtins.list[Facts]:
        """How far each partition is read: the SDK's dictionaries."""
        rows = await self._rows("checkpoints", namespace, hub, group)
        return [{**_names(row), "sequence_number": row["sequence"], "offset": row["position"]} for row in rows]

    async def recover(self) -> None:
        """Give up what a dead process owned. Only for whoever holds the store alone: all other owners are dead.

        Without it a restarted daemon would leave partitions unread until the old ownerships expire.
        """
        await self._base.execute_transaction(lambda c: c.execute("UPDATE ownerships SET owner_id = ''"))

    async def _rows(self, table: str, namespace: str, hub: str, group: str) -> Sequence[database.Row]:
        where = "WHERE namespace = :namespace AND hub = :hub AND consumers = :group ORDER BY partition"
        sql = f"SELECT * FROM {table} {where}"  # noqa: S608 - the table is one of two literals above
        return await self._base.rows(sql, {"namespace": namespace, "hub": hub, "group": group})


_UPDATE = """
    INSERT INTO checkpoints (namespace, hub, consumers, partition, position, sequence) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, hub, consumers, partition) DO UPDATE SET
        position = excluded.position, sequence = excluded.sequence
"""
_OWNED = "SELECT etag FROM ownerships WHERE namespace = ? AND hub = ? AND consumers = ? AND partition = ?"
_CLAIM = """
    INSERT INTO ownerships (namespace, hub, consumers, partition, owner_id, etag, last_modified)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, hub, consumers, partition) DO UPDATE SET
        owner_id = excluded.owner_id, etag = excluded.etag, last_modified = excluded.last_modified
"""


def _claim(connection: database.Connection, ownership: Mapping[str, Any], now: float) -> Facts | None:
    key, etag = _key(ownership), str(uuid.uuid4())
    owned = connection.execute(_OWNED, key).fetchone()
    if owned is not None and owned["etag"] != ownership.get("etag"):
        return None
    connection.execute(_CLAIM, (*key, ownership["owner_id"], etag, now))
    return {**ownership, "etag": etag, "last_modified_time": now}


def _key(facts: Mapping[str, Any]) -> tuple[str, str, str, str]:
    names = ("fully_qualified_namespace", "eventhub_name", "consumer_group", "partition_id")
    namespace, hub, group, partition = (str(facts[name]) for name in names)
    return namespace, hub, group, partition


def _names(row: database.Row) -> Facts:
    return {
        "fully_qualified_namespace": row["namespace"],
        "eventhub_name": row["hub"],
        "consumer_group": row["consumers"],
        "partition_id": row["partition"],
    }


def _ownership(row: database.Row) -> Facts:
    owner = {"owner_id": row["owner_id"], "etag": row["etag"], "last_modified_time": row["last_modified"]}
    return {**_names(row), **owner}
