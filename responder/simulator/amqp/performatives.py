"""The nine performatives of AMQP's transport chapter and the SASL frames: bodies to send, values to read.

Every list goes out at its FULL length: pyamqp 5.15 indexes fields without looking how many there are, and reads the
payload of a transfer as the field after the eleventh. Knows no connection and keeps no state.
Source: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from responder.simulator.amqp import decoding, encoding, errors

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
SASL_MECHANISMS, SASL_INIT, SASL_CHALLENGE, SASL_RESPONSE, SASL_OUTCOME = range(0x40, 0x45)

BATCHED_FORMAT = 0x80013700
"""Event Hubs' own message format: each data section of the message is a whole encoded message."""

_ERROR, _ACCEPTED, _REJECTED, _SOURCE, _TARGET = 0x1D, 0x24, 0x25, 0x28, 0x29

# Header, then the whole transfer list: handle, delivery-id, delivery-tag, message-format 0, settled, more, five nulls.
_TRANSFER = struct.Struct(">IBBH 3sBBB BI BI BBI B B B 5s")
TRANSFER_OVERHEAD = _TRANSFER.size
_NULLS = encoding.NULL * 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """A link the client asks for. `receiver`: the client receives. Addresses are None where the terminus is missing."""

    name: str
    handle: int
    receiver: bool
    source: str | None
    target: str | None
    selector: str | None
    properties: dict[str, object]
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Session windows always; `handle` and what follows only when it is about a link."""

    next_incoming_id: int | None
    incoming_window: int
    handle: int | None
    delivery_count: int | None
    credit: int | None
    drain: bool
    echo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One frame of a delivery. Number and format are only on the first frame of it."""

    handle: int
    delivery_id: int | None
    message_format: int | None
    settled: bool
    more: bool
    aborted: bool
    payload: bytes


def read(body: bytes) -> tuple[int, list[object], bytes]:
    """A frame's body: the performative's code, its fields padded to 14 with None, and the payload after the list."""
    described, end = decoding.decode(body)
    if not isinstance(described, decoding.Described) or not isinstance(described.value, list):
        raise errors.Refusal(errors.DECODE_ERROR, "A frame's body must start with a performative.")
    if not isinstance(described.descriptor, int):
        raise errors.Refusal(errors.DECODE_ERROR, f"Performative {described.descriptor!r} is not known by number.")
    fields = described.value
    return described.descriptor, fields + [None] * (14 - len(fields)), body[end:]


def read_attach(fields: Sequence[object]) -> Attach:
    source, target = _terminus(fields[5]), _terminus(fields[6])
    properties = fields[13] if isinstance(fields[13], dict) else {}
    wanted = fields[12] if isinstance(fields[12], list) else [fields[12]] if fields[12] else []
    return Attach(
        name=str(fields[0]),
        handle=number(fields[1]),
        receiver=bool(fields[2]),
        source=_address(source),
        target=_address(target),
        selector=_selector(source),
        properties={str(key): value for key, value in properties.items()},
        capabilities=tuple(str(item) for item in wanted),
    )


def read_flow(fields: Sequence[object]) -> Flow:
    return Flow(
        next_incoming_id=optional(fields[0]),
        incoming_window=number(fields[1]),
        handle=optional(fields[4]),
        delivery_count=optional(fields[5]),
        credit=optional(fields[6]),
        drain=bool(fields[8]),
        echo=bool(fields[9]),
    )


def read_transfer(fields: Sequence[object], payload: bytes) -> Transfer:
    return Transfer(
        handle=number(fields[0]),
        delivery_id=optional(fields[1]),
        message_format=optional(fields[3]),
        settled=bool(fields[4]),
        more=bool(fields[5]),
        aborted=bool(fields[9]),
        payload=payload,
    )


def open_(*, container: str, max_frame: int, channel_max: int, idle_ms: int) -> bytes:
    return _perform(
        OPEN,
        encoding.string(container),
        encoding.NULL,
        encoding.uint(max_frame),
        encoding.ushort(channel_max),
        encoding.uint(idle_ms),
        *[encoding.NULL] * 5,
    )


def begin(*, remote_channel: int, incoming_window: int, outgoing_window: int, handle_max: int) -> bytes:
    return _perform(
        BEGIN,
        encoding.ushort(remote_channel),
        encoding.uint(0),
        encoding.uint(incoming_window),
        encoding.uint(outgoing_window),
        encoding.uint(handle_max),
        *[encoding.NULL] * 3,
    )


