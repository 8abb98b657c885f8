"""Small fakes of what is behind a step's doors, and a context to stand in. They note what they were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from responder import playbook_files
from responder import steps as kinds
from responder.core import (
    announcements,
    approvals,
    changes,
    configurations,
    contexts,
    decisions,
    dumping,
    errors,
    evidence,
    playbooks,
    regions,
    restores,
    runs,
    servers,
    successions,
    tolerances,
)
from responder.flow import meaning
from responder.postgres import counts, verification
from responder.steps import doors, restore
from tests.core import cases

NOW = cases.at(6)
PLAYBOOK = playbook_files.load_all(None, kinds.KINDS)["geo-restore"]
POLL, RETRY = timedelta(seconds=30), timedelta(minutes=5)
FQDN = "copy.postgres.database.azure.com"
COPY = "/subscriptions/s/resourcegroups/g/providers/microsoft.dbforpostgresql/flexibleservers/copy"
ZONE = doors.Zone(name="db.contoso.example", subscription_id="s", resource_group="rg-dns", ttl=30)
RECORD = tolerances.Record(zone=ZONE.name, name="orders")


def azure_error(code: str, *, status: int | None = None, retryable: bool = False) -> errors.AzureError:
    return errors.AzureError(code, "said Azure", status=status, retryable=retryable)


class Azure:
    """Control plane and DNS. An answer that is an exception is raised."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.checked = False
        """Whether the step has asked, since its last effect, if the run is still in our hand."""
        self.requests: list[restores.RestoreRequest] = []
        self.restored: str | Exception = "token-1"
        self.progress: restores.Progress | Exception = restores.InProgress()
        self.found: restores.FoundServer | Exception | None = None
        self.deleted: str | Exception = "token-2"
        self.cname: str | None = "orders.postgres.database.azure.com"
        self.pointed: list[tuple[str, str]] = []
        self.changed: list[changes.Change] = []
        self.accepted: str | Exception = "token-3"
        self.configured: configurations.Configuration | Exception = configurations.Configuration()

    def effect(self, what: str) -> None:
        """Something changes out there: never without a check directly before it."""
        assert self.checked, f"{what}: whoever was frozen before it does what another has done meanwhile"
        self.checked = False
        self.asked.append(what)

    async def change(self, change: changes.Change) -> str:
        self.effect("change")
        self.changed.append(change)
        return _answer(self.accepted)

    async def poll_change(self, change: changes.Change, token: str) -> restores.Progress:
        self.asked.append(f"poll {token}")
        self.changed.append(change)
        return _answer(self.progress)

    async def configuration(self, server_id: servers.ServerId) -> configurations.Configuration:
        self.asked.append("configuration")
        return _answer(self.configured)

    async def restore(self, request: restores.RestoreRequest) -> str:
        self.effect("restore")
        self.requests.append(request)
        return _answer(self.restored)

    async def poll_restore(self, request: restores.RestoreRequest, token: str) -> restores.Progress:
        self.asked.append(f"poll {token}")
        self.requests.append(request)
        return _answer(self.progress)

    async def find(self, server_id: servers.ServerId) -> restores.FoundServer | None:
        self.asked.append("find")
        return _answer(self.found)

    async def delete(self, server_id: servers.ServerId) -> str:
        self.effect(f"delete {server_id}")
        return _answer(self.deleted)

    async def poll_delete(self, server_id: servers.ServerId, token: str) -> restores.Progress:
        self.asked.append(f"poll {token}")
        return _answer(self.progress)

    async def read_cname(self, zone: doors.Zone, record: str) -> str | None:
        self.asked.append("read_cname")
        return self.cname

    async def point(self, zone: doors.Zone, record: str, target: str) -> None:
        self.effect("point")
        self.pointed.append((f"{zone.name}/{record}", target))


class Databases:
    """What answers over the wire."""

    def __init__(self) -> None:
        self.answered = False
        self.said = ""
        self.seen = verification.Look(answers=True, sql=True, newest_row=cases.BEGAN - timedelta(minutes=20))
        self.looked_at: list[str] = []
        self.counted: dict[str, counts.Counts] = {}

    async def visit(self, server: servers.Server) -> evidence.Probe:
        return evidence.Probe(at=NOW, answered=self.answered, said=self.said)

    async def count(self, fqdn: str, since: datetime | None) -> counts.Counts:
        return self.counted.get(fqdn, counts.Counts(rows={}, why="It does not answer."))

    async def look(self, fqdn: str) -> verification.Look:
        self.looked_at.append(fqdn)
        return self.seen


class Records:
    """What the store knows."""

    def __init__(self) -> None:
        self.replicas: list[servers.Server] = []
        self.copies: list[servers.Server] = []
        self.used: list[doors.InUse] = []
        self.capture: configurations.Captured | None = None
        self.instead: successions.Succession | None = None

    async def replicas_of(self, server_id: servers.ServerId) -> list[servers.Server]:
        return self.replicas

    async def copies_of(self, server_id: servers.ServerId) -> list[servers.Server]:
        return self.copies

    async def in_use(self, server_id: servers.ServerId) -> list[doors.InUse]:
        return self.used

    async def superseded(self, server_id: servers.ServerId) -> successions.Succession | None:
        return self.instead

    async def captured(self, server_id: servers.ServerId) -> configurations.Captured | None:
        return self.capture


class Dumps:
    """The programs that copy databases."""

    def __init__(self) -> None:
        self.found = dumping.Tools(version="16")
        self.names: list[str] = ["app"]
        self.begun: list[dumping.Job] = []
        self.at: dumping.Progress | None = None

    async def tools(self, version: str) -> dumping.Tools:
        return self.found

    async def databases(self, fqdn: str) -> list[str]:
        return self.names

    async def begin(self, job: dumping.Job) -> None:
        self.begun.append(job)

    def state(self, job: dumping.Job) -> dumping.Progress | None:
        return self.at


