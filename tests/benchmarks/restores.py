"""Restores: started and looked at once through our control plane, against a bare aiohttp client with the same requests.

Both have the same number under way, and neither is held back by Azure's write limit, which in life is the slower one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from responder.azure import clients, control_plane, endpoints
from responder.core import regions, restores, servers
from tests.benchmarks import cloud, measures

RESTORES = 200
_AT_ONCE = 16
_VERSION = "2026-10-01"  # what the SDK asks for

Start = Callable[[str], Awaitable[None]]
"""Starts a restore as a server of that name, and looks at it once."""


async def measure(effort: measures.Effort) -> list[measures.Row]:
    """One row."""
    names = (f"copy-{number}" for number in itertools.count())
    async with cloud.running() as env, _our_way(env) as ours, _bare_way(env) as bare:

        async def turn(start: Start, count: int) -> measures.Sample:
            watch, work = measures.Stopwatch(), list(itertools.islice(names, count))

            async def some() -> None:
                while work:
                    await start(work.pop())

            await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
            return watch.read(count)

        for start in (ours, bare):
            await turn(start, _AT_ONCE)  # tokens are fetched and connections opened before anything is measured
        count = effort.of(RESTORES)
        return [
            await measures.compare("restores", "restore", lambda: turn(ours, count), lambda: turn(bare, count), effort)
        ]


@contextlib.asynccontextmanager
async def _our_way(env: Mapping[str, str]) -> AsyncIterator[Start]:
    os.environ.update({name: env[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")})
    where = endpoints.Endpoints(
        resource_manager=env["SIM_ARM_TLS"],
        audience=f"{env['SIM_ARM_TLS']}/.default",
        ca_file=Path(env["SIM_CA_FILE"]),
        credential="managed-identity",
    )
    async with clients.open_clients(where) as opened:
        plane = control_plane.ControlPlane(opened)

        async def start(name: str) -> None:
            request = _request(env["SIM_SUBSCRIPTION"], name)
            token = await plane.restore(request)
            progress = await plane.poll_restore(request, token)
            assert isinstance(progress, restores.InProgress), progress

        yield start


@contextlib.asynccontextmanager
async def _bare_way(env: Mapping[str, str]) -> AsyncIterator[Start]:
    context = ssl.create_default_context(cafile=env["SIM_CA_FILE"])
    connector = aiohttp.TCPConnector(ssl=context)
    headers = {"Authorization": "Bearer anything"}  # the local Azure takes any token
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def start(name: str) -> None:
            request = _request(env["SIM_SUBSCRIPTION"], name)
            url = f"{env['SIM_ARM_TLS']}{request.target_id}"
            async with session.put(url, params={"api-version": _VERSION}, json=_body(request)) as answer:
                assert answer.status == 202, await answer.text()
                await answer.read()
            async with session.get(answer.headers["Azure-AsyncOperation"]) as answer:
                assert (await answer.json())["status"] == "InProgress"

        yield start


def _request(subscription: str, name: str) -> restores.RestoreRequest:
    return restores.RestoreRequest(
        source=servers.Server(
            id=_id(subscription, cloud.SOURCE_GROUP, cloud.SOURCE),
            name=cloud.SOURCE,
            family=servers.Family.FLEXIBLE,
            subscription_id=subscription,
            resource_group=cloud.SOURCE_GROUP,
            region=regions.RegionName(cloud.SOURCE_REGION),
            tier="GeneralPurpose",
        ),
        target_id=_id(subscription, cloud.TARGET_GROUP, name),
        target_region=regions.RegionName(cloud.TARGET_REGION),
    )


def _id(subscription: str, group: str, name: str) -> servers.ServerId:
    return servers.id_of(
        servers.Address(subscription_id=subscription, resource_group=group, family=servers.Family.FLEXIBLE, name=name)
    )


def _body(request: restores.RestoreRequest) -> dict[str, object]:
    return {
        "location": request.target_region,
        "tags": request.all_tags(),
        "properties": {
            "createMode": "GeoRestore",
            "sourceServerResourceId": request.source.id,
            "pointInTimeUTC": datetime.now(UTC).isoformat(),
            "backup": {"geoRedundantBackup": "Disabled"},
        },
    }
