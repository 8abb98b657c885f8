"""Who may read a partition in a consumer group: the epoch rules of Event Hubs.

Source: https://learn.microsoft.com/azure/event-hubs/event-hubs-event-processor-host (epoch), and the texts that clients
report in https://github.com/Azure/azure-event-hubs-go/issues/181 and
https://github.com/Azure/azure-sdk-for-java/issues/26583, /12483.
"""

from dataclasses import dataclass
from typing import Protocol

from responder.simulator.amqp import errors

MAX_READERS = 5
"""Readers without an epoch that one partition serves in one consumer group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Hub and group in lower case."""

    hub: str
    group: str
    partition: str


class Reader(Protocol):
    """A receiver link. `epoch` is None when it asked for none."""

    epoch: int | None

    def evict(self, refusal: errors.Refusal) -> None:
        """Detach, saying why. Must not call back into `Readers`."""


class Readers:
    """Every reader of every partition."""

    def __init__(self) -> None:
        self._seated: dict[Seat, list[Reader]] = {}

    def of(self, hub: str, partition: str | None = None) -> list[Reader]:
        return [
            reader
            for seat, readers in self._seated.items()
            if seat.hub == hub.lower() and partition in (None, seat.partition)
            for reader in readers
        ]

    def all(self) -> list[Reader]:
        return [reader for readers in self._seated.values() for reader in readers]

    def admit(self, seat: Seat, newcomer: Reader) -> None:
        """An epoch evicts whoever is there with a lower one, the same, or none.

        Raises:
            errors.Refusal: somebody there has a higher epoch, or any epoch where the newcomer has none; or five read
                without one already.
        """
        seated = self._seated.get(seat, [])
        highest = max((reader.epoch for reader in seated if reader.epoch is not None), default=None)
        _check(newcomer.epoch, highest, len(seated))
        if newcomer.epoch is None:
            self._seated[seat] = [*seated, newcomer]
            return
        self._seated[seat] = [newcomer]
        for reader in seated:
            reader.evict(_stolen(reader.epoch, newcomer.epoch))

    def leave(self, seat: Seat, reader: Reader) -> None:
        """Does nothing for a reader that was evicted before."""
        staying = [other for other in self._seated.get(seat, []) if other is not reader]
        if staying:
            self._seated[seat] = staying
        else:
            self._seated.pop(seat, None)


def _check(epoch: int | None, highest: int | None, readers: int) -> None:
    if highest is not None and epoch is None:
        raise errors.Refusal(
            errors.LINK_STOLEN,
            f"At least one receiver for the endpoint is created with epoch of '{highest}', and so non-epoch receiver "
            "is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or "
            "disconnected.",
        )
    if highest is not None and epoch is not None and epoch < highest:
        raise errors.Refusal(
            errors.LINK_STOLEN,
            f"Receiver 'nil' with a higher epoch '{highest}' already exists. Receiver 'nil' with epoch {epoch} cannot "
            "be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or "
            "ensure all old epoch receivers are closed or disconnected.",
        )
    if epoch is None and readers >= MAX_READERS:
        raise errors.Refusal(
            errors.LIMIT_EXCEEDED,
            "Exceeded the maximum number of allowed receivers per partition in a consumer group which is "
            f"{MAX_READERS}.",
        )


def _stolen(old: int | None, new: int) -> errors.Refusal:
    return errors.Refusal(
        errors.LINK_STOLEN,
        f"New receiver 'nil' with higher epoch of '{new}' is created hence current receiver 'nil' with epoch "
        f"'{'nil' if old is None else old}' is getting disconnected. If you are recreating the receiver, make sure a "
        "higher epoch is used.",
    )
