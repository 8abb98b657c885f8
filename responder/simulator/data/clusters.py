"""Real PostgreSQL clusters: one template is initialised, every server starts as a copy of it or of a backup.

May not listen on TCP: a cluster is reached through a Unix socket only, so that the gateway in front decides what is
seen of it.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg

from responder.simulator.data import processes, sites

DATABASE = "app"
SUPERUSER = "azuresu"
"""As on Azure, the administrator is not a superuser; the platform's own user is."""

_READY = b"database system is ready to accept connections"
_READY_TO_BE_READ = b"database system is ready to accept read-only connections"
_ARCHIVE = "base.tar"
"""What `pg_basebackup` calls a cluster's files."""
_SEGMENT = 24
"""Length of the name of a piece of the write-ahead log."""
_FIRST_PORT = 5432
"""Part of the socket's file name (`.s.PGSQL.5432`); no TCP port is taken."""

_SETTINGS = """
listen_addresses = ''
max_connections = 60
shared_buffers = 16MB
dynamic_shared_memory_type = mmap   # files in the data directory: nothing left in /dev/shm after a kill
huge_pages = off
fsync = off                         # these servers outlive no machine
wal_level = replica
max_wal_senders = 8                 # a backup now and then, and replicas
wal_keep_size = 128MB               # what a point-in-time restore goes through
max_replication_slots = 0
min_wal_size = 2MB
max_wal_size = 64MB
checkpoint_timeout = 1h             # each base backup makes one
autovacuum = off
max_logical_replication_workers = 0
password_encryption = scram-sha-256
log_min_messages = log              # a client's errors are told to the client only
timezone = 'UTC'
"""

_ACCESS = f"""
local all all scram-sha-256
local replication {SUPERUSER} scram-sha-256
"""

_TABLES = """
create table heartbeat (
  id bigserial primary key,
  at timestamptz not null default clock_timestamp()
);

create table orders (
  id bigserial primary key,
  at timestamptz not null default clock_timestamp(),
  amount numeric not null
);

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of the administrator whom the estate declares."""

    login: str
    password: str


class Cluster:
    """One running PostgreSQL."""

    def __init__(self, crew: processes.Crew, server: processes.Program, *, directory: Path, socket: Path) -> None:
        self.directory = directory
        """Its data directory."""
        self.from_template = False
        """Its whole history is in its log, as far as that reaches back."""
        self.socket = socket
        """The Unix socket that it answers on."""
        self._crew = crew
        self._server = server

    async def wait_ready(self, *, replica: bool = False) -> None:
        """Return when it accepts connections. Raises ProcessFailed with its last words if it ends before."""
        if not await self._server.say(_READY_TO_BE_READ if replica else _READY):
            raise self._server.failure()

    async def stop(self) -> None:
        """Stop at once. The data directory is as after a crash, good for a new start."""
        await self._crew.end(self._server, signal.SIGQUIT)