def attach(asked: Attach, *, max_message: int, refused: bool = False) -> bytes:
    """The answer to `asked`, under the same handle. A refused link has neither source nor target; a detach follows."""
    source = target = encoding.NULL
    if not refused:
        source = encoding.described(_SOURCE, encoding.sequence([encoding.string(asked.source), *[encoding.NULL] * 10]))
        target = encoding.described(_TARGET, encoding.sequence([encoding.string(asked.target), *[encoding.NULL] * 6]))
    # We send pre-settled when the client receives; when it sends, we let it choose (mixed).
    settle_mode = encoding.ubyte(1 if asked.receiver else 2)
    return _perform(
        ATTACH,
        encoding.string(asked.name),
        encoding.uint(asked.handle),
        encoding.boolean(not asked.receiver),
        settle_mode,
        encoding.ubyte(0),
        source,
        target,
        encoding.NULL,
        encoding.NULL,
        encoding.uint(0) if asked.receiver else encoding.NULL,
        encoding.ulong(max_message),
        *[encoding.NULL] * 3,
    )


def flow(*, incoming: tuple[int, int], outgoing: tuple[int, int], link: tuple[int, int, int] | None = None) -> bytes:
    """`incoming` and `outgoing`: (next id, window) of the session. `link`: (handle, delivery count, credit)."""
    handle, count, credit = link or (None, None, None)
    return _perform(
        FLOW,
        *[encoding.uint(value) for value in (*incoming, *outgoing, handle, count, credit)],
        *[encoding.NULL] * 4,
    )


def transfer_frame(channel: int, handle: int, delivery_id: int, more: bool, payload: bytes) -> bytes:
    """A whole frame, header included: this is the broker's hot path. The delivery is settled as it is sent."""
    size = _TRANSFER.size + len(payload)
    more_octet = 0x41 if more else 0x42
    return (
        _TRANSFER.pack(
            *(size, 2, 0, channel),
            *(b"\x00\x53\x14", 0xC0, 25, 11),
            *(0x70, handle, 0x70, delivery_id, 0xA0, 4, delivery_id),
            *(0x43, 0x41, more_octet, _NULLS),
        )
        + payload
    )


def accepted(delivery_id: int) -> bytes:
    return _disposition(delivery_id, encoding.described(_ACCEPTED, encoding.sequence([])))


def rejected(delivery_id: int, refusal: errors.Refusal) -> bytes:
    return _disposition(delivery_id, encoding.described(_REJECTED, encoding.sequence([_error(refusal)])))


def detach(handle: int, *, closed: bool, refusal: errors.Refusal | None = None) -> bytes:
    return _perform(DETACH, encoding.uint(handle), encoding.boolean(closed), _error(refusal))


def end() -> bytes:
    return _perform(END, encoding.NULL)


def close(refusal: errors.Refusal | None = None) -> bytes:
    return _perform(CLOSE, _error(refusal))


def sasl_mechanisms(names: Sequence[str]) -> bytes:
    return _perform(SASL_MECHANISMS, encoding.symbols(names))


def sasl_outcome(code: int) -> bytes:
    """0 is success, 1 a failed authentication."""
    return _perform(SASL_OUTCOME, encoding.ubyte(code), encoding.NULL)


def number(field: object) -> int:
    """A mandatory number."""
    if isinstance(field, int):
        return field
    raise errors.Refusal(errors.DECODE_ERROR, f"A performative has {field!r} where a number is mandatory.")


def optional(field: object) -> int | None:
    return None if field is None else number(field)


def _perform(code: int, *fields: bytes) -> bytes:
    return encoding.described(code, encoding.sequence(fields))


def _disposition(delivery_id: int, state: bytes) -> bytes:
    identifier = encoding.uint(delivery_id)
    # Role true: it is the receiver of the delivery, we, that speaks.
    return _perform(DISPOSITION, encoding.TRUE, identifier, identifier, encoding.TRUE, state, encoding.NULL)


def _error(refusal: errors.Refusal | None) -> bytes:
    if refusal is None:
        return encoding.NULL
    fields = [encoding.symbol(refusal.condition), encoding.string(refusal.description), encoding.NULL]
    return encoding.described(_ERROR, encoding.sequence(fields))


def _terminus(field: object) -> list[object] | None:
    if isinstance(field, decoding.Described) and isinstance(field.value, list):
        return field.value
    return None


def _address(terminus: list[object] | None) -> str | None:
    if terminus is None:
        return None
    return str(terminus[0]) if terminus and terminus[0] is not None else ""


def _selector(source: list[object] | None) -> str | None:
    filters = source[7] if source and len(source) > 7 else None
    if not isinstance(filters, dict):
        return None
    chosen = filters.get("apache.org:selector-filter:string")
    value = chosen.value if isinstance(chosen, decoding.Described) else chosen
    return None if value is None else str(value)
