"""`responder decide`: the decision for one server and one event, without touching anything."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder import settings
    from responder.core import decisions, outages, regions


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
    "--answers", is_flag=True, help="Suppose that the server answers. Default: that it has not, since the impact."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RESPONDER_CONFIG",
    help="The settings file (or RESPONDER_CONFIG). With --facts it may be left out: then the defaults decide.",
)
@reach.with_json
def decide(  # one argument an option
    server: str | None,
    event_file: Path | None,
    facts_file: Path | None,
    at_text: str | None,
    answers: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """What would be done for SERVER on this event, and why. Reads the inventory; touches nothing."""
    from dataclasses import asdict

    from responder import clock, settings
    from responder.cli import believed, decided
    from responder.core import decisions
    from responder.flow import views

    if facts_file is not None and (server or event_file or answers):
        raise click.UsageError("--facts stands alone: it has its own server, event and probes.")
    if facts_file is None and (server is None or event_file is None):
        raise click.UsageError("Give --server and --event, or --facts.")
    if config is None and facts_file is None:
        raise click.UsageError("Missing option '--config'.")
    loaded = settings.load(config) if config is not None else settings.Settings()
    at = _moment(at_text) if at_text else None
    if facts_file is not None:
        facts, stored_at = _stored(facts_file)
        at = at or stored_at or clock.now()
    else:
        assert server is not None
        assert event_file is not None
        at = at or clock.now()
        facts = reach.run(_gathered(loaded, server, _outages(event_file, at), (at, answers)))
        if at_text is None:
            _mind_age(facts, at)
    known = believed.known(loaded, facts, stored=config is not None)
    shown = views.of_decision(decisions.decide(facts, known.policy, at), facts, known.policy)
    shown["beliefs"]["restore"] |= asdict(known.learned)
    shown["frozen"] = known.frozen
    if as_json:
        show.as_json(shown)
        return
    decided.print_all(shown)
    if shown["frozen"]:
        click.echo(f"Nothing would be started now. {shown['frozen']['sentence']}.")


def _mind_age(facts: decisions.Facts, at: datetime) -> None:
    """An old event, decided for now, says little: everything is too late, and every outage so long is a rare one."""
    began = facts.outage.impact_start
    if at - began > timedelta(days=2):
        then = (began + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%MZ")
        age = show.span((at - began).total_seconds())
        told = f"The impact of this event began {age} ago, and this is decided for now."
        click.echo(f"{told} To see what would have been decided then: --at {then}", err=True)


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
    except (ValueError, AttributeError, RecursionError, errors.StoreError) as error:
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
    """What is known of the server, copies and people's words included; only the probes are supposed."""
    from responder.core import errors
    from responder.flow import facts, requests

    async with reach.reading(loaded) as store:
        found = await requests.find_server(store, server)
        outage = known.get(found.region)
        if outage is None:
            raise errors.RefusedError(
                "event.other-region",
                f"{found.name} is in {show.region(found.region)}, which this event does not name.",
                remedy="Nothing would be done for this server.",
            )
        (gathered,) = await facts.gather(store, outage, [found], loaded.tolerance())
    return _supposed(loaded, gathered, supposed)


def _moment(text: str) -> datetime:
    from responder.cli import moments
    from responder.core import errors

    try:
        return moments.parse(text)
    except ValueError as error:
        raise errors.InputError(
            "time.unreadable", f"{text!r} is no time.", remedy="Write it like 2026-11-22T03:00:00Z.", place="--at"
        ) from error


def _outages(file: Path, at: datetime) -> dict[regions.RegionName, outages.Outage]:
    """What the events of a file amount to, by region; of several outages of one region an active one."""
    from responder.core import chronicles, errors, payloads

    try:
        parsed = payloads.parse(file.read_bytes())
    except OSError as error:
        raise errors.InputError(
            "events.no-file", f"Cannot be read: {error.strerror}.", remedy="Check the path.", place=str(file)
        ) from error
    stories: dict[str, tuple[chronicles.Chronicle, dict[regions.RegionName, outages.Outage]]] = {}
    for event in parsed.events:
        tracking_id = (event.tracking_id or "").upper()
        story, known = stories.get(tracking_id, (chronicles.Chronicle(), {}))
        news = chronicles.Heard(event, min(event.updated_at or at, at))
        story, changed = chronicles.continued(story, news, known)
        stories[tracking_id] = story, {**known, **changed}
    found: dict[regions.RegionName, outages.Outage] = {}
    for _, known in stories.values():
        found |= {region: outage for region, outage in known.items() if region not in found or outage.active}
    if not found:
        raise errors.RefusedError(
            "event.starts-nothing",
            "Nothing in this event may start anything.",
            remedy="See `responder events parse` for what it is.",
            place=str(file),
        )
    return found


def _supposed(loaded: settings.Settings, gathered: decisions.Facts, supposed: tuple[datetime, bool]) -> decisions.Facts:
    """What matters is the rule, so the probes say one thing clearly, at the moment asked about."""
    from dataclasses import replace

    from responder.core import evidence

    at, answers = supposed
    began = min(gathered.outage.impact_start, at - loaded.policy().evidence.confirm)
    health = evidence.Health(
        last=evidence.Probe(at=at, answered=answers, detail="supposed"),
        failing_since=None if answers else began,
        answering_since=began if answers else None,
        last_answer_at=at if answers else (gathered.health.last_answer_at or began),
    )
    return replace(gathered, health=health, vantages={})
