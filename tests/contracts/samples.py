"""Small values of the core for the store's contract; every field that matters to a test is an argument."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.core import (
    announcements,
    decisions,
    events,
    evidence,
    outages,
    playbooks,
    reasons,
    regions,
    runs,
    servers,
    services,
    tolerances,
)
from responder.store import codec, intake, stores

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EAST = regions.RegionName("eastus")

PLAYBOOK = playbooks.Playbook(
    name="geo-restore",
    title="Geo-restore",
    purpose="Bring the server up elsewhere",
    steps=(
        playbooks.Step(id="restore", kind="restore", settings={"size": 2, "deep": {"list": [1, None]}}),
        playbooks.Step(
            id="verify",
            kind="verify",
            when=(playbooks.Condition(step="restore", output="verdict", equals=("yes",)),),
        ),
    ),
    parameters=(playbooks.Parameter(name="wait", type="number", default=1.5),),
)


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def arrival(key: str, *, source: str = "hub", minutes: float = 0) -> intake.Arrival:
    return intake.Arrival(
        source=source, key=key, body=f"body of {key}".encode(errors="replace"), received_at=at(minutes)
    )


OLD_ARRIVAL = """
    INSERT INTO arrivals (source, key, body, received_at)
    VALUES ('hub', '0/1', ?, '2026-11-22T12:00:00.000000+00:00')
