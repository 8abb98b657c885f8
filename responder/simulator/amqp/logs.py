"""The log of one partition: events in the order they came, and cursors that read along. In memory; never trimmed.

Knows no link: a reader subscribes a callable that is called after every append, on the event loop's thread.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from responder.simulator.amqp import encoding, messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event as it is delivered. `offset` is where it starts, in octets of all events before it; `enqueued` is
    milliseconds since 1970 UTC; `encoded` is the whole AMQP message, stamped."""

    sequence: int
    offset: int
    enqueued: int
    encoded: bytes


@dataclass(slots=True)
class PartitionLog:
    """Sequence numbers count from 0 without a gap, so an entry's index is its sequence number."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    _size: int = 0
    _subscribers: list[Callable[[], None]] = field(default_factory=list)

    def append(self, message: messages.Message, *, enqueued: int, partition_key: str | None = None) -> Entry:
        sequence, offset = len(self.entries), self._size
        stamp = messages.Stamp(sequence=sequence, offset=str(offset), enqueued=enqueued, partition_key=partition_key)
        entry = Entry(sequence=sequence, offset=offset, enqueued=enqueued, encoded=message.stamped(stamp))
        self.entries.append(entry)
        self._size += len(entry.encoded)
        for wake in tuple(self._subscribers):
            wake()
        return entry

    @property
    def last(self) -> Entry | None:
        return self.entries[-1] if self.entries else None

    def subscribe(self, wake: Callable[[], None]) -> None:
        self._subscribers.append(wake)

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        self._subscribers.remove(wake)


@dataclass(slots=True, kw_only=True)
class Cursor:
    """Reads a log from index `at` on. With `metrics`, every event says how far the log had come when it was sent
    (the receiver runtime metric a consumer asks for with `track_last_enqueued_event_properties`)."""

    log: PartitionLog
    at: int
    metrics: bool = False

    def take(self) -> bytes | None:
        """The next event, encoded, or None at the end of the log."""
        if self.at >= len(self.log.entries):
            return None
        entry = self.log.entries[self.at]
        self.at += 1
        return self._metrics() + entry.encoded if self.metrics else entry.encoded

    def _metrics(self) -> bytes:
        last = self.log.entries[-1]
        return messages.delivery_annotations(
            {
                "last_enqueued_sequence_number": encoding.long(last.sequence),
                "last_enqueued_offset": encoding.string(str(last.offset)),
                "last_enqueued_time_utc": encoding.timestamp(last.enqueued),
                "runtime_info_retrieval_time_utc": encoding.timestamp(last.enqueued),
            }
        )
