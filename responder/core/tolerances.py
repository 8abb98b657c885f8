"""What the owner of a server declared it can bear: Azure tags over defaults. Read, never guessed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from responder.core import durations, errors

E = TypeVar("E", bound=StrEnum)


_NAMES = (
    "rto",
    "rpo",
    "cutover",
    "priority",
    "hedge",
    "dns",
    "target-group",
    "owner",
    "run",
    "cost-per-hour",
    "cost-of-loss",
    "max-copy",
    "mode",
    "probe",
    "network",
)
_TAGS = tuple(f"outage-{name}" for name in _NAMES)


class Cutover(StrEnum):
    """Who may send the applications to a copy that lacks the newest data."""

    AUTO = "auto"
    ASK = "ask"
    NEVER = "never"


class Hedge(StrEnum):
    """When a copy is started before it is known to be needed. The cut-over is as late for each."""

    EAGER = "eager"
    """Early: an hour after the impact."""
    LAZY = "lazy"
    """As late as the RTO allows with high probability."""
    OFF = "off"
    """No insurance: only when half of the restores would come too late. For who pays for copies and can bear a miss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The DNS record that applications use to reach the server: `zone/record`."""

    zone: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """One server's declaration. Undeclared is a value, too: the server then waits and its owner is told."""

    rto: timedelta | None = None
    """How long it may be unreachable, counted from the impact start. Tag `outage-rto`. None: undeclared."""
    rto_by_default: bool = field(default=False, compare=False)
    """The RTO is the organisation's, and not the owner's."""
    rpo: timedelta | None = None
    """How much of the newest data may be lost. Tag `outage-rpo`. None: any loss needs a human."""
    cutover: Cutover = Cutover.ASK
    priority: int = 3
    """1 is restored first, 5 last."""
    hedge: Hedge = Hedge.LAZY
    dns: Record | None = None
    target_group: str | None = None
    """Resource group for the copy. It must lie outside the failed region. None: the settings' default."""
    owner: str | None = None
    cost_per_hour: float | None = None
    """What an hour of downtime costs, in any currency. Tag `outage-cost-per-hour`. None: not declared."""
    cost_of_loss: float | None = None
    """What cutting over costs: the data lost and putting it right, in the same currency. Tag `outage-cost-of-loss`."""
    max_copy: timedelta | None = None
    """How long a copy may be paid for. Tag `outage-max-copy`. None: as long as it takes."""
    remarks: tuple[str, ...] = ()
    """Tags that look like ours and are not, each in a sentence: a typing error changes nothing and must not hide."""
    problems: tuple[str, ...] = field(default=())
    """Tags that could not be read, each in a sentence with its remedy. With any problem the server is undeclared."""

    @property
    def declared(self) -> bool:
        """Whether the owner said how long the server may be away, readably."""
        return self.rto is not None and not self.problems

    @property
    def limit(self) -> timedelta | None:
        """When losing data becomes better than waiting: the RTO, or sooner where both costs are declared and break
        even before. None: undeclared."""
        if self.rto is None or self.cost_of_loss is None or not self.cost_per_hour:
            return self.rto
        hours = self.cost_of_loss / self.cost_per_hour
        return self.rto if hours >= self.rto / _HOUR else timedelta(hours=hours)


_HOUR = timedelta(hours=1)


def read(tags: Mapping[str, str], *, defaults: Tolerance | None = None) -> Tolerance:
    """Read the `outage-*` tags of a server over the organisation's defaults.

    A tag that cannot be read never raises: it is a problem shown in `responder inventory` and makes the server
    undeclared, because half a declaration could cost data nobody agreed to lose.
    """
    base, found = defaults or Tolerance(), _Tags(tags)
    return Tolerance(
        rto=found.duration("rto", base.rto),
        rto_by_default=base.rto is not None and found.text("rto") is None,
        rpo=found.duration("rpo", base.rpo),
        cutover=found.choice("cutover", Cutover, base.cutover),
        priority=found.priority(base.priority),
        hedge=found.choice("hedge", Hedge, base.hedge),
        dns=found.record() or base.dns,
        target_group=found.text("target-group") or base.target_group,
        owner=found.text("owner") or base.owner,
        cost_per_hour=found.money("cost-per-hour", base.cost_per_hour),
        cost_of_loss=found.money("cost-of-loss", base.cost_of_loss),
        max_copy=found.duration("max-copy", base.max_copy),
        problems=tuple(found.problems),
        remarks=(
            *(_remark(name) for name in found.given if name.startswith("outage") and name not in _TAGS),
            *(f"tag {name} is empty and is ignored." for name in _TAGS if found.given.get(name) == ""),
            *_vain(found, base),
            *found.mode(),
        ),
    )


