"""Octets to frames and back: frame headers, protocol headers, the empty frame. Knows no performative.

Source: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html, section 2.3
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from responder.simulator.amqp import errors

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"

AMQP_FRAME = 0
SASL_FRAME = 1

_HEADER = struct.Struct(">IBBH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame as received. An empty `body` is a heartbeat."""

    kind: int
    channel: int
    body: bytes


def frame(channel: int, body: bytes, *, kind: int = AMQP_FRAME) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), 2, kind, channel) + body


HEARTBEAT = frame(0, b"")


class Reader:
    """Cuts a stream of octets into protocol headers (bytes) and frames. Holds at most one incomplete frame."""

    def __init__(self, max_frame: int) -> None:
        self._max_frame = max_frame
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | Frame]:
        """Everything that is complete now.

        Raises:
            errors.Refusal: a frame longer than was agreed at open, or no frame at all.
        """
        self._pending += data
        at = 0
        try:
            while len(self._pending) - at >= _HEADER.size:
                piece, end = self._cut(at)
                if piece is None:
                    break
                at = end
                yield piece
        finally:
            del self._pending[:at]

    def _cut(self, at: int) -> tuple[bytes | Frame | None, int]:
        head = bytes(self._pending[at : at + _HEADER.size])
        if head.startswith(b"AMQP"):
            return head, at + _HEADER.size
        size, offset, kind, channel = _HEADER.unpack(head)
        if not _HEADER.size <= size <= self._max_frame or offset < 2:
            raise errors.Refusal(errors.FRAMING_ERROR, f"A frame of {size} octets; agreed were 8 to {self._max_frame}.")
        end = at + size
        if len(self._pending) < end:
            return None, at
        return Frame(kind=kind, channel=channel, body=bytes(self._pending[at + 4 * offset : end])), end
