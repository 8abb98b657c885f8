"""`responder check`: what would not work in the night, found in the day. It asks and connects; it writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from responder.cli import reach, show

if TYPE_CHECKING:
    from responder.core import checks

_MARKS = {"ok": "ok      ", "warning": "WARNING ", "failed": "FAILED  "}


@click.command()
@reach.with_config
@reach.with_json
def check(config: Path, as_json: bool) -> None:
    """What would not work in the night: settings, secrets, store, rights, hubs, groups, tags, reachability.

    Asks, connects and logs in, as the user who calls it; writes nothing, neither here nor in Azure. Exit 1 when
    something would fail. It may run beside the daemon.
    """
    found = reach.run(_look(config, aloud=not as_json))
    bad = [finding for finding in found if finding.verdict == "failed"]
    if as_json:
        show.as_json({"ready": not bad, "findings": [finding.jsonable() for finding in found]})
    else:
        warnings = sum(finding.verdict == "warning" for finding in found)
        click.echo(f"\n{len(found)} looked at: {len(bad)} would fail, {warnings} to know about.")
    if bad:
        raise SystemExit(1)


async def _look(config: Path, *, aloud: bool) -> list[checks.Finding]:
    """Everything that was found, in the order in which it was told."""
    from responder import logs, settings
    from responder.cli.check import beyond, here

    loaded = settings.load(config)
    logs.configure("error")  # what is wrong is said in words
    found: list[checks.Finding] = []

    def tell(these: Sequence[checks.Finding]) -> None:
        found.extend(these)
        for finding in these if aloud else ():
            _print(finding)

    tell(here.settings_read(loaded, config))
    tell(here.secrets(loaded))
    tell(here.playbooks(loaded))
    tell(await here.store(loaded.store))
    async for these in beyond.look(loaded):
        tell(these)
    return found


def _print(finding: checks.Finding) -> None:
    loud = {"failed": "red", "warning": "yellow"}.get(finding.verdict)
    click.secho(_MARKS[finding.verdict], fg=loud, nl=False)
    click.echo(f"{finding.topic}: {finding.text}" + (f" {finding.remedy}" if finding.remedy else ""))
