"""The switches that make the broker misbehave, for tests and scenarios. Nothing here happens unless it is asked for.

Every switch acts at once and returns; those that concern the listening port are awaited.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from responder.simulator.amqp import errors, readers


class Connection(Protocol):
    """What a fault can do to one client's connection."""

    def cut(self) -> None:
        """Reset it: the client sees the connection lost at once."""

    def hush(self) -> None:
        """Neither read nor write nor close any more."""

    def resume(self) -> None:
        """Undo `hush`; what came in meanwhile is read, what was to go out goes out."""


class Port(Protocol):
    """The listening port."""

    def shut(self) -> None: ...
    def open(self) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFailure:
    """What every put-token is answered with. `status` is an HTTP-like code: 401 for a bad key."""

    status: int
    description: str


class Faults:
    """The switches of one broker. `frozen` and `tokens` are read by connections; set them through the methods."""

    def __init__(self, port: Port, seats: readers.Readers) -> None:
        self.connections: set[Connection] = set()
        self.frozen = False
        self.tokens: TokenFailure | None = None
        self._port = port
        self._seats = seats

    def drop_connections(self) -> int:
        """Reset every open connection; new ones are served. How many were open."""
        for connection in tuple(self.connections):
            connection.cut()
        return len(self.connections)

    def lose_connections(self) -> int:
        """Let every open connection go silent for good without closing it, as a forgotten NAT entry does; new ones are
        served. How many were open."""
        for connection in self.connections:
            connection.hush()
        return len(self.connections)

    def freeze(self) -> None:
        """Go silent on every connection, present and future. New ones are accepted and then hear nothing."""
        self.frozen = True
        self.lose_connections()

    def thaw(self) -> None:
        """End `freeze`, and bring back what `lose_connections` lost if its client is still there."""
        self.frozen = False
        for connection in tuple(self.connections):
            connection.resume()

    def refuse_connections(self) -> None:
        """Close the port: connecting is refused. Open connections stay; drop them too to be gone altogether."""
        self._port.shut()

    async def accept_connections(self) -> None:
        """Listen again, on the same port."""
        await self._port.open()

    def detach_receivers(
        self,
        condition: str = errors.DETACH_FORCED,
        description: str = "Detached by the simulator.",
        *,
        hub: str | None = None,
        partition: str | None = None,
    ) -> int:
        """Detach receivers with an AMQP condition: all, those of `hub`, or those of one partition of it.

        A condition such as `errors.SERVER_BUSY`. How many were detached.
        """
        found = self._seats.all() if hub is None else self._seats.of(hub, partition)
        for reader in found:
            reader.evict(errors.Refusal(condition, description))
        return len(found)

    def fail_tokens(
        self, status: int = 401, description: str = "InvalidSignature: The token has an invalid signature."
    ) -> None:
        """Answer every put-token with this status until `accept_tokens`. Links attached before stay."""
        self.tokens = TokenFailure(status=status, description=description)

    def accept_tokens(self) -> None:
        """End `fail_tokens`."""
        self.tokens = None
