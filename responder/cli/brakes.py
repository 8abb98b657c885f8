"""`responder brakes` and `responder instances`: what holds things back, and who carries them on. Only reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from responder.cli import reach, show


@click.command(
    epilog="""\b
Examples:
  responder brakes                                     all that keeps something from beginning
  responder freeze --region eastus2 --reason "…" --for 2h
  responder unfreeze --region eastus2 --reason "…"
"""
)
@reach.with_config
@reach.with_json
def brakes(config: Path, as_json: bool) -> None:
    """What keeps something from beginning: freezes, pauses, holds, quarantine, caps, cooldowns, Azure's budgets."""
    from responder import clock, settings
    from responder.flow import workings

    loaded = settings.load(config)
    found = reach.read(loaded, lambda store: workings.braked(store, loaded.brakes.policy(), clock.now()))
    if as_json:
        show.as_json(found)
        return
    lines = [*_held(found), *_counted(found), *_azure(found)]
    for line in lines or ["Nothing is held back."]:
        click.echo(line)


def _held(found: dict[str, Any]) -> list[str]:
    lines = [f"frozen: {one['sentence']}" for one in found["freezes"]]
    said = {"pause": "paused by", "hold": "cut-over held by"}
    for one in found["runs"]:
        lines.append(f"{one['run']}: {said[one['what']]} {one['by']}, {show.ago(one['at'])}: {one['reason'] or '-'}")
    lines += [f"in quarantine: {one['run']} {one['why']}" for one in found["quarantined"]]
    return lines + [f"cooling down: {one['sentence']}" for one in found["cooling"]]


def _counted(found: dict[str, Any]) -> list[str]:
    caps, waits = found["caps"], {what: n for what, n in found["waiting"].items() if what != "nothing"}
    lines = [
        f"under way: {n} of {caps[most]} in {name}"
        for kind, most in (("regions", "per_region"), ("subscriptions", "per_subscription"))
        for name, n in caps[kind].items()
    ]
    waiting = ", ".join(f"{n} for {what}" for what, n in waits.items())
    return lines + ([f"runs wait: {waiting}"] if waiting else [])


def _azure(found: dict[str, Any]) -> list[str]:
    lines = []
    for one in found["azure"]:
        refused = f"; Azure takes more again {show.ago(one['refused_until'])}" if one["refused_until"] else ""
        heard = show.ago(one["seen_at"])
        lines.append(f"Azure {one['subscription']}: about {one['left']} {one['kind']} left, heard {heard}{refused}")
    return lines


@click.command()
@reach.with_config
@reach.with_json
def instances(config: Path, as_json: bool) -> None:
    """Who shares the store: each process with its lease, what it leads, and how many runs it has in hand."""
    from responder import clock, settings
    from responder.flow import workings

    loaded = settings.load(config)
    found = reach.read(loaded, lambda store: workings.sharing(store, clock.now()))
    found["holder"] = workings.holder(loaded)
    if as_json:
        show.as_json(found)
        return
    if not found["instances"] and loaded.store.url is None:
        click.echo(f"One file, one process: {found['holder'] or 'nobody holds it now'}.")
        return
    show.rows(
        "Instances",
        ("id", "role", "since", "lease", "runs", "leads", "what"),
        [
            (
                one["id"],
                one["role"],
                show.ago(one["started_at"]),
                show.ago(one["lease_until"]),
                one["runs"],
                ", ".join(one["leads"]),
                one["about"],
            )
            for one in found["instances"]
        ],
        empty="Nobody shares the store now.",
    )