"""
"""As the first schema kept it."""


def fill_as_the_first_schema(connection: Any) -> None:
    """An arrival, a run in the middle of its steps and a word to it, as the very first schema keeps them."""
    connection.execute(OLD_ARRIVAL, (b"body of old",))
    old, said = run("old"), signal("old")
    noon = codec.stamp(NOON)
    connection.execute(
        """
        INSERT INTO runs (id, server_id, outage_id, playbook, params, state, step, created_at, created_by, fence,
                          wake_at, waiting_for, ended_at, why, signalled_at)
        VALUES (?, ?, NULL, ?, '{}', 'waiting', 'restore', ?, 'ada', 3, ?, 'operation', NULL, '', ?)
        """,
        (old.id, old.server_id, codec.dump(old.playbook, playbooks.Playbook), noon, noon, noon),
    )
    connection.execute(
        """
        INSERT INTO runs (id, server_id, outage_id, playbook, params, state, step, created_at, created_by, fence,
                          wake_at, waiting_for, ended_at, why, signalled_at)
        VALUES ('moved', ?, NULL, ?, '{}', 'done', NULL, ?, 'ada', 3, NULL, NULL, ?, '', NULL)
        """,
        (server_id("moved"), codec.dump(old.playbook, playbooks.Playbook), noon, noon),
    )
    sent = {"verdict": "cut-over", "copy": server_id("COPY"), "at": NOON.isoformat(), "record": None}
    body = codec.dump(record("cut-over", runs.StepState.DONE, output=sent), runs.StepRecord)
    connection.execute("INSERT INTO steps (run_id, id, state, body) VALUES ('moved', 'cut-over', 'done', ?)", (body,))
    body = codec.dump(record(), runs.StepRecord)
    told = ("s|ABCD-123|old|active", noon, codec.dump(event("old"), events.HealthEvent))
    connection.execute("INSERT INTO events (identity, arrival_id, received_at, body) VALUES (?, 1, ?, ?)", told)
    connection.execute("INSERT INTO steps (run_id, id, state, body) VALUES ('old', 'restore', 'begun', ?)", (body,))
    connection.execute(
        "INSERT INTO signals (run_id, topic, by, at, payload) VALUES ('old', ?, ?, ?, '{}')",
        (said.topic, said.by, noon),
    )


async def all_is_there(store: stores.Store, oldest: int = 1) -> None:
    """What was kept before, whatever schema it went through; and the run goes on from it.

    Args:
        oldest: the schema it was kept by. That of 17 and later knows successions, and writes them itself.
    """
    assert [received.body for received in await store.intake.pending()] == [b"body of old"]
    assert await store.polls.asked_at("rest:a") is None
    assert await store.runs.steps(runs.RunId("old")) == {"restore": record()}
    claimed = await store.runs.claim(at(1))
    assert claimed is not None
    assert (claimed.id, claimed.fence, claimed.step, claimed.playbook) == ("old", 4, "restore", PLAYBOOK)
    (word,) = await store.runs.take_signals(claimed.id, claimed.fence)
    assert word.topic is runs.Topic.APPROVE
    assert await store.runs.write(replace(claimed, state=runs.State.DONE, ended_at=at(2)), None)
    assert [line["run_state"] for line in await store.runs.journal(claimed.id)] == ["done"]
    assert [heard.event for heard in (await store.intake.of_tracking("abcd-123")).values()] == [event("old")]
    moved = [(one.server, one.by, one.run, one.since) for one in (await store.successions.standing()).values()]
    assert moved == ([(server_id("moved"), server_id("copy"), "moved", NOON)] if oldest < 17 else [])


def event(communication: str, *, title: str = "") -> events.HealthEvent:
    return events.HealthEvent(
        channel="common-alert",
        kind=events.Kind.INCIDENT,
        status=events.Status.ACTIVE,
        tracking_id="ABCD-123",
        subscription_id="sub-1",
        communication_id=communication,
        impact_start=NOON,
        relation=services.Relation.POSTGRESQL,
        regions=(EAST,),
        services=("Azure Database for PostgreSQL",),
        title=title,
    )


def outage(
    tracking: str = "ABCD-123", *, minutes: float = 0, active: bool = True, region: str = "eastus"
) -> outages.Outage:
    return outages.Outage(
        id=outages.outage_id(tracking, regions.RegionName(region)),
        tracking_id=tracking,
        region=regions.RegionName(region),
        status=outages.Status.ACTIVE if active else outages.Status.RESOLVED,
        impact_start=NOON,
        heard_at=NOON,
        updated_at=at(minutes),
        subscriptions=("sub-1",),
        services=("Azure Database for PostgreSQL",),
    )


def server_id(name: str) -> servers.ServerId:
    prefix = "/subscriptions/sub-1/resourcegroups/group/providers/microsoft.dbforpostgresql/flexibleservers"
    return servers.ServerId(f"{prefix}/{name.lower()}")


def server(name: str, *, region: str = "eastus", **fields: Any) -> servers.Server:
    known: dict[str, Any] = {"seen_at": NOON, "tags": {"outage-rto": "4h"}, **fields}
    return servers.Server(
        id=server_id(name),
        name=name,
        family=servers.Family.FLEXIBLE,
        subscription_id="sub-1",
        resource_group="group",
        region=regions.RegionName(region),
        tier="GeneralPurpose",
        **known,
    )


def health(minutes: float, *, answered: bool = False) -> evidence.Health:
    return evidence.observe(evidence.Health(), evidence.Probe(at=at(minutes), answered=answered, detail="timed out"))


def decided(
    name: str, *, minutes: float = 0, action: decisions.Action = decisions.Action.WAIT
) -> tuple[decisions.Decision, decisions.Facts]:
    """A decision about one server in the sample outage, and its facts."""
    facts = decisions.Facts(
        server=server(name),
        tolerance=tolerances.Tolerance(rto=timedelta(hours=4), rpo=timedelta(minutes=5)),
        outage=outage(),
        health=health(minutes),
    )
    decision = decisions.Decision(
        server=facts.server.id,
        outage=facts.outage.id,
        at=at(minutes),
        action=action,
        playbook=None,
        reasons=(reasons.Reason(id="early", text="There is time."),),
        review_at=at(minutes + 1),
        restore_p50=timedelta(hours=2, microseconds=3),
    )
    return decision, facts


def run(
    name: str, *, server: str | None = None, minutes: float = 0, outage_id: outages.OutageId | None = None
) -> runs.Run:
    """A run that is ready since `minutes` after noon."""
    return runs.Run(
        id=runs.RunId(name),
        server_id=server_id(server or name),
        outage_id=outage_id,
        playbook=PLAYBOOK,
        params={"wait": 1.5, "name": "é"},
        state=runs.State.READY,
        step="restore",
        created_at=at(minutes),
        created_by="somebody",
        wake_at=at(minutes),
    )


def record(step: str = "restore", state: runs.StepState = runs.StepState.BEGUN, **fields: Any) -> runs.StepRecord:
    return runs.StepRecord(id=step, state=state, attempts=1, started_at=NOON, **fields)


def signal(name: str, topic: runs.Topic = runs.Topic.APPROVE, *, minutes: float = 0) -> runs.Signal:
    return runs.Signal(run_id=runs.RunId(name), topic=topic, by="ana", at=at(minutes), payload={"loss": "PT5M"})


def announcement(key: str, *, minutes: float = 0) -> announcements.Announcement:
    return announcements.Announcement(
        key=key,
        kind="server.waits",
        subject=f"About {key}",
        text="Two\nlines",
        at=at(minutes),
        to="owner@contoso.example",
        facts={"server": "orders"},
    )


async def ends(
    store: stores.Store, name: str, kind: str, server: str, minutes: float, **output: Any
) -> None:  # fmt: skip
    """Play a run whose one step is done with this output, so many minutes after noon."""
    book = replace(PLAYBOOK, steps=(playbooks.Step(id="one", kind=kind),))
    await store.runs.submit(replace(run(name, server=server, minutes=minutes), playbook=book, step="one"))
    begun = await store.runs.claim(at(minutes), only=runs.RunId(name))
    assert begun is not None
    told = replace(record("one", runs.StepState.DONE, output=output), ended_at=at(minutes))
    done = replace(begun, state=runs.State.DONE, step=None, wake_at=None, ended_at=at(minutes))
    assert await store.runs.write(done, told, leave=True)