class Outbox:
    def __init__(self) -> None:
        self.told: list[announcements.Announcement] = []

    async def put(self, announcements: list[announcements.Announcement]) -> None:
        self.told.extend(announcements)


class Stage:
    """Everything around a step, to be changed before `context`."""

    def __init__(self) -> None:
        self.azure, self.databases, self.outbox, self.records = Azure(), Databases(), Outbox(), Records()
        self.dumps = Dumps()
        self.playbook = PLAYBOOK
        self.params: Mapping[str, Any] = {}
        self.saved: list[Mapping[str, Any]] = []
        self.facts: decisions.Facts | None = cases.facts(
            NOW, copy=cases.ready(), server=server(), tolerance=tolerance()
        )
        self.decision: decisions.Decision | None = None
        self.consent: runs.Signal | None = None
        self.by = "responder"
        self.groups = {"centralus": "rg-recovery"}
        self.zones = {ZONE.name: ZONE}
        self.policy = cases.POLICY
        self.health = evidence.Health()

    def decided(self, action: decisions.Action) -> None:
        assert self.facts is not None
        taken = decisions.decide(self.facts, cases.POLICY, NOW)
        self.decision = replace(taken, action=action, playbook=decisions.PLAYBOOK_OF[action])

    def said(self, topic: runs.Topic) -> None:
        self.consent = runs.Signal(run_id=self.run().id, topic=topic, by="ana", at=NOW)

    def run(self) -> runs.Run:
        return runs.new(
            id_=runs.RunId("geo-restore.orders.QX3L-7PG@eastus2"),
            server=server(),
            outage_id=self.facts.outage.id if self.facts else None,
            playbook=self.playbook,
            params=self.params,
            by=self.by,
            now=cases.at(1),
        )

    def context(
        self,
        step: str,
        *,
        saved: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Mapping[str, Any]] | None = None,
        records: Mapping[str, runs.StepRecord] | None = None,
    ) -> doors.Context:
        found = self.playbook.step(step)
        assert found is not None
        record = runs.StepRecord(id=step, state=runs.StepState.BEGUN, attempts=1, saved=saved or {})
        facts, known = self.facts, RESTORED if outputs is None else outputs
        return doors.Context(
            run=self.run(),
            step=self._settled(found, known),
            record=record,
            outputs=known,
            records=records or {},
            situation=doors.Situation(
                server=facts.server if facts else server(),
                tolerance=facts.tolerance if facts else tolerance(),
                outage=facts.outage if facts else None,
                facts=facts,
                decision=self.decision,
                health=facts.health if facts else self.health,
                consent=self.consent,
                agreed=approvals.consent([self.consent], requester="somebody else") if self.consent else None,
            ),
            doors=doors.Doors(
                control_plane=self.azure,
                dns=self.azure,
                databases=self.databases,
                outbox=self.outbox,
                records=self.records,
                dumps=self.dumps,
                rules=doors.Rules(
                    policy=self.policy, resource_groups=self.groups, zones=self.zones, poll=POLL, retry=RETRY
                ),
            ),
            now=NOW,
            save=self._save,
            check=self._check,
        )

    def alone(self, kind: Any, **given: Any) -> doors.Context:
        """A context for a step kind that no shipped playbook uses, with these settings."""
        ctx = self.context("restore", outputs={})
        step = playbooks.Step(id="alone", kind=kind.__name__, settings=given)
        return replace(ctx, step=meaning.settled(step, playbooks.described(kind.__name__, kind), None))

    def _settled(self, step: playbooks.Step, outputs: Mapping[str, Mapping[str, Any]]) -> playbooks.Step:
        """The step as the stage of runs gives it to its kind: every expression filled in."""
        facts = self.facts
        situation = contexts.Situation(
            server=facts.server if facts else server(),
            tolerance=facts.tolerance if facts else tolerance(),
            outage=facts.outage if facts else None,
            decision=self.decision,
            run=replace(self.run(), step=step.id),
        )
        records = {id_: runs.StepRecord(id=id_, state=runs.StepState.DONE, output=o) for id_, o in outputs.items()}
        known = meaning.values(situation, records, kinds.BUILT_IN.declared)
        return meaning.settled(step, kinds.BUILT_IN.declared[step.kind], meaning.given(step, known))

    def _check(self) -> None:
        self.azure.checked = True

    async def _save(self, saved: Mapping[str, Any]) -> None:
        self.azure.checked = False  # it takes its time
        self.azure.asked.append("save")
        self.saved.append(saved)


RESTORED: Mapping[str, Mapping[str, Any]] = {
    "restore": {"verdict": "restored", "copy": COPY, "fqdn": FQDN, "region": "centralus"},
    "verify": {"sql": True, "data_loss_s": 1200.0},
}


def server(**changes: Any) -> servers.Server:
    return cases.server(**({"fqdn": "orders.postgres.database.azure.com"} | changes))


def tolerance(**changes: Any) -> tolerances.Tolerance:
    return cases.tolerance(4, 1, **({"dns": RECORD, "owner": "team-orders"} | changes))


def found(*, run: str | None = None, ready: bool = True) -> restores.FoundServer:
    """The copy as Azure shows it, with the tag of a run."""
    tags = {} if run is None else {restore.TAG_RUN: run}
    return restores.FoundServer(
        id=servers.server_id(COPY),
        region=regions.RegionName("centralus"),
        state="Ready" if ready else "Provisioning",
        fqdn=FQDN if ready else "",
        tags=tags,
        ready=ready,
    )


def _answer(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value
