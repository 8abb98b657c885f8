"""Bytes to Python values, and finding where a value ends without decoding it.

Symbols and strings both become `str`, timestamps become `int` milliseconds: whoever must keep a type keeps the bytes.
Raises `errors.Refusal` (decode error) on anything malformed; never reads past the buffer.
Source: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html
"""

import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from responder.simulator.amqp import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A value with its descriptor: a number or a symbolic name."""

    descriptor: object
    value: object


# Octets that follow the constructor, by its high nibble; 0xA and above carry their own size.
_FIXED_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_SIZED_BY_ONE = frozenset({0xA, 0xC, 0xE})
_SIZED_BY_FOUR = frozenset({0xB, 0xD, 0xF})

_CONSTANTS: dict[int, object] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0}

_NUMBERS = {
    0x50: ">B", 0x51: ">b", 0x52: ">B", 0x53: ">B", 0x54: ">b", 0x55: ">b", 0x56: ">?", 0x60: ">H", 0x61: ">h",
    0x70: ">I", 0x71: ">i", 0x72: ">f", 0x80: ">Q", 0x81: ">q", 0x82: ">d", 0x83: ">q",
}  # fmt: skip

_SIZED: dict[int, Callable[[bytes], object]] = {
    0xA0: bytes, 0xB0: bytes, 0xA1: lambda raw: raw.decode(), 0xB1: lambda raw: raw.decode(),
    0xA3: lambda raw: raw.decode("ascii"), 0xB3: lambda raw: raw.decode("ascii"),
}  # fmt: skip


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value that starts at `at`, and where the next one starts."""
    try:
        return _decode(data, at)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise errors.Refusal(errors.DECODE_ERROR, f"Octet {at}: not a complete AMQP value ({error}).") from error


def skip(data: bytes, at: int) -> int:
    """Where the value that starts at `at` ends."""
    try:
        return _within(data, _skip(data, at))
    except (IndexError, struct.error) as error:
        raise errors.Refusal(errors.DECODE_ERROR, f"Octet {at}: not a complete AMQP value ({error}).") from error


def raw_map(data: bytes) -> dict[str, bytes]:
    """A map whose keys are names, its values left encoded so that no type is lost. Later keys win."""
    _, start, count = _compound_header(data, 0)
    values, at = {}, start
    for _ in range(count // 2):
        key, at = decode(data, at)
        end = skip(data, at)
        values[str(key)] = data[at:end]
        at = end
    return values


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    code = data[at]
    if code in _CONSTANTS:
        return _CONSTANTS[code], at + 1
    if code in _NUMBERS:
        form = _NUMBERS[code]
        return struct.unpack_from(form, data, at + 1)[0], at + 1 + struct.calcsize(form)
    if code == 0x00:
        descriptor, after = _decode(data, at + 1)
        value, end = _decode(data, after)
        return Described(descriptor=descriptor, value=value), end
    end = _within(data, _skip(data, at))
    if code in _SIZED:
        return _SIZED[code](data[at + (2 if code < 0xB0 else 5) : end]), end
    if code == 0x98:
        return uuid.UUID(bytes=data[at + 1 : end]), end
    return _decode_compound(data, at, end)


def _decode_compound(data: bytes, at: int, end: int) -> tuple[Any, int]:
    code = data[at]
    if code == 0x45:
        return [], end
    if code >> 4 not in (0xC, 0xD, 0xE, 0xF):
        return data[at:end], end  # decimals and chars: nobody here reads them
    kind, start, count = _compound_header(data, at)
    if kind == "array":
        return list(_elements(data, start, count)), end
    items = []
    for _ in range(count):
        item, start = _decode(data, start)
        items.append(item)
    if kind == "list":
        return items, end
    return {_hashable(key): value for key, value in zip(items[::2], items[1::2], strict=True)}, end


def _elements(data: bytes, at: int, count: int) -> Iterator[object]:
    """An array writes its constructor once, before the elements."""
    constructor = data[at : at + 1]
    at += 1
    for _ in range(count):
        # Decoding wants the constructor in front of each element; the slice ends where the longest element could.
        end = _skip(constructor + data[at : at + 5] + bytes(8), 0) - 1 + at
        yield _decode(constructor + data[at:end], 0)[0]
        at = end


def _compound_header(data: bytes, at: int) -> tuple[str, int, int]:
    """Kind, where the first item starts, and how many items there are (keys and values both count)."""
    code = data[at]
    if code == 0x45:
        return "list", at + 1, 0
    kind = {0xC0: "list", 0xD0: "list", 0xC1: "map", 0xD1: "map", 0xE0: "array", 0xF0: "array"}.get(code)
    if kind is None:
        raise errors.Refusal(errors.DECODE_ERROR, f"Octet {at}: constructor 0x{code:02x} is no list, map or array.")
    if code in (0xC0, 0xC1, 0xE0):
        return kind, at + 3, data[at + 2]
    return kind, at + 9, struct.unpack_from(">I", data, at + 5)[0]


def _skip(data: bytes, at: int) -> int:
    code = data[at]
    if code == 0x00:
        return _skip(data, _skip(data, at + 1))
    family = code >> 4
    if family in _FIXED_WIDTHS:
        end = at + 1 + _FIXED_WIDTHS[family]
    elif family in _SIZED_BY_ONE:
        end = at + 2 + data[at + 1]
    elif family in _SIZED_BY_FOUR:
        end = at + 5 + int(struct.unpack_from(">I", data, at + 1)[0])
    else:
        raise errors.Refusal(errors.DECODE_ERROR, f"Octet {at}: 0x{code:02x} is no AMQP constructor.")
    return end


def _within(data: bytes, end: int) -> int:
    if end > len(data):
        raise IndexError(f"{end - len(data)} octets are missing")
    return end


def _hashable(key: object) -> object:
    return key if isinstance(key, str | int | bytes | uuid.UUID) else repr(key)
