"""What steps may reach, as small ports. The service puts the real things behind them; a step knows no SDK."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import structlog

from responder.core import (
    announcements,
    calls,
    changes,
    configurations,
    controls,
    cutovers,
    decisions,
    dumping,
    errors,
    evidence,
    outages,
    playbooks,
    regions,
    restores,
    runs,
    servers,
    successions,
    tolerances,
)

_log = structlog.get_logger(__name__)


class ControlPlane(Protocol):
    """Creating, changing and deleting copies. It never reads a source server. All raise `AzureError`; after code
    `Ambiguous` nobody knows whether a write was taken: look at the target before anything else."""

    async def restore(self, request: restores.RestoreRequest) -> str: ...

    async def poll_restore(self, request: restores.RestoreRequest, token: str) -> restores.Progress: ...

    async def find(self, server_id: servers.ServerId) -> restores.FoundServer | None: ...

    async def delete(self, server_id: servers.ServerId) -> str: ...

    async def poll_delete(self, server_id: servers.ServerId, token: str) -> restores.Progress: ...

    async def change(self, change: changes.Change) -> str: ...

    async def poll_change(self, change: changes.Change, token: str) -> restores.Progress: ...

    async def configuration(self, server_id: servers.ServerId) -> configurations.Configuration: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """A copy or a promoted replica that applications were sent to."""

    server_id: servers.ServerId
    run_id: str
    at: datetime | None
    """When."""
    recovery_point: datetime | None
    """Of the newest row it had then; None: not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A DNS zone that we may write CNAME records in."""

    name: str
    subscription_id: str
    resource_group: str
    ttl: int


class Dns(Protocol):
    """The records that applications follow."""

    async def read_cname(self, zone: Zone, record: str) -> str | None: ...

    async def point(self, zone: Zone, record: str, target: str) -> None: ...


class Look(Protocol):
    """What a look at a copy by SQL showed."""

    @property
    def answers(self) -> bool: ...
    @property
    def sql(self) -> bool: ...
    @property
    def newest_row(self) -> datetime | None: ...
    @property
    def used_bytes(self) -> int | None: ...
    @property
    def replica(self) -> bool: ...
    @property
    def why(self) -> str: ...


class Counts(Protocol):
    """How many rows a server has, by table."""

    @property
    def rows(self) -> Mapping[str, int]: ...
    @property
    def uncounted(self) -> Sequence[str]: ...
    @property
    def why(self) -> str: ...


class Databases(Protocol):
    """PostgreSQL over the wire."""

    async def visit(self, server: servers.Server) -> evidence.Probe:
        """One look, as deep as it goes."""
        ...

    async def look(self, fqdn: str) -> Look: ...

    async def count(self, fqdn: str, since: datetime | None) -> Counts: ...


class Records(Protocol):
    """What the store knows of the estate and of earlier runs."""

    async def replicas_of(self, server_id: servers.ServerId) -> Sequence[servers.Server]:
        """Its read replicas, as the inventory last saw them."""
        ...

    async def copies_of(self, server_id: servers.ServerId) -> Sequence[servers.Server]:
        """The servers that we made from it, as the inventory last saw them."""
        ...

    async def in_use(self, server_id: servers.ServerId) -> Sequence[InUse]:
        """What applications were sent to instead of it, by the journal of its runs; the newest first."""
        ...

    async def superseded(self, server_id: servers.ServerId) -> successions.Succession | None:
        """What took its place, if it is not the live server; None: it is."""
        ...

    async def captured(self, server_id: servers.ServerId) -> configurations.Captured | None:
        """Its configuration as it was while it was healthy; None: never captured."""
        ...


class Dumps(Protocol):
    """Copies databases by programs that run beside us, for as long as this process lives."""

    async def tools(self, version: str) -> dumping.Tools: ...

    async def databases(self, fqdn: str) -> Sequence[str]:
        """Those of people, by name. Raises `RefusedError` when the server cannot be asked."""
        ...

    async def begin(self, job: dumping.Job) -> None:
        """Empty the database at the target, whatever holds it, and begin to fill it."""
        ...

    def state(self, job: dumping.Job) -> dumping.Progress | None:
        """None: this process has not begun it, or its end has been told."""
        ...


class Outbox(Protocol):
    """Where announcements wait to be delivered."""

    async def put(self, announcements: list[announcements.Announcement]) -> None: ...


class Http(Protocol):
    """Other systems over HTTP, as far as the settings list them."""

    def judge(self, call: calls.Call) -> None: ...

    async def send(self, call: calls.Call) -> calls.Answer: ...


class Programs(Protocol):
    """Programs of this machine, as far as the settings list them."""

    def judge(self, program: str) -> None: ...

    async def run(
        self, program: str, arguments: Sequence[str], variables: Mapping[str, str], limit: timedelta
    ) -> calls.Ended: ...


class Closed:
    """A door that leads nowhere."""

    def __getattr__(self, name: str) -> Any:
        text = f"This step may not ask for anything here ({name})."
        raise errors.InputError("doors.closed", text, remedy="Nothing is set up behind that door.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that steps need."""

    policy: decisions.Policy
    resource_groups: Mapping[str, str]
    """Target region -> resource group in it."""
    zones: Mapping[str, Zone]
    poll: timedelta
    retry: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Everything outside that a step may use."""

    control_plane: ControlPlane
    dns: Dns
    databases: Databases
    outbox: Outbox
    records: Records
    dumps: Dumps
    rules: Rules
    http: Http = field(default_factory=lambda: cast("Http", Closed()))
    programs: Programs = field(default_factory=lambda: cast("Programs", Closed()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of the run's server at this moment, read from the store."""

    server: servers.Server
    tolerance: tolerances.Tolerance
    outage: outages.Outage | None
    """None for a run that a human started without an outage."""
    facts: decisions.Facts | None
    """The facts a decision would be taken on now; None without an outage."""
    decision: decisions.Decision | None
    """The newest decision; None when none was taken."""
    health: evidence.Health = field(default_factory=evidence.Health)
    """What our probes have shown so far, with an outage or without."""
    consent: runs.Signal | None = None
    """The newest approve or decline."""
    agreed: cutovers.Consent | None = None
    """What all approvals and refusals amount to, by as many people as it takes."""
    said: controls.Standing = field(default_factory=controls.Standing)
    """What all words to the run amount to: hold, go-now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step is given."""

    run: runs.Run
    step: playbooks.Step
    record: runs.StepRecord
    outputs: Mapping[str, Mapping[str, Any]]
    """Outputs of the steps that are done, by step id."""
    records: Mapping[str, runs.StepRecord] = field(default_factory=dict)
    """Of every step that was begun, by step id: a failed one has no output, and may have left something behind."""
    situation: Situation
    doors: Doors
    now: datetime
    save: Callable[[Mapping[str, Any]], Awaitable[None]] = field(repr=False)
    """Remember an effect's handle durably, before anything else happens. Raises when the run is no longer ours."""
    check: Callable[[], None] = field(default=lambda: None, repr=False)
    """To be called directly before an effect, with nothing awaited in between. Raises when the run may no longer be
    ours: another instance may have taken it over while this process was frozen, or cut off from the store."""

    @property
    def by_hand(self) -> bool:
        """A human started this run: it does what it says, without asking a decision first."""
        return self.run.created_by != "responder"

    def look_again(self, error: errors.AzureError) -> runs.Wait:
        """After a look at an operation that got no good answer: that is no failed attempt, however often it happens.

        Raises the error itself when looking again is of no use.
        """
        if not error.retryable:
            raise error
        _log.warning("step.look-failed", **self.run.log_context(), error=str(error))
        after = max(self.doors.rules.poll, error.retry_after or timedelta())
        return runs.Wait(until=self.now + after, topic="operation")

    def next_review(self) -> datetime:
        """When to look again at a decision that stays as it is. A decision that changes wakes the run by itself."""
        decision = self.situation.decision
        if decision is not None and decision.review_at > self.now:
            return decision.review_at
        return self.now + self.doors.rules.policy.review

    def target_region(self) -> regions.RegionName | None:
        """The region a copy of this server goes to."""
        return regions.pair_of(self.situation.server.region)

    def dns_record(self) -> tuple[Zone, str] | None:
        """The record that applications follow to this server, in its zone; None when its owner declared none.

        Raises:
            InputError: the zone is not configured.
        """
        record = self.situation.tolerance.dns
        if record is None:
            return None
        zone = self.doors.rules.zones.get(record.zone)
        if zone is None:
            raise errors.InputError(
                "dns.unknown-zone",
                f"The zone {record.zone} of tag outage-dns is not configured.",
                remedy=f"Add dns_zones.{record.zone} with its subscription and resource group to the settings.",
            )
        return zone, record.name

    def setting(self, name: str, default: Any = None) -> Any:
        """What the playbook says under `with`; else the default."""
        found = self.step.settings.get(name)
        return default if found in (None, "") else found

    def copy(self) -> Mapping[str, Any]:
        """The output that names the server which stands in for the run's own (`copy`, `fqdn`, `region`)."""
        return next((found for kind in runs.MAKERS if (found := self.output_of(kind)).get("copy")), {})

    def output_of(self, kind: str) -> Mapping[str, Any]:
        """The output of this run's step of that kind; empty when it has none.

        Of a run that has made a newer copy: of the copy that counts, or the one that this step makes ready.
        """
        others = runs.not_meant(self.run, self.step, self.outputs)
        for step in self.run.playbook.steps:
            if step.kind == kind and step.id in self.outputs and step.id not in others:
                return self.outputs[step.id]
        return {}
