"""A local Azure in a process of its own: a hub full of events, and a server whose restores are accepted and never end.

Says its environment as one line of JSON and ends with its input, so that it does not outlive who started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import structlog

from responder.simulator import estates, server
from tests.benchmarks import opposite

HUB = "health-events"
SOURCE = "orders"
SOURCE_GROUP, TARGET_GROUP = "rg-orders", "rg-recovery"
SOURCE_REGION, TARGET_REGION = "eastus2", "centralus"
EVENT_BYTES = 3022
"""An activity log record about an outage has this size."""

_NO_LIMIT = estates.Bucket(size=1_000_000, per_second=1_000_000)
_ESTATE = estates.parse(f"""
tenant: 0d7f2f0a-3d62-4a0f-9a1c-5b1b7a1f0001
subscriptions: [{{id: 6a1c1c9e-0b7d-4b43-8f0e-2f6a3f4d1001, name: Contoso}}]
resource_groups:
  - {{name: {SOURCE_GROUP}, region: {SOURCE_REGION}}}
  - {{name: {TARGET_GROUP}, region: {TARGET_REGION}}}
hubs: [{{name: {HUB}, partitions: 4}}]
servers: [{{name: {SOURCE}, resource_group: {SOURCE_GROUP}, region: {SOURCE_REGION}, geo_backup: true}}]
core_quotas: {{{TARGET_REGION}: 1000000}}
""").model_copy(
    update={
        # An operation that ends would be work of the simulator in the middle of somebody's turn.
        "timing": estates.Timing(restore=timedelta(hours=6), retry_after=timedelta(0)),
        # What is measured is the client; Azure's own limits are known.
        "limits": estates.Limits(reads=_NO_LIMIT, writes=_NO_LIMIT),
    }
)


@contextlib.asynccontextmanager
async def running(events: int = 0) -> AsyncIterator[dict[str, str]]:
    """Its environment, with so many events in the hub."""
    async with opposite.running("cloud", events) as process:
        yield json.loads(await opposite.line(process))


def hub_variable() -> str:
    """What its environment calls the hub's connection string."""
    return f"SIM_EVENT_HUB_{HUB.upper().replace('-', '_')}"


def event(number: int) -> bytes:
    """A body of the usual size that no other event has."""
    start = b'{"records": [{"number": %d, "text": "' % number
    end = b'"}]}'
    return start + b"x" * (EVENT_BYTES - len(start) - len(end)) + end


async def _serve(events: int) -> None:
    async with server.running(_ESTATE, server.Options(data_plane=False)) as simulator:
        for number in range(events):
            simulator.broker.publish(HUB, event(number))
        print(json.dumps(simulator.environment), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(_serve(int(sys.argv[1])))
