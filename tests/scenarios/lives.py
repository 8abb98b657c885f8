"""Many short lives of the daemon, for the `kills`: a process that has lived once itself forks one for each order.

A life carries one server through one course of events, by hand and by a clock of its own, and may be told to kill
itself with SIGKILL at certain writes: to the journal, just before or just after the commit, or to Azure, just after
the answer. The next life goes on from the journal, at the time at which the one before it died.

Orders come as lines of JSON on standard input; each is answered with a line of JSON on standard output.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import json
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import structlog

from responder import clock, playbook_files, service, settings, steps
from responder.azure import pipelines
from responder.core import configurations, dumping, evidence, runs, servers
from responder.flow import auditing, requests, watch
from responder.store import codec, database, embedded, instances, stores
from responder.store import intake as rows
from responder.store.postgresql import pools
from tests.scenarios import at_once

SURVIVED, NEVER_ENDED, BROKE = 0, 3, 4
_MOST_TURNS = 60
_LOCK = re.compile(r"UPDATE \w+ SET (\w+) = \1 WHERE")
"""Locks rows and leaves them as they are, as `run_rows` does before each step. What is durable stays the same, so to
die before its commit is to die before the next one that writes."""


class Time:
    """A clock that stands still between turns, kept in a file so that the next life goes on where this one ended."""

    def __init__(self, file: Path, start: str) -> None:
        self._file = file
        self._now = datetime.fromisoformat(file.read_text() if file.exists() else start)

    def now(self) -> datetime:
        return self._now

    def forward(self, span: timedelta) -> None:
        self._now += span
        self._file.write_text(self._now.isoformat())


class Fate:
    """Notes the writes of this life, and ends it at each of the deaths in its order (what, by whom, the n-th of these).

    They are counted over all lives of a course. A commit that death came before has not been met: it comes again.
    """

    def __init__(self, folder: Path, deaths: Sequence[Sequence[Any]]) -> None:
        self._folder, self._deaths = folder, {tuple(death) for death in deaths}
        self.met: list[tuple[str, str]] = []
        """What, and which function of the store wrote, or which request it was."""
        if (folder / "met.json").exists():
            self.met = [(what, by) for what, by in json.loads((folder / "met.json").read_text())]
        self._counts = collections.Counter(self.met)

    def meet(self, what: str, by: str) -> None:
        self.met.append((what, by))
        self._counts[what, by] += 1
        death = (what, by, self._counts[what, by])
        if death in self._deaths:
            outlived = self.met[:-1] if what == "before-commit" else self.met
            (self._folder / "met.json").write_text(json.dumps(outlived))
            (self._folder / "died.json").write_text(json.dumps(death))
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        """From now on, in this process."""
        send, fate = pipelines.Retries.send, self
        for kind in (embedded.Database, pools.Database):
            self._arm(kind)

        async def send_or_die(self: pipelines.Retries, request: Any) -> Any:
            answer = await send(self, request)
            method, url = request.http_request.method, request.http_request.url
            if method not in ("GET", "HEAD", "POST") or "/restart?" in url:  # other POSTs only ask
                fate.meet("after-azure", method)
            return answer

        pipelines.Retries.send = send_or_die  # type: ignore[method-assign]

    def _arm(self, kind: Any) -> None:
        transact, fate = kind.execute_transaction, self

        async def transact_or_die(self: database.Database, work: Callable[[Any], Any]) -> Any:
            changed = False

            def until_commit(connection: Any) -> Any:
                nonlocal changed
                seen = Seen(connection)
                answer = work(seen)
                changed = seen.changed
                if changed:
                    fate.meet("before-commit", _writer(work))
                return answer

            answer = await transact(self, until_commit)
            if changed:
                fate.meet("after-commit", _writer(work))
            return answer

        kind.execute_transaction = transact_or_die


def _writer(work: Callable[[Any], Any]) -> str:
    """Which function of the store it is, and of a run's write, the step and what is written of it."""
    for cell in work.__closure__ or ():
        record = getattr(cell.cell_contents, "record", None)
        if isinstance(record, runs.StepRecord):
            return f"{work.__qualname__} {record.id} {record.state}"
    return work.__qualname__


