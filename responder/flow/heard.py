"""What was heard, for people and programs: events and the quarantine, each with its arrival. Changes nothing.

Events are called `e17`, pieces of the quarantine `q3`. The shapes are a promise: fields are added, not renamed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from responder.core import errors, payloads
from responder.flow import views
from responder.store import intake as rows
from responder.store import sqlite

_ID = re.compile(r"(?P<kind>[eq]?)(?P<number>\d{1,18})", re.IGNORECASE)


async def events(store: sqlite.Store, limit: int) -> views.Json:
    """The newest events, in our words."""
    return {"events": [_event(each) for each in await store.intake.recorded(limit)]}


async def quarantine(store: sqlite.Store, limit: int) -> views.Json:
    """The newest pieces that could not be read; `intake` counts them all."""
    found = await store.intake.quarantine(limit)
    return {"quarantine": [_piece(each) for each in found], "intake": await store.intake.counts()}


async def one(store: sqlite.Store, id_: str) -> tuple[views.Json, bytes]:
    """An event or a piece, and its whole arrival as it came.

    Raises:
        InputError: there is none of that id.
    """
    kind, number = _split(id_)
    found = None
    if kind == "q":
        piece = await store.intake.piece(number)
        found = _piece(piece) if piece else None
    else:
        recorded = await store.intake.event(number)
        found = _event(recorded) if recorded else None
    if found is None:
        raise _unknown(id_)
    body = await store.intake.body(found["arrival"]) or b""
    return {**found, "bytes": len(body), "body": text(body)}, body


async def pieces(store: sqlite.Store, ids: Sequence[str]) -> Collection[int]:
    """The numbers of pieces of the quarantine.

    Raises:
        InputError: one of them is not there.
    """
    numbers = []
    for id_ in ids:
        kind, number = _split(id_)
        if kind == "e" or await store.intake.piece(number) is None:
            raise _unknown(id_)
        numbers.append(number)
    return numbers


def text(body: bytes) -> str:
    """Bytes as text; what is no UTF-8 shows as `\\xff`."""
    return body.decode("utf-8", "backslashreplace")


def _split(id_: str) -> tuple[str, int]:
    match = _ID.fullmatch(id_.strip())
    if match is None:
        raise _unknown(id_)
    return match["kind"].lower(), int(match["number"])


def _unknown(id_: str) -> errors.InputError:
    return errors.InputError(
        "events.unknown",
        f"Nothing of that kind is called {id_!r}.",
        remedy="See `responder events list` (e1, e2, ...) and `responder events quarantine` (q1, q2, ...).",
    )


def _event(recorded: rows.Recorded) -> views.Json:
    return {
        "id": f"e{recorded.id}",
        "arrival": recorded.arrival_id,
        "source": recorded.source,
        "received_at": views.time(recorded.received_at),
        **payloads.to_json(recorded.event),
    }


def _piece(row: dict[str, Any]) -> views.Json:
    return {
        "id": f"q{row['id']}",
        "arrival": row["arrival_id"],
        "source": row["source"],
        "received_at": views.time(row["received_at"]),
        "reason": row["reason"],
        "position": row["position"],
        "raw": text(row["raw"]),
    }
