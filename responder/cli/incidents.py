"""`responder incidents`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder.core import outages
    from responder.store import sqlite

_MOST = 1_000_000
"""Servers. Databases take no number of any length."""


@click.group()
def incidents() -> None:
    """Outages, and what was decided for each server."""


@incidents.command("list")
@reach.with_config
@reach.with_json
def list_(config: Path, as_json: bool) -> None:
    """Every outage known, newest first."""
    from responder import settings
    from responder.flow import views

    loaded = settings.load(config)

    found = reach.read(loaded, views.incidents)
    if as_json:
        show.as_json(found)
        return
    show.rows(
        "Incidents",
        ("id", "status", "region", "began", "title"),
        [
            (row["id"], row["status"], show.region(row["region"]), show.ago(row["impact_start"]), row["title"])
            for row in found["incidents"]
        ],
        empty="No outage has been heard of.",
    )
    unread = found["intake"].get("quarantined", 0)
    if unread:
        kept = f"{unread} pieces of messages could not be read and are kept as they came"
        click.echo(f"{kept}: see `responder events quarantine`.", err=True)


@incidents.command("show")
@click.argument("incident")
@click.option("--server", help="Only this one, and its story: what was seen, decided, done and said. ARM id or name.")
@click.option("--action", help="Only servers for which this was decided: start-restore, wait, hold, ask, ...")
@click.option("--limit", default=500, show_default=True, type=click.IntRange(1, _MOST), help="So many servers.")
@click.option("--offset", default=0, type=click.IntRange(0, _MOST), help="Behind so many others, by id.")
@reach.with_config
@reach.with_json
def show_(
    incident: str, server: str | None, action: str | None, limit: int, offset: int, config: Path, as_json: bool
) -> None:
    """One outage: every server it concerns, what was decided, and why. INCIDENT is TRACKING-ID@region, or its start."""
    from responder import clock, settings
    from responder.flow import telling, views
    from responder.store import outages as rows

    loaded = settings.load(config)

    async def read(store: sqlite.Store) -> views.Json:
        outage = await _meant(store, incident)
        if server is not None:
            return await telling.story(store, outage, server, loaded.policy().timing.cutover, clock.now())
        return await views.incident(store, outage, rows.Page(limit=limit, offset=offset, action=action))

    found = reach.read(loaded, read)
    if as_json:
        show.as_json(found)
    elif server is not None:
        _print_story(found)
    else:
        _print(found)


@incidents.command("export")
@click.argument("incident")
@reach.with_config
def export(incident: str, config: Path) -> None:
    """One incident as a file on stdout, for `responder replay --incident`: news, probes, decisions with facts, runs."""
    from responder import clock, settings
    from responder.flow import recordings, views

    loaded = settings.load(config)

    async def read(store: sqlite.Store) -> views.Json:
        rules = (loaded.policy(), loaded.tolerance())
        return await recordings.gather(store, await _meant(store, incident), rules, clock.now())

    show.as_json(reach.read(loaded, read))


async def _meant(store: sqlite.Store, incident: str) -> outages.Outage:
    from responder.core import errors

    known = await store.outages.list(100_000)
    meant = [outage for outage in known if outage.id.lower().startswith(incident.lower())]
    pruned = await store.pruning.outage(incident) if not meant else None
    if pruned is not None:
        remedy = f"The audit still has it: `responder audit export --outage {pruned.id}`."
        raise errors.InputError("incident.pruned", pruned.sentence("outage"), remedy=remedy)
    if len(meant) != 1:
        raise errors.InputError(
            "incident.unknown" if not meant else "incident.ambiguous",
            f"{len(meant)} incidents start with {incident!r}." if meant else f"There is no incident {incident!r}.",
            remedy="See `responder incidents list`.",
        )
    return meant[0]


def _print(found: dict[str, Any]) -> None:
    click.echo(f"{found['title'] or found['id']}\n{show.region(found['region'])}, {found['status']}, ", nl=False)
    click.echo(f"began {show.ago(found['impact_start'])}, heard of {show.ago(found['heard_at'])}\n")
    if any(row["decision"]["shadow"] for row in found["servers"]):
        click.echo("Shadow mode: nothing was started for servers marked so; this is what would have been done.\n")
    if found["suspected_by_us"]:
        click.echo(_OURS + (f" It is {found['merged_into']} now.\n" if found["merged_into"] else "\n"))
    for sentence in sorted({row["frozen"] for row in found["servers"] if row["frozen"]}):
        click.echo(f"Nothing is begun where this holds: {sentence}\n")
    columns = ("server", "action", "cut over at", "P(RTO)", "loss up to", "Resource Health", "why")
    show.rows("Servers", columns, _servers(found), empty="")
    if found["servers_total"] > len(found["servers"]):
        decided = ", ".join(f"{count} {action}" for action, count in sorted(found["actions"].items()))
        click.echo(f"{len(found['servers'])} of {found['servers_total']} servers. Decided for all: {decided}.")
    if found["next_offset"] is not None:
        click.echo(f"The next ones: --offset {found['next_offset']}. Only some: --action start-restore.")


def _print_story(found: dict[str, Any]) -> None:
    click.echo(f"{found['name']} in {found['outage']}. {found['score']}")
    if found["why"]:
        click.echo(f"Why it waited: {found['why']}")
    for one in found["waits"][1:]:
        click.echo(f"  then: {one['text']} (for {show.span(one['for_s'])})")
    if found["now"]:
        click.echo(f"Last decided: {found['now']['action']}, because")
        for reason in found["now"]["reasons"]:
            click.echo(f"  - {reason['text']}")
    click.echo("")
    for line in found["lines"]:
        click.echo(f"{line['at'][:10]} {line['at'][11:19]}  {line['kind']:<9} {line['text']}")


_OURS = "Suspected by ourselves from silent servers: nothing is cut over in it without a human's yes."


def _servers(found: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (
            row["name"],
            row["decision"]["action"] + (" (shadow)" if row["decision"]["shadow"] else ""),
            (row["decision"]["cut_over_at"] or "")[11:19],
            show.percent(row["decision"]["p_meet_rto"]),
            show.span(row["decision"]["data_loss_bound_s"]),
            show.resource_health(row["resource_health"]),
            row["decision"]["reasons"][0]["text"],
        )
        for row in found["servers"]
    ]
