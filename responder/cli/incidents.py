"""`responder incidents`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from responder.cli import reach, show


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
@reach.with_config
@reach.with_json
def show_(incident: str, config: Path, as_json: bool) -> None:
    """One outage: every server it concerns, what was decided, and why. INCIDENT is TRACKING-ID@region, or its start."""
    from responder import settings
    from responder.core import errors
    from responder.flow import views

    loaded = settings.load(config)

    async def read() -> views.Json:
        async with reach.reading(loaded) as store:
            known = await store.outages.list(500)
            meant = [outage for outage in known if outage.id.lower().startswith(incident.lower())]
            if len(meant) != 1:
                raise errors.InputError(
                    "incident.unknown" if not meant else "incident.ambiguous",
                    f"{len(meant)} incidents start with {incident!r}.",
                    remedy="See `responder incidents list`.",
                )
            return await views.incident(store, meant[0])

    found = reach.run(read())
    if as_json:
        show.as_json(found)
        return
    click.echo(f"{found['title'] or found['id']}\n{show.region(found['region'])}, {found['status']}, ", nl=False)
    click.echo(f"began {show.ago(found['impact_start'])}, heard of {show.ago(found['heard_at'])}\n")
    if any(row["decision"]["shadow"] for row in found["servers"]):
        click.echo("Shadow mode: nothing was started for servers marked so; this is what would have been done.\n")
    if found["suspected_by_us"]:
        click.echo(_OURS + (f" It is {found['merged_into']} now.\n" if found["merged_into"] else "\n"))
    columns = ("server", "action", "cut over at", "P(RTO)", "loss up to", "Resource Health", "why")
    show.rows("Servers", columns, _servers(found), empty="")


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
