"""The audit, looked at: is its chain whole, does it agree with what somebody wrote down; and what a start records.

Verifying only reads, while others go on writing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

import responder
from responder import clock, settings
from responder.core import audits, errors, playbooks
from responder.store import audit, stores

_log = structlog.get_logger(__name__)

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification has found."""

    entries: int
    head: audits.Head
    """Where the chain ends."""
    faults: tuple[audits.Fault, ...]
    agreed: int
    """Of what was written down earlier: how much is in the chain as it was."""

    @property
    def whole(self) -> bool:
        """No break."""
        return not self.faults


async def verify(store: audit.Audit, witness: audits.Witness) -> Verdict:
    """Compute the whole chain again, and hold it against its head and against what is known from before."""
    chain, entries = audits.Chain(), 0
    head = await store.head()
    while True:
        lines = await store.after(chain.end.number)
        for line in lines:
            chain.follow(line)
            witness.see(line)
        entries += len(lines)
        if lines:
            continue
        before, head = head, await store.head()
        if before == head:  # else somebody has written meanwhile: there is more to read
            break
    chain.close(head)
    witness.close(chain.end)
    faults = (*chain.faults, *witness.faults)
    return Verdict(entries=entries, head=chain.end, faults=faults, agreed=witness.agreed)


def about_settings(config: settings.Settings) -> audits.Entry:
    """What this process works by: the settings by their digest. They name where secrets lie, and hold none."""
    document = config.model_dump(mode="json")
    parts = {name: _digest(part) for name, part in document.items()}
    return _entry("settings.loaded", "", {"digest": _digest(document), "mode": config.mode, "sections": parts})


def about_playbooks(books: Iterable[playbooks.Playbook]) -> list[audits.Entry]:
    """What new runs start from: every playbook by its content."""
    now, entries = clock.now(), []
    for book in sorted(books, key=lambda each: each.name):
        steps = [f"{step.id}: {step.kind}" for step in book.steps]
        body = {"version": book.version, "title": book.title, "steps": steps}
        entries.append(audits.Entry(at=now, kind="playbook.loaded", actor=_me(), subject=book.name, body=body))
    return entries


def started(store: stores.Store, role: str) -> audits.Entry:
    """This process begins to act."""
    return _entry("instance.started", store.tenure.id, {"role": role, "version": responder.__version__})


def stopped(store: stores.Store, role: str) -> audits.Entry:
    """It has stopped in order."""
    return _entry("instance.stopped", store.tenure.id, {"role": role})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What somebody who is known asked for and may not have, or not now."""

    by: str
    asked: str
    """A word, or the address of the API that was asked."""
    why: str
    reason: str = ""
    """What they said themselves."""
    run: str | None = None


async def note_refusal(store: stores.Store, refusal: Refusal) -> None:
    """That somebody was refused. A store that is away now keeps nobody from being refused."""
    body = {"word": refusal.asked, "why": refusal.why, "reason": refusal.reason}
    _log.info("word.refused", by=refusal.by, run=refusal.run, asked=refusal.asked, why=refusal.why)
    entry = audits.Entry(at=clock.now(), kind="refused", actor=refusal.by, run=refusal.run, body=body)
    try:
        await store.audit.put([entry])
    except errors.StoreError as error:
        _log.warning("audit.refusal-not-recorded", error=str(error))


async def tell_head(store: audit.Audit) -> None:
    """Log where the chain ends: a log that is kept elsewhere is a witness."""
    head = await store.head()
    _log.info("audit.head", head=str(head) if head else "missing")


class Daily:
    """Logs the head at the start, and every day."""

    def __init__(self, store: audit.Audit) -> None:
        self._store = store

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await tell_head(self._store)
            await asyncio.sleep(_DAY.total_seconds())


def _entry(kind: str, subject: str, body: dict[str, object]) -> audits.Entry:
    return audits.Entry(at=clock.now(), kind=kind, actor=_me(), subject=subject, body=body)


def _me() -> str:
    """Host and process: actor of what nobody asked for."""
    return f"{audits.OURSELVES}@{socket.gethostname()}/{os.getpid()}"


def _digest(value: object) -> str:
    return hashlib.sha256(audits.canonical(audits.harmless(value)).encode()).hexdigest()
