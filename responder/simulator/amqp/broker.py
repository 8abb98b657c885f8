"""A local Event Hubs namespace: the broker that tests and the simulator start, publish to and look into.

Plain AMQP 1.0 on one TCP port, for unmodified Event Hubs clients. Logs are in memory and last as long as the broker.
All calls belong to the thread of the event loop that `start` was awaited in.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from responder.simulator.amqp import connections, faults, logs, messages, namespaces, readers, states


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event in a log, taken apart. `offset` as consumers see it: a string."""

    partition: int
    sequence: int
    offset: str
    enqueued_at: datetime
    body: bytes
    properties: dict[str, object]
    partition_key: str | None


class Port:
    """The listening port. Its number is chosen at the first opening and kept."""

    def __init__(self, host: str, number: int) -> None:
        self.host = host
        self.number = number
        self.protocol: Callable[[], asyncio.Protocol] | None = None
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Does nothing when it is open."""
        if self._server is None:
            assert self.protocol is not None
            self._server = await asyncio.get_running_loop().create_server(self.protocol, self.host, self.number)
            self.number = int(self._server.sockets[0].getsockname()[1])

    def shut(self) -> None:
        """Connections that are open stay. Does nothing when it is shut."""
        if self._server is not None:
            self._server.close()
            self._server = None


class Broker:
    """A namespace on a port.

    Args:
        hubs: name to number of partitions.
        groups: consumer groups of every hub, besides `$Default`.
        port: 0 for one that is free.
        clock: gives enqueued times; aware.
    """

    def __init__(
        self,
        hubs: Mapping[str, int],
        *,
        groups: Collection[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._port = Port(host, port)
        self._bell = states.Bell()
        seats = readers.Readers()
        self.faults = faults.Faults(self._port, seats)
        self._namespace = namespaces.Namespace(hubs, groups, clock)
        self._state = states.State(namespace=self._namespace, readers=seats, faults=self.faults, bell=self._bell)
        self._port.protocol = lambda: connections.Connection(self._state)
        for hub in hubs:
            for log in self._namespace.hub(hub).partitions:
                log.subscribe(self._bell.ring)

    @property
    def port(self) -> int:
        """0 until started, unless one was asked for. Stays the same while connections are refused."""
        return self._port.number

    async def start(self) -> None:
        await self._port.open()

    async def close(self) -> None:
        """Cut all connections and free the port. The logs stay readable; `start` would serve them again."""
        self._port.shut()
        self.faults.drop_connections()
        await self.until(lambda: not self.faults.connections)

    def connection_string(self, hub: str) -> str:
        """For any Event Hubs client; it makes the client speak plain AMQP to this port. Needs a started broker."""
        self._namespace.hub(hub)
        return (
            f"Endpoint=sb://{self._port.host}:{self.port};SharedAccessKeyName=simulator;"
            f"SharedAccessKey=c2ltdWxhdG9y;UseDevelopmentEmulator=true;EntityPath={hub}"
        )

    def publish(
        self,
        hub: str,
        body: bytes,
        *,
        partition: int | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        """Append an event as if a producer had sent it: (partition, sequence number). Without `partition`, in turn.

        Raises:
            errors.Refusal: no such hub or partition.
        """
        found = self._namespace.hub(hub)
        log = found.choose(None) if partition is None else found.partition(str(partition))
        entry = found.append(log, messages.compose(body, properties or {}))
        return int(log.name), entry.sequence

    def events(self, hub: str, partition: int | None = None) -> list[Event]:
        """Every event of a hub, or of one partition of it, partition by partition."""
        found = self._namespace.hub(hub)
        chosen = found.partitions if partition is None else [found.partition(str(partition))]
        return [_event(log, entry) for log in chosen for entry in log.entries]

    def receivers(self, hub: str, partition: int | None = None) -> int:
        """Receiver links attached to a hub, or to one partition of it, in all consumer groups."""
        return len(self._state.readers.of(hub, None if partition is None else str(partition)))

    def connections(self) -> int:
        """Open connections, silent ones too."""
        return len(self.faults.connections)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until `predicate` holds. It is looked at whenever an event, a receiver or a connection comes or goes;
        put a time-out around it."""
        await self._bell.until(predicate)


def _event(log: logs.PartitionLog, entry: logs.Entry) -> Event:
    message = messages.read(entry.encoded)
    return Event(
        partition=int(log.name),
        sequence=entry.sequence,
        offset=str(entry.offset),
        enqueued_at=datetime.fromtimestamp(entry.enqueued / 1000, UTC),
        body=message.body,
        properties=message.application_properties,
        partition_key=message.partition_key,
    )
