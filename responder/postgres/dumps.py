"""Copies databases from server to server: `pg_dump | pg_restore`, found on the path, one pair of processes a database.

The password goes into their environment and nowhere else. A pair that an earlier life of ours has left loses its
connection when its database is emptied, and ends. Writes to the target of its job only.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from responder.core import dumping, errors
from responder.postgres import addresses, verification

_DATABASES = """
select datname from pg_database
where datallowconn and not datistemplate and datname not in ('azure_maintenance', 'azure_sys', 'postgres')
order by 1
"""
_IN_POSTGRES = """
select exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
)
"""
"""Anything that no extension has brought."""
_KEPT = 2000
"""Bytes of what a program complains about, the last ones."""


class Dumps:
    """Jobs of this process. `close()` ends those under way; what they had begun is begun anew by the next process."""

    def __init__(
        self, find: Callable[[str], addresses.Address], login: verification.Login | None, timeout: timedelta
    ) -> None:
        self._find = find
        self._login = login
        self._timeout = timeout
        self._jobs: dict[str, asyncio.Task[str]] = {}

    async def tools(self, version: str) -> dumping.Tools:
        """Whether both programs are there and at least as new as a server of that version (`16`)."""
        if self._login is None:
            return dumping.Tools(why="No login is configured: set postgres.user and postgres.password.")
        found = ""
        for name in ("pg_dump", "pg_restore"):
            path = shutil.which(name)
            if path is None:
                return dumping.Tools(why=f"There is no {name} on the path: install PostgreSQL's client programs.")
            found = await _version(path)
            if found.isdigit() and version.isdigit() and int(found) < int(version):
                why = f"{name} is of version {found}, the server of {version}: install PostgreSQL {version} or newer."
                return dumping.Tools(why=why)
        return dumping.Tools(version=found)

    async def databases(self, fqdn: str) -> Sequence[str]:
        """Those of people, by name.

        Raises:
            RefusedError: the server cannot be asked now.
            InputError: people have put tables into `postgres`, which every server has and none can be made anew.
        """
        try:
            connection = await verification.connect(self._find(fqdn), self._named("postgres"), self._timeout)
        except verification.TROUBLE as error:
            text = f"{fqdn} cannot be asked for its databases: {verification.plain(error)}."
            raise errors.RefusedError(
                "dump.no-answer", text, remedy="Check its firewall rules and the login."
            ) from error
        try:
            if await connection.fetchval(_IN_POSTGRES):
                raise errors.InputError(
                    "dump.postgres-database",
                    "There are tables in the database `postgres`, which is not copied.",
                    remedy="Move them to a database of their own, or dump that one by hand.",
                    place=fqdn,
                )
            return [row["datname"] for row in await connection.fetch(_DATABASES)]
        finally:
            connection.terminate()

    async def begin(self, job: dumping.Job) -> None:
        """Empty the database at the target, and begin to fill it.

        Raises:
            RefusedError: the target cannot be asked now.
        """
        await self._emptied(job)
        task = asyncio.create_task(self._copy(job), name=f"copy of {job.database}")
        self._jobs[job.key] = task

    def state(self, job: dumping.Job) -> dumping.Progress | None:
        """How far a job is; its end is told once. None: this process has not begun it."""
        task = self._jobs.get(job.key)
        if task is None:
            return None
        if not task.done():
            return dumping.Progress(ended=False)
        del self._jobs[job.key]
        return dumping.Progress(ended=True, why="it was ended" if task.cancelled() else task.result())

    async def close(self) -> None:
        """End what is under way."""
        tasks, self._jobs = list(self._jobs.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _emptied(self, job: dumping.Job) -> None:
        name = '"' + job.database.replace('"', '""') + '"'
        try:
            connection = await verification.connect(self._find(job.target), self._named("postgres"), self._timeout)
            try:
                # Whoever is still writing to it, from an earlier life of ours, is thrown out.
                await connection.execute(f"drop database if exists {name} with (force)")
                await connection.execute(f"create database {name}")
            finally:
                connection.terminate()
        except verification.TROUBLE as error:
            text = f"{job.target} cannot be written to: {verification.plain(error)}."
            raise errors.RefusedError(
                "dump.no-target", text, remedy="Check its firewall rules and the login."
            ) from error

    async def _copy(self, job: dumping.Job) -> str:
        """Run the pair to its end. Returns why it failed; empty: it did not."""
        quiet = ("--no-owner", "--no-privileges")
        dump = ("pg_dump", "--format=custom", *quiet, f"--dbname={job.database}")
        restore = ("pg_restore", "--exit-on-error", "--single-transaction", *quiet, f"--dbname={job.database}")
        reading, writing = os.pipe()
        pair: list[asyncio.subprocess.Process] = []
        try:
            try:
                pair.append(await self._started(dump, job.source, stdout=writing))
            finally:
                os.close(writing)
            try:
                pair.append(await self._started(restore, job.target, stdin=reading))
            finally:
                os.close(reading)
            said = await asyncio.gather(*(process.communicate() for process in pair))
        except OSError as error:
            return f"it could not be started: {error.strerror}"
        finally:
            await _ended(pair)
        failed = [
            f"{name} ended with status {process.returncode}: {_last(words)}"
            for name, process, (_, words) in zip(("pg_dump", "pg_restore"), pair, said, strict=True)
            if process.returncode
        ]
        return "; ".join(failed)

    async def _started(self, command: Sequence[str], fqdn: str, **pipes: Any) -> asyncio.subprocess.Process:
        login, address = self._named("postgres"), self._find(fqdn)
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "LC_ALL": "C",
            "PGHOST": address.host,
            "PGPORT": str(address.port),
            "PGUSER": login.user,
            "PGPASSWORD": login.password,
            "PGSSLMODE": login.tls,
            "PGCONNECT_TIMEOUT": str(max(int(self._timeout.total_seconds()), 2)),
            "PGAPPNAME": "responder",
        }
        return await asyncio.create_subprocess_exec(
            *command, **{"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.DEVNULL, **pipes},
            stderr=asyncio.subprocess.PIPE, env=environment,
        )  # fmt: skip

    def _named(self, database: str) -> verification.Login:
        if self._login is None:
            raise errors.RefusedError(
                "dump.no-login", "No login is configured.", remedy="Set postgres.user and postgres.password."
            )
        return replace(self._login, database=database)


async def _ended(pair: Sequence[asyncio.subprocess.Process]) -> None:
    for process in pair:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _version(path: str) -> str:
    """`16` of `pg_dump (PostgreSQL) 16.3`."""
    process = await asyncio.create_subprocess_exec(path, "--version", stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    match = re.search(rb"\) (\d+)", said)
    return match[1].decode() if match else ""


def _last(words: bytes) -> str:
    return " ".join(words[-_KEPT:].decode(errors="replace").split()) or "without a word"
