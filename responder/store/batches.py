"""Messages that arrived together, packed into rows: a burst costs an insert, not one for every message.

Packs and unpacks; knows no table and no connection. What is packed is not yet known to be new: the same message may lie
in two batches, and turns out to be one when they are taken apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from responder.store import codec

_MOST_MESSAGES = 2_000
_MOST_BYTES = 4 << 20
"""Of one row, unless a single message is longer. Taking a row apart holds it in memory twice."""
_DIGEST = 8
"""Bytes of the digest that completes a key."""


class Arrival(NamedTuple):
    """One delivery, unread. A tuple, because a hub brings thousands a second."""

    source: str
    key: str
    """The same delivery has the same key within its source; the caller makes it."""
    body: bytes
    received_at: datetime
    numbered: bool = False
    """The key is a number that its source may give again one day, to something else (a hub that is made anew counts
    from 0). So its content belongs to the key, too, and is added when the batch is taken apart."""


class Batch(NamedTuple):
    """One row."""

    messages: int
    contents: str
    body: bytes


class Row(NamedTuple):
    """One message, as it goes into the table of arrivals."""

    source: str
    key: str
    body: bytes
    received_at: str


def pack(arrivals: Sequence[Arrival]) -> Iterator[Batch]:
    """All of them, in their order, in as few rows as it takes."""
    first, held = 0, 0
    for position, arrival in enumerate(arrivals):
        size = len(arrival.body)
        if position > first and (held + size > _MOST_BYTES or position - first >= _MOST_MESSAGES):
            yield _packed(arrivals[first:position])
            first, held = position, 0
        held += size
    if first < len(arrivals):
        yield _packed(arrivals[first:])


def _packed(arrivals: Sequence[Arrival]) -> Batch:
    stamps = {at: codec.stamp(at) for at in {arrival.received_at for arrival in arrivals}}
    contents = [(source, key, stamps[at], len(body), numbered) for source, key, body, at, numbered in arrivals]
    return Batch(len(arrivals), json.dumps(contents), b"".join([arrival.body for arrival in arrivals]))


def unpack(contents: str, body: bytes) -> Iterator[Row]:
    """The messages of one row, in their order."""
    start = 0
    for source, key, at, size, numbered in json.loads(contents):
        message = body[start : start + size]
        start += size
        if numbered:
            key = f"{key}/{hashlib.blake2b(message, digest_size=_DIGEST).hexdigest()}"
        yield Row(codec.clean(source), codec.clean(key), message, at)
