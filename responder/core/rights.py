"""What the identity must be allowed, role by role, and what of it is missing. Says nothing of who gave it.

`deploy/role-*.json` are the same lists; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

_SERVERS = "Microsoft.DBforPostgreSQL"
_OWN = "Microsoft.Authorization/permissions/read"
"""Seeing what one is allowed oneself."""
_KINDS = ("flexibleServers", "servers")

READER = frozenset(
    {
        _OWN,
        "Microsoft.Resources/subscriptions/read",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.ResourceGraph/resources/read",
        "Microsoft.ResourceHealth/events/read",
        f"{_SERVERS}/locations/azureAsyncOperation/read",
        f"{_SERVERS}/locations/operationResults/read",
        f"{_SERVERS}/locations/capabilities/read",
        f"{_SERVERS}/locations/performanceTiers/read",
        f"{_SERVERS}/locations/resourceType/usages/read",
        *(f"{_SERVERS}/{kind}/read" for kind in _KINDS),
        *(f"{_SERVERS}/{kind}/{child}/read" for kind in _KINDS for child in ("firewallRules", "configurations")),
    }
)
"""On every subscription that is looked after."""
WRITER = frozenset(
    {
        _OWN,
        *(f"{_SERVERS}/{kind}/{verb}" for kind in _KINDS for verb in ("read", "write", "delete")),
        *(
            f"{_SERVERS}/{kind}/{child}/{verb}"
            for kind in _KINDS
            for child in ("firewallRules", "configurations")
            for verb in ("read", "write")
        ),
    }
)
"""On the resource groups for copies."""
DNS = frozenset(
    {_OWN, *(f"Microsoft.Network/dnsZones/{what}" for what in ("read", "CNAME/read", "CNAME/write"))},
)
"""On the zones that applications follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one assignment allows: patterns of actions, less those that it leaves out.

    https://learn.microsoft.com/azure/role-based-access-control/role-definitions#actions
    """

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        """Whether this assignment alone is enough for it."""
        return _matches(action, self.actions) and not _matches(action, self.not_actions)


def missing(wanted: Collection[str], grants: Sequence[Grant]) -> tuple[str, ...]:
    """What no assignment allows, in order of name."""
    return tuple(sorted(action for action in wanted if not any(grant.allows(action) for grant in grants)))


def for_kinds(wanted: Collection[str], *, single: bool) -> frozenset[str]:
    """Without the rights on Single Servers where there is none."""
    return frozenset(a for a in wanted if single or not a.startswith(f"{_SERVERS}/servers/"))


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