class Seen:
    """A connection that notes whether anything was changed."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._before = getattr(connection, "total_changes", None)
        self._locked = 0
        self._changed = False

    @property
    def changed(self) -> bool:
        if self._before is not None:  # SQLite counts itself
            return bool(self._connection.total_changes > self._before + self._locked)
        return self._changed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        answer = self._connection.execute(sql, *parameters)
        if _LOCK.match(sql):
            self._locked += answer.rowcount
        elif not sql.lstrip().upper().startswith("SELECT") and answer.rowcount > 0:
            self._changed = True
        return answer

    def executemany(self, sql: str, parameters: Any) -> None:
        self._changed = True
        self._connection.executemany(sql, parameters)

    def at_commit(self, script: str, items: Any) -> bool:
        later: bool = self._connection.at_commit(script, items)
        self._changed = self._changed or (later and bool(items))
        return later


class Life:
    """The daemon's stages, turned by hand."""

    def __init__(self, parts: service.Parts, time: Time, order: dict[str, Any]) -> None:
        self._parts, self._store, self._time, self._order = parts, parts.store, time, order
        self._assess, self._act = service.assessor(parts), service.actor(parts)
        pace = watch.Pace(peace=timedelta(hours=1), outage=timedelta(hours=1), concurrency=1)
        self._watch = watch.Watch(self._store, parts.databases.probe, pace, parts.wakes["assess"])

    async def begin(self) -> None:
        """What a daemon knows when its region has failed: the server, its silence, and Azure's word, unread."""
        server, others = self._described("server"), [self._read(one) for one in self._order["others"]]
        now = self._time.now()
        await self._silent_since(now - timedelta(minutes=10))
        if not self._order["starts"]:
            await self._hear("event")
        office = configurations.Rule(name="office", start="10.0.0.1", end="10.0.0.9")
        many = configurations.Parameter(name="max_connections", value="400", static=True)
        if self._order["settings_known"]:
            known = configurations.Configuration(rules=(office,), parameters=(many,))
            await self._store.configurations.put(server.id, configurations.Captured(at=now, configuration=known))
        await self._store.estate.put_servers([server, *others])
        if self._order["starts"]:
            await self._start(self._order["starts"], server.id)

    async def _start(self, playbook: str, server: servers.ServerId) -> None:
        """Somebody starts it by hand."""
        asked = requests.RunRequest(playbook=playbook, server=server, by="ada", params=self._order["params"])
        run = await requests.planned(self._store, self._parts.playbooks, asked, self._time.now())
        await requests.submit(self._store, run)

    def _described(self, name: str) -> servers.Server:
        return self._read(self._order[name])

    @staticmethod
    def _read(described: dict[str, Any]) -> servers.Server:
        return codec.load(json.dumps(described), servers.Server)

    async def turn(self) -> None:
        await self._events()
        while True:
            await self._assess.turn(self._time.now())
            moved = False
            while (run := await self._store.runs.claim(self._time.now())) is not None:
                await self._act.carry_on(run)
                moved = True
            if not moved:
                return

    async def over(self) -> bool:
        """The course has come to its end."""
        found = await self._store.runs.list()
        ends_with = self._order["ends_with"]
        return any(run.playbook.name == ends_with for run in found) and all(run.state.ended for run in found)

    async def summary(self) -> dict[str, Any]:
        """How it ended, without what may differ: times, attempts, and names."""
        found = list(reversed(await self._store.runs.list()))
        told = sorted(row["announcement"].kind for row in await self._store.outbox.list())
        open_ = await self._store.outages.open()
        return {"runs": [await self._shown(run) for run in found], "told": told, "open_outages": len(open_)}

    async def _shown(self, run: runs.Run) -> list[Any]:
        steps = await self._store.runs.steps(run.id)
        shown = {id_: [record.state, record.output.get("verdict")] for id_, record in steps.items()}
        return [run.playbook.name, run.id.replace(self._order["name"], ""), run.state, shown]

    async def _events(self) -> None:
        """What happens in the world once a run has come to a certain step."""
        found = await self._store.runs.active_for(self._described("server").id)
        if found is not None and found.step == self._order["approved_at"]:
            await self._approve(found)
        if found is not None and found.step == self._order["spell_at"]:
            await self._silent_since(self._time.now() - timedelta(minutes=61))
        if found is not None and found.step in self._order["back_at"]:
            await self._watch.turn(self._time.now())
            if self._order["resolution"]:
                await self._hear("resolution")

    async def _silent_since(self, moment: datetime) -> None:
        """A minute before that it answered, and now it does not."""
        silent = evidence.Health(
            last=evidence.Probe(at=self._time.now(), answered=False),
            failing_since=moment,
            last_answer_at=moment - timedelta(minutes=1),
        )
        await self._store.estate.put_health({self._described("server").id: silent})

    async def _approve(self, run: runs.Run) -> None:
        """Somebody says yes, once."""
        if not await self._store.runs.signals(run.id):
            word = requests.Word(topic=runs.Topic.APPROVE, by="ada", accept_loss=timedelta(days=1))
            await requests.say(self._store, run.id, word, self._time.now())

    async def _hear(self, what: str) -> None:
        body = json.dumps(self._order[what]).encode()
        arrival = rows.Arrival(source="webhook", key=what, body=body, received_at=self._time.now())
        await self._store.intake.append([arrival])


