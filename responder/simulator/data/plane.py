"""The data plane's door: servers come and go, regions go down and come up, backups are there to restore from.

Servers are known by name, unique among all regions. Everything that is written lies below one directory, a region's
data in `regions/<region>`, and goes away with the plane.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

from responder.core import regions
from responder.simulator import world
from responder.simulator.data import backups, clusters, gateway, handshake, load, processes, sites

_Made = TypeVar("_Made", clusters.Cluster, clusters.Cluster | None)


class NameTaken(ValueError):
    """A server of that name exists, or is being created: names are unique among all regions."""


@dataclass(slots=True, kw_only=True)
class _Server:
    region: str
    cluster: clusters.Cluster | None
    """None: handshake only."""
    front: gateway.Gateway
    load: load.Load | None = None
    vault: backups.Vault
    routine: backups.Routine | None
    """None: no geo-redundant backup, for want of a wish or of a pair region."""
    backing_up: asyncio.Task[None] | None = None


class Plane:
    """All servers of the local Azure, a `world.DataPlane`. Use as `async with`, or call `close()`."""

    def __init__(
        self,
        root: Path,
        *,
        login: str,
        password: str,
        backup_interval: timedelta,
        backup_replication: timedelta,
        is_down: Callable[[str], bool] | None = None,
        gateways: gateway.Manner | None = None,
    ) -> None:
        """`root` must be missing or empty, and is removed by `close()`.

        `is_down` is asked, by programmatic region name, when a server is created: a region may have gone down before
        anything was in it.

        Raises:
            FileExistsError: `root` holds something.
            FileNotFoundError: the directory that `root` belongs in is missing.
        """
        sites.refuse_occupied(root)
        self._root = root
        self._credentials = clusters.Credentials(login=login, password=password)
        self._interval = backup_interval
        self._replication = backup_replication
        self._is_down = is_down or (lambda region: False)
        self._gateways = gateways or gateway.Manner()
        self._down: set[str] = set()
        self._servers: dict[str, _Server] = {}
        self._coming_or_going: set[str] = set()
        self._opening = asyncio.Lock()
        self._site: sites.Site | None = None
        self._crew: processes.Crew | None = None
        self._foundry: clusters.Foundry | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def create(
        self, name: str, region: str, *, real: bool, rows_per_second: float = 0, geo_backup: bool = True
    ) -> str:
        """Bring up an empty server and return its address, `127.0.0.1:port`, which stays its own until it is removed.

        A real one has the database `app` with the tables `heartbeat` and `orders`, both written at `rows_per_second`.

        Raises:
            NameTaken: `name` is in use.
            ProcessFailed: PostgreSQL did not start; the message says why.
        """
        region = regions.normalise(region)
        with self._reserved(name):
            cluster = await self._cluster(name, region, lambda f, directory: f.start(directory)) if real else None
            server = self._enter(name, region, cluster, geo_backup=geo_backup)
        address = await self._put_in_service(name, server)
        if cluster:
            encrypted = self._gateways.tls is not None
            server.load = load.Load(address, self._credentials, rows_per_second=rows_per_second, encrypted=encrypted)
            server.load.start()
        return address

    async def restore(self, name: str, region: str, *, source: str, to: datetime | None = None) -> str:
        """Bring up a new server from the newest replicated backup of `source`; returns its address.

        Nothing but that backup is read: `source` may be out of reach. With `to`, it is `source` as it was then, out of
        its own region's backups. The new server has geo-redundant backups of its own and nobody who writes to it.

        Raises:
            world.NoBackup: there is none of `source` yet, or `source` does not exist.
            NameTaken: `name` is in use.
            ProcessFailed: PostgreSQL did not start; the message says why.
        """
        region = regions.normalise(region)
        origin = self._servers.get(source)
        if origin is None:
            raise world.NoBackup(f"{source}: no server of that name, hence no backup to restore from")
        if to is not None:
            return await self._rewind(name, region, origin, to)
        async with origin.vault.lock:
            backup = origin.vault.newest()
            if backup is None:
                raise world.NoBackup(f"{source}: no backup has reached the pair of {origin.region}; try again later")
            with self._reserved(name):
                cluster = None
                if origin.cluster:
                    saved = backup.directory
                    cluster = await self._cluster(name, region, lambda f, directory: f.start(directory, backup=saved))
                server = self._enter(name, region, cluster)
        return await self._put_in_service(name, server)

    async def _rewind(self, name: str, region: str, origin: _Server, to: datetime) -> str:
        source = origin.cluster
        with self._reserved(name):
            cluster = None
            if source is not None:
                cluster = await self._cluster(name, region, lambda f, directory: f.rewind(directory, source, to))
                if cluster is None:
                    raise world.NoBackup(f"{name}: the backups do not reach back to {to}")
            server = self._enter(name, region, cluster)
        return await self._put_in_service(name, server)

    async def replicate(self, name: str, region: str, *, source: str) -> str:
        """Bring up a read replica that streams from `source`; returns its address.

        Raises:
            world.NoBackup: `source` does not exist.
            NameTaken: `name` is in use.
            ProcessFailed: PostgreSQL did not start; the message says why.
        """
        region, origin = regions.normalise(region), self._servers.get(source)
        if origin is None:
            raise world.NoBackup(f"{source}: no server of that name, hence nothing to replicate")
        primary = origin.cluster
        with self._reserved(name):
            cluster = None
            if primary is not None:
                cluster = await self._cluster(name, region, lambda f, directory: f.follow(directory, primary))
            server = self._enter(name, region, cluster, geo_backup=False)
        return await self._put_in_service(name, server)

    async def promote(self, name: str) -> None:
        """A replica stops following and takes writes. Nothing happens where there is no data."""
        server = self._servers.get(name)
        if server is not None and server.cluster is not None and self._foundry is not None:
            await self._foundry.promote(server.cluster)

    async def remove(self, name: str) -> None:
        """Drop a server with its data and its backups. Nothing happens when there is none of that name."""
        server = self._servers.pop(name, None)
        if server is None:
            return
        with self._reserved(name):
            await self._stop(server)
            if self._foundry and server.cluster:
                async with server.vault.lock:
                    await self._foundry.discard(self._storage(name, server.region))
                    await self._foundry.discard(server.cluster.directory)

    async def region_down(self, region: str) -> None:
        """Its servers fall silent, nothing is written to them, and no backup of them is taken or arrives."""
        region = regions.normalise(region)
        self._down.add(region)
        for server in self._servers.values():
            if server.region == region:
                server.front.freeze()
                if server.routine:
                    server.routine.region_down()

    async def region_up(self, region: str) -> None:
        """Its servers answer again, with every row they had."""
        region = regions.normalise(region)
        self._down.discard(region)
        for server in self._servers.values():
            if server.region == region:
                server.front.thaw()
                if server.routine:
                    server.routine.region_up()

    def newest_backup(self, source: str) -> datetime | None:
        """When the newest replicated backup of `source` was complete, aware UTC; None when there is none."""
        server = self._servers.get(source)
        backup = server.vault.newest() if server else None
        return backup.completed_at if backup else None

    async def close(self) -> None:
        """Stop every process that was started and remove every file. What is under way fails. May be called twice."""
        self._closed = True
        servers, self._servers = list(self._servers.values()), {}
        await asyncio.gather(*map(self._stop, servers))
        async with self._opening:
            if self._crew:
                await self._crew.close()
            if self._site:
                await asyncio.to_thread(self._site.remove)
            else:
                sites.remove_unused(self._root)
            self._crew = self._site = self._foundry = None

    @contextlib.contextmanager
    def _reserved(self, name: str) -> Iterator[None]:
        """Keep others from using the name while a server comes into being or goes."""
        if name in self._servers or name in self._coming_or_going:
            raise NameTaken(f"{name}: a server of that name exists; names are unique among all regions")
        self._coming_or_going.add(name)
        try:
            yield
        finally:
            self._coming_or_going.discard(name)

    async def _cluster(
        self, name: str, region: str, make: Callable[[clusters.Foundry, Path], Awaitable[_Made]]
    ) -> _Made:
        foundry = await self._open()
        directory = self._home() / "regions" / region / "servers" / name
        try:
            cluster = await make(foundry, directory)
        except BaseException:
            await foundry.discard(directory)
            raise
        if self._closed and cluster is not None:
            await cluster.stop()
            raise processes.ProcessFailed(f"{name} is not started: the data plane is closed")
        return cluster

    async def _open(self) -> clusters.Foundry:
        """Claim the directory and start the warden, when the first real server needs them."""
        async with self._opening:
            if self._closed:
                raise processes.ProcessFailed("no server is started: the data plane is closed")
            if self._foundry is None:
                self._site = await asyncio.to_thread(sites.settle, self._root)
                self._crew = processes.Crew(self._site)
                self._foundry = clusters.Foundry(self._site, self._crew, self._credentials)
            return self._foundry

    def _enter(self, name: str, region: str, cluster: clusters.Cluster | None, *, geo_backup: bool = True) -> _Server:
        """Make the server known, so that it follows its region from now on. Nothing may be awaited in here."""
        down = region in self._down or self._is_down(region)
        vault = backups.Vault(replication=self._replication)
        server = self._servers[name] = _Server(
            region=region,
            cluster=cluster,
            front=gateway.Gateway(
                gateway.pipe_to(cluster.socket) if cluster else handshake.refuse, frozen=down, manner=self._gateways
            ),
            vault=vault,
            routine=self._routine(name, region, cluster, vault) if geo_backup and regions.pair_of(region) else None,
        )
        if server.routine and not down:
            server.routine.region_up()
        return server

    def _routine(
        self, name: str, region: str, cluster: clusters.Cluster | None, vault: backups.Vault
    ) -> backups.Routine:
        async def copy(target: Path) -> None:
            if cluster and self._foundry:  # without data the passing of time is all there is to a backup
                await self._foundry.back_up(cluster, target)

        return backups.Routine(self._storage(name, region), vault, interval=self._interval, copy=copy)

    async def _put_in_service(self, name: str, server: _Server) -> str:
        """Open the front and begin with the backups; returns the address."""
        address = await server.front.open()
        if server.routine:
            server.backing_up = asyncio.create_task(server.routine.run(), name=f"backups of {name}")
        return address

    async def _stop(self, server: _Server) -> None:
        if server.load:
            await server.load.stop()
        await server.front.close()
        if server.backing_up:
            server.backing_up.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await server.backing_up
        if server.cluster:
            await server.cluster.stop()

    def _home(self) -> Path:
        return self._site.home if self._site else self._root

    def _storage(self, name: str, region: str) -> Path:
        """Where the backups of a server lie: in its region's pair."""
        return self._home() / "regions" / (regions.pair_of(region) or region) / "backups" / name
