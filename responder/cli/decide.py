"""`responder decide`: the decision for one server and one event, without touching anything."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder import settings
    from responder.core import decisions, outages, regions, servers


@click.command()
@click.option("--server", help="ARM id, or a name only one server has.")
@click.option("--event", "event_file", type=click.Path(path_type=Path), help="A raw payload of Azure.")
@click.option(
    "--facts",
    "facts_file",
    type=click.Path(path_type=Path),
    help="Instead of server and event: the facts of a decision, as `--json` shows them and every decision stores them.",
)
@click.option("--at", "at_text", help="The moment to decide for (ISO 8601). Default: now; with --facts, as it was.")
@click.option(
    "--answers", is_flag=True, help="Suppose that the server answers; default: what the probes last saw, else down."
)
@reach.with_config
@reach.with_json
def decide(  # one argument an option
    server: str | None,
    event_file: Path | None,
    facts_file: Path | None,
    at_text: str | None,
    answers: bool,
    config: Path,
    as_json: bool,
) -> None:
    """What would be done for SERVER on this event, and why. Reads the inventory; touches nothing."""
    from responder import clock, settings
    from responder.flow import views

    if facts_file is not None and (server or event_file or answers):
        raise click.UsageError("--facts stands alone: it has its own server, event and probes.")
    if facts_file is None and (server is None or event_file is None):
        raise click.UsageError("Give --server and --event, or --facts.")
    loaded = settings.load(config)
    at = _moment(at_text) if at_text else None
    if facts_file is not None:
        facts, stored_at = _stored(facts_file)
        at = at or stored_at or clock.now()
    else:
        assert server is not None
        assert event_file is not None
        at = at or clock.now()
        facts = reach.run(_gathered(loaded, server, _outages(event_file, at), (at, answers)))
    shown = views.of_decision(_taken(loaded, facts, at), facts, _policy(loaded))
    if as_json:
        show.as_json(shown)
    else:
        _print(shown)


def _policy(loaded: settings.Settings) -> decisions.Policy:
    """The rule of the settings. The playbooks are those that are shipped, overlaid by the operator's."""
    from dataclasses import replace

    from responder import playbook_files, steps

    found = playbook_files.load_all(loaded.playbooks, steps.KINDS)
    return replace(loaded.policy(), playbooks=frozenset(found))


def _taken(loaded: settings.Settings, facts: decisions.Facts, at: datetime) -> decisions.Decision:
    from responder.core import decisions

    return decisions.decide(facts, _policy(loaded), at)


def _stored(file: Path) -> tuple[decisions.Facts, datetime | None]:
    """The facts in a file, alone or inside the decision they belong to, and when that was taken.

    Raises:
        InputError: the file cannot be read or holds no facts.
    """
    from responder.core import decisions, errors
    from responder.store import codec

    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        inside = document.get("facts") or document
        return codec.load(json.dumps(inside), decisions.Facts), _moment_or_none(document.get("at"))
    except OSError as error:
        what = f"Cannot be read: {error.strerror}."
        raise errors.InputError("facts.no-file", what, remedy="Check the path.", place=str(file)) from error
    except (ValueError, AttributeError, errors.StoreError) as error:
        raise errors.InputError(
            "facts.unreadable",
            "These are not the facts of a decision.",
            remedy="Take them from `responder decide --json`, `incidents show --json` or the API.",
            place=str(file),
        ) from error


def _moment_or_none(text: Any) -> datetime | None:
    return _moment(text) if isinstance(text, str) else None


async def _gathered(
    loaded: settings.Settings,
    server: str,
    known: dict[regions.RegionName, outages.Outage],
    supposed: tuple[datetime, bool],
) -> decisions.Facts:
    from responder.flow import requests

    async with reach.reading(loaded) as store:
        found = await requests.find_server(store, server)
        health = (await store.estate.health([found.id])).get(found.id)
    return _supposed(loaded, found, known, health, supposed)


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


def _supposed(
    loaded: settings.Settings,
    server: servers.Server,
    known: dict[regions.RegionName, outages.Outage],
    health: Any,
    supposed: tuple[datetime, bool],
) -> decisions.Facts:
    from responder.core import decisions, errors, evidence, tolerances

    at, answers = supposed
    outage = known.get(server.region)
    if outage is None:
        raise errors.RefusedError(
            "event.other-region",
            f"{server.name} is in {show.region(server.region)}, which this event does not name.",
            remedy="Nothing would be done for this server.",
        )
    # What matters is the rule, so the probes are supposed to say one thing clearly, at the moment asked about.
    began = min(outage.impact_start, at - loaded.policy().evidence.confirm)
    supposed_health = evidence.Health(
        last=evidence.Probe(at=at, answered=answers, detail="supposed"),
        failing_since=None if answers else began,
        answering_since=began if answers else None,
        last_answer_at=at if answers else ((health.last_answer_at if health else None) or began),
    )
    return decisions.Facts(
        server=server,
        tolerance=tolerances.read(server.tags, defaults=loaded.tolerance()),
        outage=outage,
        health=supposed_health,
    )


def _print(shown: dict[str, Any]) -> None:
    click.echo(f"{shown['action']}" + (f"  (playbook {shown['playbook']})" if shown["playbook"] else ""))
    for reason in shown["reasons"]:
        click.echo(f"  - {reason['text']}")
    lines = [
        ("evidence", shown["evidence"] or ""),
        ("way out", shown["way"] or "none but waiting"),
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
    for way in shown["ways"]:
        state = "open" if way["open"] else " ".join(each["text"] for each in way["why_not"])
        doubts = "".join(f" {each['text']}" for each in way["remarks"])
        click.echo(f"{'  ' + way['way'] + ':':32}{state}{doubts}")
    for name, value in _believed(shown["beliefs"]):
        click.echo(f"{name + ':':32}{value}")


def _believed(beliefs: dict[str, Any]) -> list[tuple[str, str]]:
    """What the figures rest on."""
    restore, outage, blocked = beliefs["restore"], beliefs["outage"], beliefs["blocked"]
    measured = f"{restore['samples']} measured" if restore["samples"] else "none measured yet"
    still = ", ".join(f"{hours} {share:.0%}" for hours, share in outage["still_out_after"].items())
    found = [
        (
            f"believed of restores ({restore['size_class']})",
            f"P50 {show.span(restore['p50_s'])}, P95 {show.span(restore['p95_s'])} on a calm day, {measured}; "
            f"times {restore['surge']:g} in an outage",
        ),
        (
            "the start is planned with",
            f"{show.span(restore['planned_s'])} ({restore['planned_with']:.0%} are done by then)"
            f" and {show.span(beliefs['queue_wait_s'])} in the queue",
        ),
        ("still out in so many more hours", still),
    ]
    if outage["big_given_elapsed"] is not None:
        found.append(("it is one of the big outages", show.percent(outage["big_given_elapsed"])))
    found.append(("restoring is itself out of order", f"{blocked['share']:.0%}, for {show.span(blocked['lasts_s'])}"))
    return found
