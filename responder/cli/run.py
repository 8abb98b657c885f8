"""`responder run`: a playbook by hand, with the daemon up or down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from responder.cli import carry, reach, run_told, show

if TYPE_CHECKING:
    from responder import settings
    from responder.flow import requests


@click.command(
    epilog="""\b
Examples:
  responder run geo-restore --server orders                      ask, then begin
  responder run geo-restore --server orders --dry-run            only show what it would do, with the hash of the plan
  responder run geo-restore --server orders --plan HASH --yes    exactly that, or nothing
  responder run point-in-time-restore --server orders --set to=2026-11-22T10:00Z
"""
)
@click.argument("playbook")
@click.option("--server", required=True, help="ARM id, or a name only one server has.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the playbook; repeatable.")
@click.option(
    "--plan", "agreed", metavar="HASH", default=None, help="Carry out exactly the plan of this hash, or refuse."
)
@click.option("--dry-run", is_flag=True, help="Show the plan; write nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing: begin at once, and leave the run where it waits for a yes.")
@reach.with_config
@reach.with_json
def run(  # noqa: PLR0913  # one for each option
    playbook: str,
    server: str,
    given: tuple[str, ...],
    agreed: str | None,
    dry_run: bool,
    yes: bool,
    config: Path,
    as_json: bool,
) -> None:
    """Run PLAYBOOK for one server by hand.

    With the daemon up, the daemon carries it out. With the daemon down, this command does, until the run ends or waits
    for a human's word, which it asks for at a terminal. Ctrl-C leaves it in the journal: `responder runs carry-on` goes
    on with it, and so do the same command and the daemon.
    """
    from responder import logs, settings
    from responder.core import errors
    from responder.flow import requests

    loaded = settings.load(config)
    logs.configure("error")  # what does not work is said in words
    asked = requests.RunRequest(playbook=playbook, server=server, by=reach.who(), params=params(given))
    if dry_run:
        from responder.cli import plan

        plan.show_plan(reach.run(plan.planned(loaded, asked)), as_json)
        return
    if not yes and not _confirmed(loaded, asked):
        raise errors.RefusedError("run.not-confirmed", "Nothing was started.", remedy="Answer y, or give --yes.")
    ask = carry.somebody_there() and not yes and not as_json
    found = reach.run(
        reach.either(
            loaded,
            lambda: _alone(loaded, asked, agreed, quiet=as_json, ask=ask),
            lambda: _together(loaded, asked, agreed),
        )
    )
    _show(found, as_json)
    if found["state"] in ("failed", "cancelled"):
        raise SystemExit(1)


def _confirmed(loaded: settings.Settings, asked: requests.RunRequest) -> bool:
    """Whether whoever is there says yes, having seen what it would change."""
    from responder.cli import plan

    for line in reach.run(plan.foretold(loaded, asked)):
        click.echo(f"  {line}", err=True)
    try:
        return click.confirm(f"Run {asked.playbook} for {asked.server}?", err=True)
    except click.Abort:  # Ctrl-C, or nobody there to ask
        click.echo(err=True)
        return False


def params(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


async def _together(loaded: settings.Settings, asked: requests.RunRequest, agreed: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "playbook": asked.playbook,
        "server": asked.server,
        "by": asked.by,
        "params": dict(asked.params),
    }
    if agreed is not None:
        body["plan"] = agreed
    return await reach.ask_daemon(loaded, "/api/v1/runs", body)


async def _alone(
    loaded: settings.Settings, asked: requests.RunRequest, agreed: str | None, *, quiet: bool, ask: bool
) -> dict[str, Any]:
    from responder import clock, service
    from responder.flow import requests, views

    async with service.assembled(loaded) as parts:
        if await parts.store.estate.count() == 0:
            await service.refresh_inventory(parts)
        planned = await requests.planned(parts.store, parts.playbooks, asked, clock.now())
        going_on = await requests.left_half_way(parts.store, planned) is not None
        if agreed is not None or not going_on:
            planned = await service.planner(parts).agreed(asked, clock.now(), agreed)
        found = await requests.submit_or_go_on(parts.store, planned)
        if await parts.store.register.daemons():  # they share the store with us, and carry it out
            return views.of_run(found)
        click.echo(f"{'going on with' if going_on else 'started'} {found.id}", err=True)
        return await carry.out(parts, found.id, quiet=quiet, ask=ask)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.as_json(found)
    elif "steps" in found:
        run_told.print_all(found)
    else:
        click.echo(f"{found['id']} was handed to the daemon. Follow it with: responder runs show {found['id']}")
