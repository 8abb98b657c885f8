"""What is asked of Azure's PostgreSQL control plane, and what it answered, in our words.

Values only: steps speak these, and only the azure room turns them into requests. Nothing here names an SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from responder.core import regions, servers

CREATED_BY_TAG = "created-by"
"""Azure tag on everything we create. What does not carry it with `CREATED_BY` is not ours, and never deleted."""
CREATED_BY = "responder"
SOURCE_TAG = "responder-source"
"""Azure tag with the id of the source: a geo-restored server does not say by itself where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """Geo-restore the newest replicated backup of `source` as a new server. Needs no answer of the source's region."""

    source: servers.Server
    """As the inventory last saw it. Only its id and, for Single Server, its sku are used."""
    target_id: servers.ServerId
    """Of the server to create. Deterministic (`servers.copy_name`), so that it is found again after a crash."""
    target_region: regions.RegionName
    tags: Mapping[str, str] = field(default_factory=dict)
    """Besides `CREATED_BY_TAG` and `SOURCE_TAG`, which are always set."""

    def all_tags(self) -> dict[str, str]:
        """The tags the copy gets. Azure takes at most 256 characters in a value."""
        return {**self.tags, CREATED_BY_TAG: CREATED_BY, SOURCE_TAG: self.source.id[:256]}


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
