"""Everything that is stored, by subject, whichever database it lies in. Opens the one that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from responder.store import (
    asks,
    audit,
    brakes,
    checkpoints,
    configurations,
    database,
    estate,
    history,
    instances,
    intake,
    journals,
    locks,
    outages,
    outbox,
    peacetime,
    polls,
    pruning,
    retention,
    runs,
    samples,
    successions,
    throttles,
)

if TYPE_CHECKING:
    from responder import settings


class Role(StrEnum):
    """What a process is among those who share a store. Who carries out runs is an instance, with a lease."""

    DAEMON = "daemon"
    HAND = "hand"
    """Carries out one run."""
    WRITER = "writer"
    """Leaves a word or a run for others to carry out. Claims nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Everything that is stored, by subject. Each write is one transaction, durable when it returns."""

    database: database.Database
    intake: intake.Intake
    checkpoints: checkpoints.Checkpoints
    estate: estate.Estate
    outages: outages.Outages
    history: history.History
    runs: runs.Runs
    journals: journals.Journals
    outbox: outbox.Outbox
    polls: polls.Polls
    configurations: configurations.Configurations
    peacetime: peacetime.Peacetime
    brakes: brakes.Brakes
    asks: asks.Asks
    retention: retention.Retention
    pruning: pruning.Pruning
    audit: audit.Audit
    samples: samples.Samples
    successions: successions.Successions
    register: instances.Instances
    tenure: instances.Tenure
    """This process among those that share the store."""
    lock: locks.Lock | None
    """What keeps others out of a file; None when opened for reading, and where others are welcome."""
    throttles: throttles.Throttles

    async def close(self) -> None:
        """Finish what is under way and let the next process in. Twice is once."""
        try:
            await self.tenure.end()
            await self.database.close()
        finally:
            if self.lock is not None:
                self.lock.release()


def assemble(base: database.Database, lock: locks.Lock | None, tenure: instances.Tenure | None = None) -> Store:
    """The store over an open database. No tenure: nobody else can have a run in hand."""
    tenure, pruned = tenure or instances.Alone(), pruning.Pruning(base)
    return Store(
        database=base,
        intake=intake.Intake(base, tenure),
        checkpoints=checkpoints.Checkpoints(base),
        estate=estate.Estate(base),
        outages=outages.Outages(base, tenure),
        history=history.History(base),
        runs=runs.Runs(base, tenure),
        journals=journals.Journals(base),
        outbox=outbox.Outbox(base),
        polls=polls.Polls(base),
        configurations=configurations.Configurations(base),
        peacetime=peacetime.Peacetime(base),
        brakes=brakes.Brakes(base),
        asks=asks.Asks(base),
        retention=retention.Retention(base, pruned),
        pruning=pruned,
        audit=audit.Audit(base),
        register=instances.Instances(base),
        tenure=tenure,
        samples=samples.Samples(base),
        successions=successions.Successions(base),
        throttles=throttles.Throttles(base),
        lock=lock,
    )


async def open_store(config: settings.Store, *, exclusive: bool = True, role: Role = Role.WRITER) -> Store:
    """Open the store that the settings name.

    Args:
        config: where it is.
        exclusive: True: to write; migrates if need be. A file is then ours alone, a PostgreSQL store is shared with
            other instances. False: for reading only, also while others write.
        role: what we are among those who share a PostgreSQL store.

    Raises:
        StoreError: as `sqlite.open_store` and `postgresql.open_store`.
        InputError: `settings.secret-missing`, or the URL cannot be used.
    """
    if config.url is None:
        from responder.store import sqlite

        return await sqlite.open_store(config.path, exclusive=exclusive)
    from responder.store import postgresql  # the driver takes a tenth of a second to load: only who needs it waits

    return await postgresql.open_store(postgresql.place_of(config), exclusive=exclusive, role=role)
