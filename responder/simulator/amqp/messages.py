"""AMQP messages as runs of encoded sections: read, stamped with their place in a log, taken out of batches, composed.

Sections are carried as the bytes they came in, so nothing a producer sent changes type on its way to a consumer.
Pure: bytes in, bytes out.
Source: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-messaging-v1.0-os.html, section 3.2
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from responder.simulator.amqp import decoding, encoding, errors

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, SEQUENCE, VALUE, FOOTER = range(0x70, 0x79)

_NAMES = {
    "amqp:header:list": HEADER,
    "amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": ANNOTATIONS,
    "amqp:properties:list": PROPERTIES,
    "amqp:application-properties:map": APPLICATION,
    "amqp:data:binary": DATA,
    "amqp:amqp-sequence:list": SEQUENCE,
    "amqp:amqp-value:*": VALUE,
    "amqp:footer:map": FOOTER,
}

PARTITION_KEY = "x-opt-partition-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the log adds to a message's annotations. `enqueued` is milliseconds since 1970 UTC."""

    sequence: int
    offset: str
    enqueued: int
    partition_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`sections` in wire order: (code, encoded value without its descriptor). Header and delivery annotations, which
    concern only one hop, are dropped on reading."""

    sections: tuple[tuple[int, bytes], ...]

    def section(self, code: int) -> bytes | None:
        return next((raw for found, raw in self.sections if found == code), None)

    def value(self, code: int) -> object:
        """The section decoded, or None when there is none."""
        raw = self.section(code)
        return None if raw is None else decoding.decode(raw)[0]

    @property
    def body(self) -> bytes:
        """The data sections joined; empty for a message whose body is a value or a sequence."""
        return b"".join(decoding.decode(raw)[0] for code, raw in self.sections if code == DATA)

    @property
    def application_properties(self) -> dict[str, object]:
        found = self.value(APPLICATION)
        return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}

    @property
    def partition_key(self) -> str | None:
        found = self.value(ANNOTATIONS)
        key = found.get(PARTITION_KEY) if isinstance(found, dict) else None
        return None if key is None else str(key)

    def stamped(self, stamp: Stamp) -> bytes:
        """The message encoded, with the log's annotations over the producer's of the same name."""
        raw = self.section(ANNOTATIONS)
        annotations = decoding.raw_map(raw) if raw else {}
        annotations["x-opt-sequence-number"] = encoding.long(stamp.sequence)
        annotations["x-opt-offset"] = encoding.string(stamp.offset)
        annotations["x-opt-enqueued-time"] = encoding.timestamp(stamp.enqueued)
        if stamp.partition_key is not None:
            annotations[PARTITION_KEY] = encoding.string(stamp.partition_key)
        head = _map_section(ANNOTATIONS, annotations)
        return head + b"".join(encoding.described(code, raw) for code, raw in self.sections if code != ANNOTATIONS)


def read(payload: bytes) -> Message:
    """One encoded message.

    Raises:
        errors.Refusal: not a sequence of message sections.
    """
    kept = [(code, raw) for code, raw in _sections(payload) if code not in (HEADER, DELIVERY_ANNOTATIONS)]
    return Message(sections=tuple(kept))


def unbatch(payload: bytes) -> tuple[list[Message], str | None]:
    """The messages inside a batched one, and the partition key written on the outside of it."""
    outer = read(payload)
    inner = [read(decoding.decode(raw)[0]) for code, raw in outer.sections if code == DATA]
    return inner, outer.partition_key


def compose(body: bytes, properties: Mapping[str, str]) -> Message:
    """One data section; application properties only when there are any."""
    sections = [(DATA, encoding.binary(body))]
    if properties:
        pairs = [(encoding.string(key), encoding.string(value)) for key, value in properties.items()]
        sections.insert(0, (APPLICATION, encoding.mapping(pairs)))
    return Message(sections=tuple(sections))


def reply(request: Message, properties: Mapping[str, bytes], value: bytes) -> bytes:
    """An answer to `request` for whoever sent it: correlation id copied octet by octet, `value` as the body."""
    identifier = _message_id(request)
    # Thirteen fields; the correlation id is the sixth.
    header = encoding.sequence([*[encoding.NULL] * 5, identifier, *[encoding.NULL] * 7])
    pairs = [(encoding.string(key), raw) for key, raw in properties.items()]
    return (
        encoding.described(PROPERTIES, header)
        + encoding.described(APPLICATION, encoding.mapping(pairs))
        + encoding.described(VALUE, value)
    )


def delivery_annotations(values: Mapping[str, bytes]) -> bytes:
    """A section to put before an encoded message. `values` are encoded."""
    return _map_section(DELIVERY_ANNOTATIONS, values)


def _map_section(code: int, values: Mapping[str, bytes]) -> bytes:
    return encoding.described(code, encoding.mapping((encoding.symbol(key), raw) for key, raw in values.items()))


def _message_id(message: Message) -> bytes:
    raw = message.section(PROPERTIES)
    if raw is None or not decoding.decode(raw)[0]:
        return encoding.NULL
    # The first field starts after the list's own header: three octets in the short form, nine in the long.
    start = 3 if raw[0] == 0xC0 else 9
    return raw[start : decoding.skip(raw, start)]


def _sections(payload: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(payload):
        if payload[at] != 0:
            raise errors.Refusal(errors.DECODE_ERROR, f"Octet {at} of a message: a section must be a described value.")
        descriptor, start = decoding.decode(payload, at + 1)
        code = _NAMES.get(descriptor, 0) if isinstance(descriptor, str) else descriptor
        if not isinstance(code, int) or not HEADER <= code <= FOOTER:
            raise errors.Refusal(errors.DECODE_ERROR, f"Octet {at} of a message: no section is called {descriptor!r}.")
        at = decoding.skip(payload, start)
        yield code, payload[start:at]