def probe_login(tags: Mapping[str, str]) -> str | None:
    """The login that probes of this server use (tag `outage-probe`), by its name in the settings; `none` is no name.

    None: it has no such tag, and the default of the settings counts.
    """
    return _Tags(tags).text("probe")


def network(tags: Mapping[str, str]) -> str | None:
    """The network for the server's copy (tag `outage-network`), by its name in the settings. None: no such tag."""
    return _Tags(tags).text("network")


class _Tags:
    """The tags of one server while they are read: what cannot be read becomes a problem, and the default stands in."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        self.given = {key.strip().lower(): value.strip() for key, value in tags.items()}
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        """The tag `outage-name`; an empty one is none."""
        return self.given.get(f"outage-{name}") or None

    def duration(self, name: str, default: timedelta | None) -> timedelta | None:
        text = self.text(name)
        if text is None:
            return default
        try:
            return durations.parse(text, place=f"tag outage-{name}")
        except errors.InputError as error:
            self.problems.append(str(error))
            return None

    def choice(self, name: str, kind: type[E], default: E) -> E:
        text = self.text(name)
        if text is None:
            return default
        try:
            return kind(text.lower())
        except ValueError:
            self.problems.append(f"tag outage-{name}: {text[:40]!r} is none of {', '.join(kind)}. Choose one of them.")
            return default

    def priority(self, default: int) -> int:
        text = self.text("priority")
        if text is None:
            return default
        if text in {"1", "2", "3", "4", "5"}:
            return int(text)
        self.problems.append(f"tag outage-priority: {text[:40]!r} is not a number from 1 (first) to 5 (last).")
        return default

    def mode(self) -> tuple[str, ...]:
        """A remark when `outage-mode` is neither of its words; what it means is for `shadows` to say."""
        text = self.text("mode")
        if text is None or text.lower() in ("act", "shadow"):
            return ()
        return (f"tag outage-mode: {text[:40]!r} is neither act nor shadow, and counts as shadow: nothing is started.",)

    def money(self, name: str, default: float | None) -> float | None:
        text = self.text(name)
        if text is None:
            return default
        plain = text.replace("_", "").replace("'", "")
        if re.fullmatch(r"\d{1,15}(\.\d+)?", plain):
            return float(plain)
        self.problems.append(f"tag outage-{name}: {text[:40]!r} is no amount. Write it like 1000 or 1000.50.")
        return None

    def record(self) -> Record | None:
        text = self.text("dns")
        if text is None:
            return None
        zone, slash, name = text.partition("/")
        if slash and zone and name and "/" not in name:
            return Record(zone=zone.lower(), name=name.lower())
        self.problems.append(
            f"tag outage-dns: {text[:60]!r} is not `zone/record`. Write it like db.contoso.example/orders."
        )
        return None


def _vain(found: _Tags, base: Tolerance) -> tuple[str, ...]:
    """Consent without an RTO: whoever gave it thinks that something would be done."""
    if found.text("rto") or base.rto or not (found.text("cutover") or found.text("rpo")):
        return ()
    return ("outage-rto is missing, so its other tags change nothing: it is undeclared and would wait.",)


def _remark(name: str) -> str:
    near = difflib.get_close_matches(name, _TAGS, n=1)
    return f"tag {name} is not known and is ignored." + (f" Did you mean {near[0]}?" if near else "")
