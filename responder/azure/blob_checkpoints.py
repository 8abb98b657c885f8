"""Event Hubs' checkpoints in Azure Blob Storage: how instances that share nothing else share out the partitions.

Needs the optional package of the extra `blob`. The container must exist; nothing here makes or deletes one.
https://learn.microsoft.com/azure/event-hubs/event-processor-balance-partition-load#checkpoint
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from responder.core import errors

_SDK = "azure.eventhub.extensions.checkpointstoreblobaio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the blobs are: by account and credential, or by connection string."""

    container: str
    account_url: str = ""
    """`https://ACCOUNT.blob.core.windows.net`."""
    connection_string: str | None = field(default=None, repr=False)
    """Holds the key: a secret."""
    credential: Any = field(default=None, repr=False)
    """An azure-identity aio credential; it is not closed here."""


class BlobCheckpoints:
    """Implements `event_hub.Checkpoints`. One attempt each: whoever asks, asks again."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def list_ownership(self, namespace: str, hub: str, group: str, /) -> Sequence[dict[str, Any]]:
        """Who reads which partition."""
        return list(await self._store.list_ownership(namespace, hub, group))

    async def claim_ownership(self, claims: list[dict[str, Any]], /) -> Sequence[dict[str, Any]]:
        """Claim by compare-and-set on the blob's etag."""
        return list(await self._store.claim_ownership(claims))

    async def update(self, checkpoint: dict[str, Any], /) -> None:
        """Remember how far a partition is read."""
        await self._store.update_checkpoint(checkpoint)

    async def list(self, namespace: str, hub: str, group: str, /) -> Sequence[dict[str, Any]]:
        """How far each partition is read."""
        return list(await self._store.list_checkpoints(namespace, hub, group))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._store.__aexit__(None, None, None)


def open_checkpoints(place: Place, timeout: timedelta) -> BlobCheckpoints:
    """Contacts nobody yet. Close it when done.

    Args:
        timeout: for connecting, and for each answer.

    Raises:
        InputError: `settings.blob-extra` (the package is missing), `settings.blob-place` (not an address).
    """
    try:
        sdk = importlib.import_module(_SDK)
    except ImportError as error:
        raise errors.InputError(
            "settings.blob-extra",
            "Checkpoints in Blob Storage need a package that is not installed.",
            remedy="Install azure-postgresql-responder[blob], or leave out event_hubs.checkpoints.",
        ) from error
    # It logs every refused claim and every failure, with URLs; what matters comes to us as exceptions.
    logging.getLogger(_SDK).setLevel(logging.ERROR)
    seconds = timeout.total_seconds()
    options = {"retry_total": 0, "connection_timeout": seconds, "read_timeout": seconds}
    store = sdk.BlobCheckpointStore
    try:
        if place.connection_string is not None:
            return BlobCheckpoints(store.from_connection_string(place.connection_string, place.container, **options))
        return BlobCheckpoints(store(place.account_url, place.container, credential=place.credential, **options))
    except ValueError as error:
        raise errors.InputError(
            "settings.blob-place",
            "The storage account of the checkpoints cannot be understood.",
            remedy="Give account_url as https://ACCOUNT.blob.core.windows.net, or a whole connection string.",
            place="event_hubs.checkpoints",
        ) from error
