"""`responder approvals`: what waits for somebody's yes, at which price, by when, and who may say it. Only reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from responder.cli import reach, show


@click.command(
    epilog="""\b
Examples:
  responder approvals                                  what waits for a yes now, the most urgent first
  responder approvals --early                          also what will: a yes said now counts already
  responder runs approve RUN --accept-loss 40m --reason "agreed with the owner"
  responder runs decline RUN --reason "we wait"
"""
)
@click.option("--early", is_flag=True, help="Also those whose cut-over is not due yet: a yes said now counts.")
@reach.with_config
@reach.with_json
def approvals(early: bool, config: Path, as_json: bool) -> None:
    """What waits for somebody's yes: the price, by when, what a silence leads to, and who may say it."""
    from responder import clock, settings
    from responder.flow import questions

    loaded = settings.load(config)
    rules = questions.rules(loaded)

    async def read(store: Any) -> dict[str, Any]:
        return questions.as_json(await questions.find(store, rules, clock.now(), early=early), rules)

    found = reach.read(loaded, read)
    if as_json:
        show.as_json(found)
        return
    if not found["approvals"]:
        click.echo("Nothing waits for a yes." + ("" if early else " What will, later, is listed with --early."))
    for one in found["approvals"]:
        _print(one)
    if found["more"]:
        click.echo("There are more; the oldest runs are shown first.")


_WHY = {
    "asked": "due now",
    "early": "not due yet; a yes said now counts while copy and loss stay as they are",
    "by-hand": "started by hand",
}


def _print(one: dict[str, Any]) -> None:
    by = f", answer by {one['answer_by'][11:16]} UTC ({show.ago(one['answer_by'])})" if one["answer_by"] else ""
    owner = f", owner {one['owner']}" if one["owner"] else ""
    click.echo(f"{one['name']}: {_WHY[one['why']]}{by}{owner}")
    asked = f" Asked {show.ago(one['asked_at'])}." if one["asked_at"] else ""
    over = " Nobody answered in time, and the declared default was taken; a yes still counts." if one["expired"] else ""
    click.echo(f"  {one['sentence']}{asked}{over}")
    if one["held_by"]:
        click.echo(f"  {one['held_by']} said hold: approve or go-now ends that.")
    if one["missing"]:
        click.echo(f"  {one['missing']}")
    named = f" Tokens with that role: {', '.join(one['approvers'])}." if one["approvers"] else ""
    click.echo(f"  Who: {one['who_may']}{named}")
    click.echo(f"  Yes: {one['yes']}")
    click.echo(f"  No:  {one['no']}\n")
