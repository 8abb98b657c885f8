"""The journals that decisions need, read in bulk: runs, their steps and the humans' words, never one server at a time.

Reading is in pages, so that whoever shares the event loop is not held up by ten thousand runs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from responder.core import outages, runs, servers
from responder.store import apart, codec, database, run_rows

_PAGE = 500

TELLS_NOTHING = frozenset({"notify", "watch", "hold"})
"""Step kinds that neither make nor use a copy: the records of a playbook with no other are not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which journals are wanted: of these outages, begun by hand since, and all that have not ended."""

    outages: Collection[outages.OutageId] = ()
    since: datetime
    servers: Collection[servers.ServerId] | None = None
    """Only of these. None: of all."""
    whole: bool = False
    """With the steps of playbooks that make no copy, too."""


@dataclass(frozen=True, slots=True)
class Journal:
    """One run with what it has done and was told."""

    run: runs.Run
    steps: dict[str, runs.StepRecord] = field(default_factory=dict)
    words: list[runs.Signal] = field(default_factory=list)
    """Approvals, refusals, holds and their ends, oldest first."""

    @property
    def tells_nothing(self) -> bool:
        """Whether its playbook neither makes nor uses a copy."""
        return all(step.kind in TELLS_NOTHING for step in self.run.playbook.steps)


class Journals:
    """Reads; writes nothing."""

    def __init__(self, base: database.Database) -> None:
        self._base = base
        self._apart = apart.Apart("runs")
        self._steps_apart = apart.Apart("steps")

    async def read(self, wanted: Wanted) -> tuple[list[Journal], set[servers.ServerId]]:
        """The journals, newest first, and the servers of those that this version cannot read."""
        found, spoiled = await self._runs(wanted)
        by_id = {journal.run.id: journal for journal in found}
        telling = [one.run.id for one in found if wanted.whole or not one.tells_nothing]
        for first in range(0, len(telling), _PAGE):
            asked = {"ids": codec.listed(telling[first : first + _PAGE])}
            for row in await self._base.rows(_STEPS, asked):
                journal, load = by_id[row["run_id"]], functools.partial(codec.load, row["body"], _RECORD)
                record = self._steps_apart.read(f"{row['run_id']} {row['id']}", load)
                if record is None:
                    spoiled.add(journal.run.server_id)
                else:
                    journal.steps[row["id"]] = record
            for row in await self._base.rows(_WORDS, asked):
                by_id[row["run_id"]].words.append(run_rows.signal(row))
        return found, spoiled

    async def _runs(self, wanted: Wanted) -> tuple[list[Journal], set[servers.ServerId]]:
        of_servers = "" if wanted.servers is None else "server_id IN (SELECT value FROM json_each(:servers)) AND"
        sql = _RUNS.format(of_servers=of_servers)
        asked = {
            "outages": codec.listed(wanted.outages),
            "servers": codec.listed(wanted.servers or ()),
            "since": codec.stamp(wanted.since),
        }
        # Numbers first: in one query with the bodies, the database would sort all of them for every page.
        numbers = [int(row["number"]) for row in await self._base.rows(sql, asked)]
        found: list[Journal] = []
        spoiled: set[servers.ServerId] = set()
        for first in range(0, len(numbers), _PAGE):
            page = json.dumps(numbers[first : first + _PAGE])
            for row in await self._base.rows(_BODIES, {"numbers": page}):
                run = self._apart.read(row["id"], functools.partial(run_rows.run, row))
                if run is None:
                    spoiled.add(row["server_id"])
                else:
                    found.append(Journal(run))
        return found, spoiled


_RECORD = runs.StepRecord
_RUNS = """
    SELECT number FROM runs
    WHERE {of_servers}
        (outage_id IN (SELECT value FROM json_each(:outages)) OR state IN ('ready', 'waiting')
         OR (outage_id IS NULL AND created_at >= :since))
    ORDER BY number DESC
"""
_BODIES = """
    SELECT * FROM runs WHERE number IN (SELECT CAST(value AS BIGINT) FROM json_each(:numbers)) ORDER BY number DESC
"""
_STEPS = """
    SELECT run_id, id, body FROM steps WHERE run_id IN (SELECT value FROM json_each(:ids)) ORDER BY number
"""
_WORDS = """
    SELECT * FROM signals
    WHERE run_id IN (SELECT value FROM json_each(:ids)) AND topic IN ('approve', 'decline', 'hold', 'go-now', 'release')
    ORDER BY id
"""
