"""`responder demo`: the whole product on this machine. Nothing of the daemon knows that it is a demonstration."""

from __future__ import annotations

import asyncio
import sys

import click


@click.command()
@click.option("--kill", is_flag=True, help="Kill the daemon with -9 every few seconds and start it again: same end.")
@click.option("--plain", is_flag=True, help="Lines instead of the live view (default when this is not a terminal).")
def demo(kill: bool, plain: bool) -> None:
    """A region goes dark: watch what becomes of eight servers. No Azure, no Docker; about a minute.

    Starts a local Azure that speaks the real protocols, and the daemon, both as processes of their own. Exit 0 only
    when everything ended as it should.
    """
    from responder.cli.demo import play

    ok = asyncio.run(play.play(kill=kill, plain=plain or not sys.stdout.isatty()))
    if not ok:
        raise SystemExit(1)
