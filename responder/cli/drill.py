"""`responder drill`: rehearse a restore of one server. A run of the playbook `drill`, with the daemon up or down."""

from __future__ import annotations

from pathlib import Path

import click

from responder.cli import reach, run


@click.command(
    epilog="""\b
Examples:
  responder drill --server orders
  responder drill --server orders --from point-in-time --yes
"""
)
@click.option("--server", required=True, help="ARM id, or a name only one server has.")
@click.option(
    "--from", "source", type=click.Choice(["geo-backup", "point-in-time"]), default="geo-backup", show_default=True,
    help="What is restored: the newest backup in the paired region, or the server as it is now, in its own.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Also while an outage of the server is open.")
@click.option("--yes", is_flag=True, help="Do not ask before starting.")
@reach.with_config
@reach.with_json
@click.pass_context
def drill(
    context: click.Context, server: str, source: str, force: bool, yes: bool, config: Path, as_json: bool
) -> None:
    """Rehearse a restore: make a copy, verify it, measure how long it took, and throw the copy away.

    Applications are never sent to it. The times are kept: the next restore is believed to take as long.
    """
    given = (f"from={source}", f"force={'true' if force else 'false'}")
    context.invoke(run.run, playbook="drill", server=server, given=given, yes=yes, config=config, as_json=as_json)