class Foundry:
    """Makes clusters at a site: the template once, on first need, then copies."""

    def __init__(self, site: sites.Site, crew: processes.Crew, credentials: Credentials) -> None:
        self._site = site
        self._crew = crew
        self._credentials = credentials
        self._secret = secrets.token_urlsafe(24)
        self._lock = asyncio.Lock()
        self._template: Path | None = None
        self._cast = 0

    async def start(self, directory: Path, *, backup: Path | None = None) -> Cluster:
        """Fill the new `directory` and start PostgreSQL on it; returns once it accepts connections.

        Filled from a base backup, it recovers to the end of that backup. None: the template, an empty `app` database.
        Raises ProcessFailed.
        """
        if backup:
            self._site.directory(directory).chmod(0o700)
            await self._crew.run("tar", "-xpf", backup / _ARCHIVE, "-C", directory)
            return await self._started(directory)
        await self._copy_of_template(directory)
        cluster = await self._started(directory)
        cluster.from_template = True
        return cluster

    async def rewind(self, directory: Path, source: Cluster, to: datetime) -> Cluster | None:
        """Fill the new `directory` with `source` as it was at `to`, and start PostgreSQL on it.

        The template is where every history begins, and the source's own log is the way from there. None: the log does
        not reach back that far, or the source is no descendant of the template.
        https://www.postgresql.org/docs/16/continuous-archiving.html#BACKUP-PITR-RECOVERY

        Raises ProcessFailed.
        """
        template = await self._prepared()
        first = min(path.name for path in (template / "pg_wal").iterdir() if len(path.name) == _SEGMENT)
        if not source.from_template or not (source.directory / "pg_wal" / first).exists():
            return None
        # Recovery wants to see a later commit than the moment that it stops at.
        await self._as_superuser(source, "select pg_logical_emit_message(true, 'simulator', 'a moment later')")
        await self._copy_of_template(directory)
        await self._crew.run("rm", "-rf", directory / "pg_wal")
        await self._crew.run("cp", "-Rp", source.directory / "pg_wal", directory / "pg_wal")
        await self._crew.run("touch", directory / "recovery.signal")
        return await self._started(
            directory,
            *("-c", "restore_command=false", "-c", f"recovery_target_time={to.isoformat()}"),
            *("-c", "recovery_target_action=promote"),
        )

    async def follow(self, directory: Path, source: Cluster) -> Cluster:
        """Fill the new `directory` with a copy of the running `source`, and start a replica that streams from it.

        Raises ProcessFailed.
        """
        self._site.directory(directory).chmod(0o700)
        await self._crew.run(
            *(self._site.binaries / "pg_basebackup", "--pgdata", directory, "--wal-method=fetch", "--no-manifest"),
            *("--checkpoint=fast", "--no-sync", "--no-password", "--write-recovery-conf", "--username", SUPERUSER),
            *("--host", source.socket.parent, "--port", source.socket.suffix.removeprefix(".")),
            environment={"PGPASSWORD": self._secret},
        )
        return await self._started(directory, replica=True)

    async def promote(self, replica: Cluster) -> None:
        """Stop following, and take writes; returns when it does."""
        await self._as_superuser(replica, "select pg_promote(true, 30)")

    async def _as_superuser(self, cluster: Cluster, sql: str) -> None:
        connection = await asyncpg.connect(
            host=str(cluster.socket.parent),
            port=int(cluster.socket.suffix.removeprefix(".")),
            user=SUPERUSER,
            password=self._secret,
            database="postgres",
        )
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def _copy_of_template(self, directory: Path) -> None:
        template = await self._prepared()
        self._site.directory(directory.parent)
        await self._crew.run("cp", "-Rp", template, directory)

    async def _started(self, directory: Path, *options: str, replica: bool = False) -> Cluster:
        port = _FIRST_PORT + self._cast
        self._cast += 1
        server = self._crew.start(
            *(self._site.binaries / "postgres", "-D", directory, "-k", self._site.sockets, "-p", str(port)), *options
        )
        socket = self._site.sockets / f".s.PGSQL.{port}"
        cluster = Cluster(self._crew, server, directory=directory, socket=socket)
        try:
            await cluster.wait_ready(replica=replica)
        except BaseException:
            await cluster.stop()
            raise
        return cluster

    async def back_up(self, cluster: Cluster, target: Path) -> None:
        """Write a base backup of a running cluster, with the log it needs to be consistent, into the new `target`.

        One archive instead of a thousand files: ext4 takes a millisecond to make a file where as many were deleted a
        moment ago, and backups come and go. https://www.postgresql.org/docs/16/app-pgbasebackup.html

        Raises ProcessFailed.
        """
        self._site.directory(target.parent)
        await self._crew.run(
            *(self._site.binaries / "pg_basebackup", "--pgdata", target, "--format=tar", "--wal-method=fetch"),
            *("--checkpoint=fast", "--no-sync", "--no-manifest", "--no-password", "--username", SUPERUSER),
            *("--host", cluster.socket.parent, "--port", cluster.socket.suffix.removeprefix(".")),
            environment={"PGPASSWORD": self._secret},
        )

    async def discard(self, directory: Path) -> None:
        """Delete a stopped cluster's files or a backup."""
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _prepared(self) -> Path:
        async with self._lock:
            if self._template is None:
                directory = self._site.home / "template"
                try:
                    await self._initialise(directory)
                except BaseException:
                    await self.discard(directory)
                    raise
                self._template = directory
        return self._template

    async def _initialise(self, directory: Path) -> None:
        """Make the template: `initdb`, then our settings, the administrator, the database and its tables."""
        binaries = self._site.binaries
        await self._crew.run(
            *(binaries / "initdb", "--pgdata", directory, "--username", SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--wal-segsize=1", "--no-sync", "--no-instructions"),
        )
        with (directory / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        (directory / "pg_hba.conf").write_text(_ACCESS)
        single = (binaries / "postgres", "--single", "-j", "-D", directory)
        await self._crew.run(*single, "postgres", text=self._roles())
        await self._crew.run(*single, DATABASE, text=f"set role {self._login()};\n\n{_TABLES}")

    def _roles(self) -> str:
        """The statements, each ended by an empty line, that make the roles and the administrator's database."""
        password = self._credentials.password.replace("'", "''")
        return (
            f"alter role {SUPERUSER} password '{self._secret}';\n\n"
            f"create role {self._login()} login createdb createrole replication password '{password}';\n\n"
            f"grant pg_monitor, pg_read_all_data, pg_signal_backend to {self._login()} with admin option;\n\n"
            f"create database {DATABASE} owner {self._login()} strategy file_copy;\n\n"
        )

    def _login(self) -> str:
        return '"' + self._credentials.login.replace('"', '""') + '"'
