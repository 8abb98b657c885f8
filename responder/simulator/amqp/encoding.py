"""AMQP 1.0 types to bytes. Every function returns one complete encoded value; compound ones take encoded parts.

The caller picks the type by picking the function, so an int is never guessed to be a long.
Source: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html
"""

import struct
import uuid as uuids
from collections.abc import Iterable, Sequence

NULL = b"\x40"
TRUE = b"\x41"
FALSE = b"\x42"

_SYM8 = 0xA3
_STR8 = 0xA1


def boolean(value: bool | None) -> bytes:
    if value is None:
        return NULL
    return TRUE if value else FALSE


def ubyte(value: int) -> bytes:
    return struct.pack(">BB", 0x50, value)


def ushort(value: int) -> bytes:
    return struct.pack(">BH", 0x60, value)


def uint(value: int | None) -> bytes:
    if value is None:
        return NULL
    return struct.pack(">BI", 0x70, value) if value > 0xFF else struct.pack(">BB", 0x52, value)


def ulong(value: int | None) -> bytes:
    if value is None:
        return NULL
    return struct.pack(">BQ", 0x80, value) if value > 0xFF else struct.pack(">BB", 0x53, value)


def integer(value: int) -> bytes:
    """Type `int`, 32 bits, signed."""
    return struct.pack(">Bi", 0x71, value)


def long(value: int) -> bytes:
    return struct.pack(">Bq", 0x81, value)


def timestamp(milliseconds: int) -> bytes:
    """Milliseconds since 1970-01-01 UTC."""
    return struct.pack(">Bq", 0x83, milliseconds)


def uuid(value: uuids.UUID) -> bytes:
    return b"\x98" + value.bytes


def binary(value: bytes) -> bytes:
    return _variable(0xA0, value)


def string(value: str | None) -> bytes:
    return NULL if value is None else _variable(_STR8, value.encode())


def symbol(value: str | None) -> bytes:
    return NULL if value is None else _variable(_SYM8, value.encode("ascii", "replace"))


def symbols(values: Sequence[str]) -> bytes:
    """An array of symbols."""
    return _array(_SYM8, [value.encode("ascii") for value in values])


def strings(values: Sequence[str]) -> bytes:
    """An array of strings."""
    return _array(_STR8, [value.encode() for value in values])


def sequence(items: Sequence[bytes]) -> bytes:
    """A list. `items` are encoded values."""
    return _compound(0xC0, b"".join(items), len(items))


def mapping(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A map. Keys and values are encoded values."""
    parts = [part for pair in pairs for part in pair]
    return _compound(0xC1, b"".join(parts), len(parts))


def described(code: int, value: bytes) -> bytes:
    """`value` under a numeric descriptor below 256: every descriptor of the transport and messaging chapters is."""
    return struct.pack(">BBB", 0x00, 0x53, code) + value


def _variable(constructor: int, value: bytes) -> bytes:
    if len(value) <= 0xFF:
        return struct.pack(">BB", constructor, len(value)) + value
    return struct.pack(">BI", constructor | 0x10, len(value)) + value


def _compound(constructor: int, body: bytes, count: int) -> bytes:
    # The size counts the count field: one octet in the short form, four in the long.
    if len(body) < 0xFF and count <= 0xFF:
        return struct.pack(">BBB", constructor, len(body) + 1, count) + body
    return struct.pack(">BII", constructor | 0x10, len(body) + 4, count) + body


def _array(element: int, values: Sequence[bytes]) -> bytes:
    body = b"".join(struct.pack(">I", len(value)) + value for value in values)
    return struct.pack(">BIIB", 0xF0, len(body) + 5, len(values), element | 0x10) + body
