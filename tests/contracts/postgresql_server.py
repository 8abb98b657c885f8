"""A real PostgreSQL for a session of tests: started once, killed and started again at will, gone in the end."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg

from responder.simulator.data import sites
from responder.store.postgresql import places

_SETTINGS = """
listen_addresses = ''
max_connections = 100
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
huge_pages = off
fsync = off                 # it outlives no machine; a killed process loses nothing that was written
autovacuum = off
"""


class Server:
    """One cluster on a Unix socket. Everything blocks, as is right for a fixture."""

    def __init__(self) -> None:
        self._site = sites.settle(sites.scratch())
        self._schemas = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        data = self._site.home / "data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with (data / "postgresql.conf").open("a") as written:
            written.write(_SETTINGS)
        self.start()

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._site.sockets}"

    def place(self) -> places.Place:
        """A schema that nobody has used yet."""
        return places.Place(url=self.url, schema=f"s{next(self._schemas)}")

    def start(self) -> None:
        """Start it; returns when it answers."""
        command = ("postgres", "-D", str(self._site.home / "data"), "-k", str(self._site.sockets))
        self._process = subprocess.Popen(**self._call(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends = time.monotonic() + 60
        while subprocess.run(
            **self._call(("pg_isready", "-q", "-h", str(self._site.sockets), "-t", "1")), check=False
        ).returncode:
            assert time.monotonic() < ends, "PostgreSQL does not start"
            assert self._process.poll() is None, "PostgreSQL has ended"

    def crash(self) -> None:
        """Every process of it ends at once, as with `pg_ctl stop -m immediate`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.crash()
        self._site.remove()

    async def terminate(self, purpose: str) -> int:
        """Kill the stores' connections of that purpose; how many that were."""
        sql = """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE application_name LIKE $1 AND pid <> pg_backend_pid()
        """
        return int(await self.ask(sql, f"responder {purpose}%"))

    async def ask(self, sql: str, *arguments: Any, schema: str = "public") -> Any:
        """One value, asked beside everybody else."""
        connection = await asyncpg.connect(self.url, server_settings={"search_path": schema})
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            await connection.close()

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            **self._call([str(word) for word in command]),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout.decode()

    def _call(self, command: Any) -> dict[str, Any]:
        owner = self._site.owner
        identity: dict[str, Any] = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
        program, *arguments = command
        return {
            "args": [str(self._site.binaries / program), *arguments],
            "cwd": self._site.home,
            "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin", "HOME": str(self._site.home)},
            **identity,
        }


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the block runs; nothing is left of it."""
    started = Server()
    try:
        yield started
    finally:
        started.remove()
