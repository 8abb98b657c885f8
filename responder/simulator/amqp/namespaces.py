"""The hubs of one namespace: their partitions, their consumer groups, and which partition an event goes to.

Knows no connection. Names are compared without regard to case, as Azure does.
"""

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from responder.simulator.amqp import errors, logs, messages

DEFAULT_GROUP = "$Default"


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a link's address names. `hub` is as the client wrote it; `group` and `partition` where the path has them."""

    hub: str
    group: str | None = None
    partition: str | None = None


def address(text: str) -> Address:
    """`[amqps://host/]hub[/ConsumerGroups/group][/Partitions/id]`."""
    path = urlsplit(text).path if "://" in text else text
    hub, *rest = path.strip("/").split("/")
    named = {key.lower(): value for key, value in zip(rest[::2], rest[1::2], strict=False)}
    return Address(hub=hub, group=named.get("consumergroups"), partition=named.get("partitions"))


@dataclass(slots=True, kw_only=True)
class Hub:
    """One event hub. Events without a partition or a key go round the partitions in turn."""

    name: str
    created_at: datetime
    partitions: list[logs.PartitionLog]
    groups: frozenset[str]
    clock: Callable[[], datetime]
    _turn: int = field(default=0)

    def partition(self, name: str) -> logs.PartitionLog:
        """
        Raises:
            errors.Refusal: there is no such partition.
        """
        for log in self.partitions:
            if log.name == name:
                return log
        raise errors.Refusal(
            errors.ARGUMENT_OUT_OF_RANGE,
            f"The specified partition '{name}' is invalid for an EventHub partition sender or receiver. "
            f"It should be between 0 and {len(self.partitions) - 1}.",
        )

    def choose(self, partition_key: str | None) -> logs.PartitionLog:
        """The same key always gives the same partition (CRC-32; Azure's own hash is another)."""
        if partition_key is not None:
            return self.partitions[zlib.crc32(partition_key.encode()) % len(self.partitions)]
        self._turn += 1
        return self.partitions[(self._turn - 1) % len(self.partitions)]

    def append(self, log: logs.PartitionLog, message: messages.Message, key: str | None = None) -> logs.Entry:
        return log.append(message, enqueued=milliseconds(self.clock()), partition_key=key)


class Namespace:
    """All hubs."""

    def __init__(self, hubs: Mapping[str, int], groups: Collection[str], clock: Callable[[], datetime]) -> None:
        known = frozenset(group.lower() for group in (DEFAULT_GROUP, *groups))
        self._hubs = {
            name.lower(): Hub(
                name=name,
                created_at=clock(),
                partitions=[logs.PartitionLog(str(number)) for number in range(partitions)],
                groups=known,
                clock=clock,
            )
            for name, partitions in hubs.items()
        }

    def hub(self, name: str) -> Hub:
        """
        Raises:
            errors.Refusal: there is no such hub.
        """
        found = self._hubs.get(name.lower())
        if found is None:
            raise errors.unknown_entity(name)
        return found

    def partition(self, where: Address) -> logs.PartitionLog:
        """The log that a receiver's address names.

        Raises:
            errors.Refusal: no such hub, consumer group or partition.
        """
        hub = self.hub(where.hub)
        if (where.group or "").lower() not in hub.groups:
            raise errors.unknown_entity(f"{hub.name}/consumergroups/{where.group}")
        return hub.partition(where.partition or "")
