"""A plan at the terminal: worked out from the store, with the daemon up or down, and written as sentences."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder import settings
    from responder.flow import requests

_EFFECTS = {"read": "reads", "idempotent": "safe to repeat", "once": "once"}


async def planned(loaded: settings.Settings, asked: requests.RunRequest) -> dict[str, Any]:
    """The plan of a run by hand; reads the store and writes nothing."""
    from responder import clock, playbook_files, steps
    from responder import settings as configured
    from responder.flow import allowed, plans

    registry = steps.discovered(configured.switched_off(loaded))
    speech = allowed.language(loaded, registry)
    library = playbook_files.library(loaded.playbooks, speech, spare=True)
    async with reach.reading(loaded) as store:
        planner = plans.Planner(
            store=store,
            books=library.playbooks,
            config=loaded,
            registry=registry,
        )
        run, plan = await planner.plan(asked, clock.now())
        return {
            **plans.as_json(plan),
            "held_back": await planner.held_back(run, clock.now()),
            "loaded_version": await store.audit.loaded(run.playbook.name),
        }


def show_plan(found: dict[str, Any], as_json: bool) -> None:
    """A plan for people or for programs. Exit 1 when it may not be carried out."""
    if as_json:
        show.as_json(found)
    else:
        _write(found)
    if not found["possible"]:
        raise SystemExit(1)


async def foretold(loaded: settings.Settings, asked: requests.RunRequest) -> list[str]:
    """What a run would change, a line each, for who is about to start it. Empty: that shows only when it is tried,
    because there is no store or no inventory yet, or a run goes on that was left half-way.

    Raises:
        InputError: there is no such playbook, parameter or server.
    """
    from responder.core import errors

    try:
        found = await planned(loaded, asked)
    except (errors.StoreError, errors.RefusedError):
        return []
    except errors.InputError as error:
        if error.error_id != "server.unknown":
            raise
        async with reach.reading(loaded) as store:
            if await store.estate.count():
                raise
        return []
    unmet = [f"requires: {one['about']} DOES NOT HOLD" for one in found["requires"] if not one["holds"]]
    return unmet + [
        f"{touch['verb']} {touch['what']} {touch['detail']}".rstrip()
        for step in found["steps"]
        for touch in step["touches"] or ()
        if touch["verb"] != "tells" and step["holds"] is not False
    ]


def _write(found: dict[str, Any]) -> None:
    click.echo(f"{found['playbook']} ({found['playbook_version']}) for {found['server']}")
    click.echo(f"as run {found['run']}" + (f", in outage {found['outage']}" if found["outage"] else ", in no outage"))
    for name, value in found["arguments"].items():
        click.echo(f"  {name} = {'nothing' if value is None else _plainly(value)}")
    for one in found["requires"]:
        mark = "holds" if one["holds"] else "DOES NOT HOLD"
        click.echo(f"requires: {one['about']} {mark}" + (f" ({one['why']})" if one["why"] else ""))
    for number, step in enumerate(found["steps"], 1):
        click.echo(f"\n{number}. {step['id']} ({step['do']}, {_EFFECTS.get(step['effect'], step['effect'])})")
        click.echo(f"   {step['about']}")
        for line in _lines(step):
            click.echo(f"   {line}")
    click.echo(f"\nplan {found['hash']}")
    if found.get("loaded_version") not in (None, found["playbook_version"]):
        click.echo(
            f"The daemon has loaded another version of this playbook ({found['loaded_version']}) and would refuse "
            "this plan: `responder playbooks reload` has it take the files as they are."
        )
    for sentence in found["held_back"]:
        click.echo(f"Nothing would be started now: {sentence}")
    if found["possible"]:
        given = {name: value for name, value in found["arguments"].items() if value is not None}
        again = "".join(f" --set {shlex.quote(f'{name}={_plainly(value)}')}" for name, value in given.items())
        name = found["server"].rpartition("/")[2]
        click.echo(
            f"To do exactly this: responder run {found['playbook']} --server {name}{again} --plan {found['hash']}"
        )
    else:
        click.echo("It may not be carried out: what it requires does not hold.")


def _plainly(value: object) -> str:
    """As `--set` and playbooks write it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lines(step: dict[str, Any]) -> list[str]:
    holds = {True: "holds now", False: "does not hold now, so it is skipped", None: "known when the run comes to it"}
    found = [f"only if {' '.join(step['when'].split())}: {holds[step['holds']]}"] if step["when"] else []
    if step["touches"] is None:
        found.append("what it changes is not told beforehand")
    found += [f"{t['verb']} {t['what']} {t['detail']}".rstrip() for t in step["touches"] or ()]
    if step["obstacle"]:
        found.append(f"WOULD FAIL: {step['obstacle']}")
    found += [f"{name}: {' '.join(_plainly(value).split())}" for name, value in step["with"].items()]
    return found