class Copier:
    """Stands in for pg_dump and pg_restore, which there is nothing to copy by: begun, a copy has ended."""

    def __init__(self) -> None:
        self._begun: set[str] = set()

    async def tools(self, version: str) -> dumping.Tools:
        return dumping.Tools(version=version)

    async def databases(self, fqdn: str) -> list[str]:
        return ["app", "crm"]

    async def begin(self, job: dumping.Job) -> None:
        self._begun.add(job.key)

    def state(self, job: dumping.Job) -> dumping.Progress | None:
        return dumping.Progress(ended=True) if job.key in self._begun else None


async def _live(order: dict[str, Any]) -> int:
    folder = Path(order["folder"])
    time = Time(folder / "clock", order["now"])
    clock.now = time.now
    os.environ.update(order["environment"])
    fate = Fate(folder, order["deaths"])
    config = settings.Settings.model_validate(order["settings"])
    async with service.assembled(config) as parts:
        parts = replace(parts, doors=replace(parts.doors, dumps=Copier()))
        life = Life(parts, time, order)
        await _bury(parts.store)
        if not await parts.store.estate.servers():
            await life.begin()
        if not order["herself"]:
            fate.arm()
        for _ in range(_MOST_TURNS):
            await life.turn()
            if await life.over():
                (folder / "end.json").write_text(json.dumps({"end": await life.summary(), "met": fate.met}))
                return SURVIVED
            time.forward(timedelta(minutes=order["step_minutes"]))
    return NEVER_ENDED


async def _bury(store: stores.Store) -> None:
    """As time would: who was killed before us has no lease any more. A file has no other instances."""

    def bury(connection: database.Connection) -> None:
        connection.execute("UPDATE instances SET lease_until = '' WHERE id <> ?", (store.tenure.id,))
        instances.sweep(connection)

    await store.database.execute_transaction(bury)


def _fork(order: dict[str, Any]) -> int:
    """A life from its birth to its end; how it ended, negative for a signal."""
    child = os.fork()
    if child == 0:
        code = BROKE
        try:
            code = asyncio.run(_live(order))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _on_one_connection() -> None:
    """A life does one thing after the other, and for each of its connections the server loads its catalogues anew."""
    pools._WRITERS = 1
    begin = pools.Database.__init__

    def begin_with_one(self: pools.Database, *place: Any, **how: Any) -> None:
        begin(self, *place, **how)
        self._reading = self._writing

    pools.Database.__init__ = begin_with_one  # type: ignore[method-assign]


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    shipped = playbook_files.library(None, playbook_files.language(steps.KINDS))
    playbook_files.library = lambda *_, **__: shipped  # reading YAML would be most of a short life
    installed = metadata.entry_points()
    metadata.entry_points = lambda **which: installed.select(**which)  # and so would asking every package for its kinds
    auditing.about_start = lambda *_: []  # nor does each have to find out that it starts from what the last one did
    _on_one_connection()
    for room, name, instead in at_once.REPLACED:
        setattr(room, name, instead)
    for line in sys.stdin:
        order = json.loads(line)
        # Lived once here, everything is imported and built for all who are forked, and no thread of it is left.
        code = asyncio.run(_live(order)) if order["herself"] else _fork(order)
        gc.freeze()  # else the first collection in every child would copy all of it
        print(json.dumps({"code": code}), flush=True)


if __name__ == "__main__":
    main()
