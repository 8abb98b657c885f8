"""What is asked of Azure's PostgreSQL control plane, and what it answered, in our words.

Values only: steps speak these, and only the azure room turns them into requests. Nothing here names an SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from responder.core import errors, networks, regions, servers

CREATED_BY_TAG = "created-by"
"""Azure tag on everything we create. What does not carry it with `CREATED_BY` is not ours, and never deleted."""
CREATED_BY = "responder"
SOURCE_TAG = "responder-source"
"""Azure tag with the id of the source: a geo-restored server does not say by itself where it came from."""
RUN_TAG = "outage-run"
"""Azure tag with the id of the run that made it."""
INSTEAD_TAG = "responder-instead-of"
"""Azure tag with the id of the server whose place this one took: applications were sent to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """Restore a backup of `source` as a new server: the newest replicated one in the pair, or a moment in its region.

    The first needs no answer of the source's region.
    """

    source: servers.Server
    """As the inventory last saw it. Only its id and, for Single Server, its sku are used."""
    target_id: servers.ServerId
    """Of the server to create. Deterministic (`servers.copy_name`), so that it is found again after a crash."""
    target_region: regions.RegionName
    tags: Mapping[str, str] = field(default_factory=dict)
    """Besides `CREATED_BY_TAG` and `SOURCE_TAG`, which are always set."""
    to: datetime | None = None
    """The moment to go back to, aware UTC, from the backups in the source's own region. None: the newest geo-replicated
    backup, which is the only one that can be had in the pair."""
    zone: str = ""
    """Availability zone of the new server, of a point-in-time restore only. Empty: Azure chooses."""
    network: networks.Network | None = None
    """Where the copy of a server in a virtual network goes, of a geo-restore only. None: it is reached publicly."""

    def all_tags(self) -> dict[str, str]:
        """The tags the copy gets. Azure takes at most 256 characters in a value."""
        return tags_of(self.source, self.tags)


def tags_of(source: servers.Server, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of everything we create: those given, who made it, and from what."""
    return {**tags, CREATED_BY_TAG: CREATED_BY, SOURCE_TAG: source.id[:256]}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServer:
    """A server that we created, as Azure shows it now."""

    id: servers.ServerId
    region: regions.RegionName
    state: str
    """Azure's own word: Provisioning, Ready, Updating, ..."""
    fqdn: str
    """Empty while it has no address yet."""
    tags: Mapping[str, str] = field(default_factory=dict)
    ready: bool = False
    """Azure says Ready. That says nothing about the data plane: only a connection does."""
    replica: bool = False
    """It follows a primary, and takes no writes."""

    @property
    def ours(self) -> bool:
        """Whether we made it."""
        return self.tags.get(CREATED_BY_TAG) == CREATED_BY


@dataclass(frozen=True, slots=True, kw_only=True)
class InProgress:
    """The operation goes on."""

    retry_after: timedelta | None = None
    """How long Azure asks to wait before the next poll. None: it did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The operation ended well."""

    server: FoundServer | None = None
    """The server as it is afterwards; None for a delete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFailed:
    """The operation ended badly, and Azure said why. Polling again changes nothing."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The operation cannot be asked any more (unknown to Azure, or the token is unreadable): look at the target."""

    why: str


Progress = InProgress | Succeeded | OperationFailed | Lost
"""How far a long-running operation has come."""


def unused_copy(tags: Mapping[str, str]) -> bool:
    """Whether this is a copy of ours that nobody uses. One that took its source's place is a server like others."""
    return tags.get(CREATED_BY_TAG) == CREATED_BY and INSTEAD_TAG not in tags


def moment_of(text: str, server: servers.Server, now: datetime) -> datetime:
    """The moment that a point-in-time restore is asked to go back to, checked. Empty: as late as can be, which is now.

    Args:
        text: ISO 8601 with its offset, like 2026-11-22T10:00Z.

    Raises:
        InputError: unreadable, without an offset, in the future, or older than the backups of the server.

    https://learn.microsoft.com/azure/postgresql/backup-restore/concepts-backup-restore#point-in-time-recovery
    """
    if not text.strip():
        return now
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is not None:
            at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_moment("unreadable", f"{text[:40]!r} is not a time.", "Write it like 2026-11-22T10:00Z.") from None
    if at.tzinfo is None:
        raise _no_moment("no-offset", f"{text[:40]!r} does not say in which time zone.", "Add Z for UTC, or +01:00.")
    if at > now:
        text = f"{at:%Y-%m-%d %H:%M:%S} UTC is in the future; it is {now:%Y-%m-%d %H:%M:%S} UTC."
        raise _no_moment("future", text, "Give a moment before the mistake.")
    oldest = _oldest(server, now)
    if oldest is not None and at < oldest:
        text = (
            f"The backups of {server.name} go back to {oldest:%Y-%m-%d %H:%M:%S} UTC, not to {at:%Y-%m-%d %H:%M} UTC."
        )
        raise _no_moment("too-old", text, "Give a later moment, or restore a dump of your own.")
    return at


def _oldest(server: servers.Server, now: datetime) -> datetime | None:
    days = server.backup_retention_days
    known = [server.backups_since, now - timedelta(days=days) if days is not None else None]
    return max((at for at in known if at is not None), default=None)


def _no_moment(name: str, text: str, remedy: str) -> errors.InputError:
    return errors.InputError(f"restore.to-{name}", text, remedy=remedy, place="to")
