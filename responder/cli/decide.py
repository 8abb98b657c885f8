"""`responder decide`: the decision for one server and one event, without touching anything."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder import settings
    from responder.core import decisions, outages, regions, servers


@click.command()
@click.option("--server", required=True, help="ARM id, or a name only one server has.")
@click.option("--event", "event_file", required=True, type=click.Path(path_type=Path), help="A raw payload of Azure.")
@click.option("--at", "at_text", help="The moment to decide for (ISO 8601). Default: now.")
@click.option(
    "--answers", is_flag=True, help="Suppose that the server answers; default: what the probes last saw, else down."
)
@reach.with_config
@reach.with_json
def decide(server: str, event_file: Path, at_text: str | None, answers: bool, config: Path, as_json: bool) -> None:
    """What would be done for SERVER on this event, and why. Reads the inventory; touches nothing."""
    from responder import clock, settings
    from responder.flow import views

    loaded = settings.load(config)
    at = _moment(at_text) if at_text else clock.now()
    outage_of = _outages(event_file, at)

    async def read() -> tuple[decisions.Decision, decisions.Facts]:
        from responder.flow import requests

        async with reach.reading(loaded) as store:
            found = await requests.find_server(store, server)
            health = (await store.estate.health([found.id])).get(found.id)
        return _decide(loaded, found, outage_of, health, (at, answers))

    decision, facts = reach.run(read())
    shown = views.of_decision(decision, facts)
    if as_json:
        show.as_json(shown)
    else:
        _print(shown)


def _moment(text: str) -> datetime:
    from datetime import UTC

    from responder.core import errors

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.InputError(
            "time.unreadable", f"{text!r} is no time.", remedy="Write it like 2026-11-22T03:00:00Z.", place="--at"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _outages(file: Path, at: datetime) -> dict[regions.RegionName, outages.Outage]:
    """The outages that the events of a file amount to, by region."""
    from responder.core import errors, outages, payloads

    try:
        parsed = payloads.parse(file.read_bytes())
    except OSError as error:
        raise errors.InputError(
            "events.no-file", f"Cannot be read: {error.strerror}.", remedy="Check the path.", place=str(file)
        ) from error
    found: dict[regions.RegionName, outages.Outage] = {}
    for event in parsed.events:
        found |= outages.correlate_all(found, event, min(event.updated_at or at, at))
    if not found:
        raise errors.RefusedError(
            "event.starts-nothing",
            "Nothing in this event may start anything.",
            remedy="See `responder events parse` for what it is.",
            place=str(file),
        )
    return found


def _decide(
    loaded: settings.Settings,
    server: servers.Server,
    known: dict[regions.RegionName, outages.Outage],
    health: Any,
    supposed: tuple[datetime, bool],
) -> tuple[decisions.Decision, decisions.Facts]:
    from responder.core import decisions, errors, evidence, tolerances

    at, answers = supposed
    outage = known.get(server.region)
    if outage is None:
        raise errors.RefusedError(
            "event.other-region",
            f"{server.name} is in {show.region(server.region)}, which this event does not name.",
            remedy="Nothing would be done for this server.",
        )
    policy = loaded.policy()
    # What matters is the rule, so the probes are supposed to say one thing clearly, at the moment asked about.
    began = min(outage.impact_start, at - policy.evidence.confirm)
    supposed_health = evidence.Health(
        last=evidence.Probe(at=at, answered=answers, detail="supposed"),
        failing_since=None if answers else began,
        answering_since=began if answers else None,
        last_answer_at=at if answers else ((health.last_answer_at if health else None) or began),
    )
    facts = decisions.Facts(
        server=server,
        tolerance=tolerances.read(server.tags, defaults=loaded.tolerance()),
        outage=outage,
        health=supposed_health,
    )
    return decisions.decide(facts, policy, at), facts


def _print(shown: dict[str, Any]) -> None:
    click.echo(f"{shown['action']}" + (f"  (playbook {shown['playbook']})" if shown["playbook"] else ""))
    for reason in shown["reasons"]:
        click.echo(f"  - {reason['text']}")
    lines = [
        ("start the copy by", show.ago(shown["start_by"])),
        ("cut over at", show.ago(shown["cut_over_at"])),
        ("must serve by", show.ago(shown["must_serve_by"])),
        ("a restore takes (P50 / P90)", f"{show.span(shown['restore_p50_s'])} / {show.span(shown['restore_p90_s'])}"),
        (
            "P(meeting the RTO), waiting",
            f"{show.percent(shown['p_meet_rto'])}, {show.percent(shown['p_meet_rto_waiting'])}",
        ),
        (
            "expected downtime, waiting",
            f"{show.span(shown['expected_downtime_s'])}, {show.span(shown['expected_downtime_waiting_s'])}",
        ),
        ("data loss up to", show.span(shown["data_loss_bound_s"])),
        ("a human's yes is needed", "yes" if shown["consent_needed"] else "no"),
    ]
    for name, value in lines:
        if value.strip(" ,/"):
            click.echo(f"{name + ':':32}{value}")
