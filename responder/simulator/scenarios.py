"""Scenario files: what happens in the simulated cloud, and when.

Descriptions only: they are played by `player`. Times in a file are durations from the start of the scenario; the times
a bulletin speaks of are relative to the moment it is published, unless they are written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import pydantic

from responder.simulator import bulletins, descriptions, publisher, switches
from responder.simulator.bulletins import vocabulary


class ScenarioError(ValueError):
    """A scenario file cannot be used. The message names the file, the field and the remedy."""


def _fault_kind(kind: str) -> str:
    try:
        return switches.check_kind(kind)
    except switches.UnknownFault as error:
        raise ValueError(str(error)) from error


FaultKind = Annotated[str, pydantic.AfterValidator(_fault_kind)]
Channel = Annotated[str, pydantic.AfterValidator(publisher.check_channel)]
Landmark: TypeAlias = Literal["region_down", "region_up"]
Moment = Annotated[Landmark | timedelta | pydantic.AwareDatetime, pydantic.Field(union_mode="left_to_right")]
"""`-PT2S`: so long before it is published; `region_down`: when the scenario last took a region down; or a time"""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Bulletin(_Part):
    """A bulletin whose times are not fixed yet. The fields are those of `bulletins.Bulletin`."""

    tracking_id: str = pydantic.Field(pattern=r"^[A-Z0-9_-]{3,16}$")
    title: str
    text: str = ""
    kind: vocabulary.Kind = "incident"
    stage: vocabulary.Stage = ""
    status: vocabulary.Status = ""
    level: vocabulary.Level = "Warning"
    services: tuple[str, ...] = ("Azure Database for PostgreSQL flexible servers",)
    regions: tuple[str, ...]
    impact_start: Moment = timedelta(0)
    impact_mitigation: Moment | None = None
    updated_at: Moment = timedelta(0)
    synthetic: bool = False
    portal_test: bool = False
    tags: tuple[str, ...] = ()
    communication_id: str = ""
    subscription_id: str | None = None
    """Left out: one copy for each subscription of the estate, as Azure sends them."""

    @pydantic.model_validator(mode="after")
    def _has_a_shape(self) -> Self:
        # Any times will do: what can be wrong about a bulletin does not depend on them.
        noon = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
        self.published(noon, subscription_ids=("",), landmarks={"region_down": noon, "region_up": noon})
        return self

    @property
    def landmarks(self) -> frozenset[Landmark]:
        """The moments of the scenario that it refers to."""
        mentioned: set[Landmark] = set()
        for moment in (self.impact_start, self.impact_mitigation, self.updated_at):
            if isinstance(moment, str):
                mentioned.add(moment)
        return frozenset(mentioned)

    def published(
        self, now: datetime, *, subscription_ids: tuple[str, ...], landmarks: Mapping[Landmark, datetime]
    ) -> tuple[bulletins.Bulletin, ...]:
        """The bulletin as of `now`, one for each subscription it goes to. Raises ValueError for an unmet landmark."""

        def fixed(moment: Landmark | timedelta | datetime) -> datetime:
            if isinstance(moment, timedelta):
                return now + moment
            if isinstance(moment, datetime):
                return moment
            if moment not in landmarks:
                raise ValueError(f"bulletin {self.tracking_id}: '{moment}' has not happened yet; give a time instead")
            return landmarks[moment]

        common: dict[str, Any] = self.model_dump(exclude={"subscription_id"}) | {
            "impact_start": fixed(self.impact_start),
            "impact_mitigation": None if self.impact_mitigation is None else fixed(self.impact_mitigation),
            "updated_at": fixed(self.updated_at),
        }
        to = subscription_ids if self.subscription_id is None else (self.subscription_id,)
        return tuple(bulletins.Bulletin(**common, subscription_id=subscription_id) for subscription_id in to)


class Step(_Part):
    """One thing that happens."""

    at: timedelta = pydantic.Field(ge=timedelta(0))
    bulletin: Bulletin | None = None
    channels: tuple[Channel, ...] = ()
    times: int = pydantic.Field(default=1, ge=1, le=100)
    region_down: descriptions.Region | None = None
    region_up: descriptions.Region | None = None
    fault: Mapping[FaultKind, Mapping[str, Any]] | None = None
    """By the names of the control endpoint: `{refuse_capacity: {region: centralus}}`."""
    end: Literal[True] | None = None

    @pydantic.model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        actions = ("bulletin", "region_down", "region_up", "fault", "end")
        said = [name for name in actions if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"a step has exactly one of {', '.join(actions)}; this has {', '.join(said) or 'none'}")
        if (self.bulletin is not None) != bool(self.channels):
            raise ValueError("`channels` says where a `bulletin` goes; a step has both or neither")
        if self.bulletin is None and self.times != 1:
            raise ValueError("`times` repeats the delivery of a bulletin; remove it")
        return self

    @property
    def summary(self) -> str:
        """The step in a few words, for people who watch."""
        if self.bulletin is not None:
            return f"{self.bulletin.tracking_id}: {self.bulletin.title} -> {', '.join(self.channels)}"
        if self.region_down is not None:
            return f"{self.region_down} goes down"
        if self.region_up is not None:
            return f"{self.region_up} comes back"
        return "faults: " + ", ".join(self.fault) if self.fault is not None else "the end"


class Scenario(_Part):
    """A whole scenario file."""

    title: str
    steps: tuple[Step, ...] = pydantic.Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Self:
        passed: set[Landmark] = set()
        ended = False
        last = timedelta(0)
        for number, step in enumerate(self.steps):
            if ended:
                raise ValueError(f"steps.{number}: nothing happens after the end; remove it or move the end")
            if step.at < last:
                raise ValueError(f"steps.{number}: it happens before the step above it; put the steps in order")
            if step.bulletin is not None and (unmet := step.bulletin.landmarks - passed):
                name = sorted(unmet)[0]
                raise ValueError(f"steps.{number}: no step above it has `{name}`; give a time such as -PT2S instead")
            passed |= {"region_down"} if step.region_down else {"region_up"} if step.region_up else set()
            ended = step.end is True
            last = step.at
        return self

    @property
    def hubs(self) -> frozenset[str]:
        """The event hubs it publishes to; the estate has to have them."""
        return frozenset(hub for step in self.steps for c in step.channels if (hub := publisher.hub_of(c)) is not None)


_KIND = descriptions.Kind(name="scenario", folder="plays", model=Scenario, error=ScenarioError)


def load(path: Path) -> Scenario:
    """The scenario in a YAML file. Raises `ScenarioError`."""
    return _KIND.load(path)


def load_shipped(name: str) -> Scenario:
    """A scenario that comes with the package: `region-outage`, `noise`. Raises `ScenarioError` that lists them."""
    return _KIND.load_shipped(name)


def parse(text: str, *, source: str = "scenario") -> Scenario:
    """The scenario in a YAML text; `source` is what errors call it. Raises `ScenarioError`."""
    return _KIND.parse(text, source=source)
