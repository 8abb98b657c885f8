"""CNAME records in public DNS zones: the switch that applications follow. It touches no record of another type.

A write names the version of the record it was decided on, so that a change by somebody else in between is refused.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

import structlog

from responder.azure import clients
from responder.azure import errors as meanings
from responder.core import errors

_log = structlog.get_logger(__name__)

_CNAME = "CNAME"
_NO_RECORD = "NotFound"
"""Azure's code for a missing record. A missing zone or group is also a 404, with other codes."""


class Zone(Protocol):
    """Where a zone is. Its resource group must not live in a region it is to help against."""

    @property
    def name(self) -> str:
        """Without a dot at the end: `db.contoso.example`."""

    @property
    def subscription_id(self) -> str: ...

    @property
    def resource_group(self) -> str: ...

    @property
    def ttl(self) -> int:
        """Seconds, for records we write."""


class Dns:
    """The records of the zones that we may write. Names are relative to the zone. All raise `AzureError`."""

    def __init__(self, to: clients.Clients) -> None:
        self._to = to

    async def read_cname(self, zone: Zone, record: str) -> str | None:
        """Where the record points, in lower case without a dot at the end; None when there is no such record.

        Raises `AzureError` when there is no such zone.
        """
        found = await self._find(zone, record)
        return _target(found) if found is not None else None

    async def point(self, zone: Zone, record: str, target: str, ttl: timedelta | None = None) -> None:
        """Make the record point at `target`. Nothing is written when it does already.

        Args:
            ttl: instead of the zone's.

        Raises `AzureError`: code `PreconditionFailed` (retryable) when the record was changed meanwhile; after
        `Ambiguous`, calling again is safe, for it looks first.
        """
        seconds = int(ttl.total_seconds()) if ttl is not None else zone.ttl
        found = await self._find(zone, record)
        if found is not None and _target(found) == _bare(target) and found.ttl == seconds:
            return
        from azure.mgmt.dns import models  # `_find` has loaded the SDK

        body = models.RecordSet(
            ttl=seconds,
            cname_record=models.CnameRecord(cname=_bare(target)),
            metadata=found.metadata if found is not None else None,  # a PUT replaces it
        )
        unchanged = {"if_match": found.etag} if found is not None else {"if_none_match": "*"}
        with meanings.translated(_place(zone, record), write=True):
            records = await self._records(zone)
            await records.create_or_update(zone.resource_group, zone.name, record, _CNAME, body, **unchanged)
        before = _target(found) if found is not None else None
        _log.info("azure.dns-pointed", record=_place(zone, record), to=_bare(target), before=before, ttl_s=seconds)

    async def _find(self, zone: Zone, record: str) -> Any:
        try:
            with meanings.translated(_place(zone, record)):
                records = await self._records(zone)
                return await records.get(zone.resource_group, zone.name, record, _CNAME)
        except errors.AzureError as error:
            if error.status == 404 and error.code == _NO_RECORD:
                return None
            raise

    async def _records(self, zone: Zone) -> Any:
        return (await self._to.dns(zone.subscription_id)).record_sets


def _target(found: Any) -> str | None:
    """None for a record that is an alias of an Azure resource instead of a name."""
    return _bare(found.cname_record.cname) if found.cname_record and found.cname_record.cname else None


def _bare(name: str) -> str:
    return name.rstrip(".").lower()


def _place(zone: Zone, record: str) -> str:
    return f"{record}.{zone.name}"
