"""What a restored copy lacks of its source: firewall rules and server parameters, as they were while it was healthy.

https://learn.microsoft.com/azure/postgresql/backup-restore/concepts-backup-restore#common-post-restore-tasks
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One firewall rule: a range of IPv4 addresses that may connect."""

    name: str
    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One server parameter that somebody has set to something else than its default."""

    name: str
    value: str
    static: bool = False
    """It counts only after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Of one server. Only what differs from the default and can be written."""

    rules: tuple[Rule, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    restart_pending: bool = False
    """A parameter was set that counts only after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A configuration, and when it was read off the healthy server."""

    at: datetime
    configuration: Configuration


def missing_rules(wanted: Sequence[Rule], there: Sequence[Rule]) -> list[Rule]:
    """What has to be written, in the order of names; a rule of that name with other addresses is overwritten."""
    held = set(there)
    return sorted((rule for rule in wanted if rule not in held), key=lambda rule: rule.name)


def missing_parameters(wanted: Sequence[Parameter], there: Sequence[Parameter]) -> list[Parameter]:
    """What has to be set, in the order of names."""
    held = {parameter.name: parameter.value for parameter in there}
    return sorted((p for p in wanted if held.get(p.name) != p.value), key=lambda p: p.name)
