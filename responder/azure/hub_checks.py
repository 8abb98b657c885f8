"""Would we hear a hub? Opens it, asks every partition for its end, and closes it: nothing is read or acknowledged."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from responder.azure import errors as meanings
from responder.azure import event_hub
from responder.core import errors


class _Nothing:
    """Checkpoints that nobody asks for: asking a partition for its end claims none."""

    async def list_ownership(self, namespace: str, hub: str, group: str, /) -> Sequence[dict[str, Any]]:
        return ()

    async def claim_ownership(self, claims: list[dict[str, Any]], /) -> Sequence[dict[str, Any]]:
        return ()

    async def update(self, checkpoint: dict[str, Any], /) -> None:
        return None

    async def list(self, namespace: str, hub: str, group: str, /) -> Sequence[dict[str, Any]]:
        return ()


async def partitions(connection: event_hub.HubConnection, timeout: timedelta) -> int:
    """How many partitions the hub has, each of which answered.

    Raises:
        AzureError: it cannot be reached, or does not let us in.
    """
    await asyncio.to_thread(importlib.import_module, "responder.azure.hub_clients")
    from responder.azure import hub_clients

    await asyncio.to_thread(hub_clients.trust, connection.ca_file)
    timing = event_hub.Timing(open=timeout)
    client = None
    try:
        client = hub_clients.open_client(connection, _Nothing(), timing, _unheard, _unheard)
        ids = await client.get_partition_ids()
        for one in ids:
            await client.get_partition_properties(one)
        return len(ids)
    except Exception as error:
        why = meanings.clean(str(error)) or f"no answer within {timeout.total_seconds():g} s"
        raise errors.AzureError(
            "HubUnreachable", why, status=None, retryable=True, place=f"hub {connection.place}"
        ) from error
    finally:
        if client is not None:
            await client.close()


def _unheard(*_: object) -> None:
    """Nobody waits for reports of a client that lives for one question."""
