"""The command line. Exit 0: done; 1: refused or failed; 2: wrong usage. Commands are imported when they are used."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import json
import sys

import click

from responder import __version__
from responder.cli import screen
from responder.core import errors

_COMMANDS = {
    "demo": ("responder.cli.demo:demo", "The whole thing on this machine: an outage, and what becomes of it."),
    "serve": ("responder.cli.serve:serve", "Run the daemon."),
    "check": ("responder.cli.check:check", "What would not work in the night: settings, rights, hubs, groups, tags."),
    "simulate": ("responder.cli.simulate:simulate", "Run only the local Azure."),
    "inventory": ("responder.cli.inventory:inventory", "The estate, as last seen."),
    "incidents": ("responder.cli.incidents:incidents", "Outages, and what was decided for each server."),
    "events": ("responder.cli.events:events", "What Azure said, in our words."),
    "decide": ("responder.cli.decide:decide", "What would be done for a server and why; touches nothing."),
    "replay": ("responder.cli.replay:replay", "The policy over recorded outages: a table and a picture."),
    "scorecard": ("responder.cli.scorecard:scorecard", "After outages: needless, missed, cost; done or in shadow."),
    "playbooks": ("responder.cli.playbooks:playbooks", "Playbooks: list, show, lint, plan, schema."),
    "run": ("responder.cli.run:run", "Run a playbook by hand."),
    "drill": ("responder.cli.drill:drill", "Rehearse a restore of one server, and measure it."),
    "audit": ("responder.cli.audit:audit", "Who decided, said and did what; and whether that record is whole."),
    "freeze": ("responder.cli.freeze:freeze", "The brake: begin nothing new, everywhere, in a region or for a server."),
    "unfreeze": ("responder.cli.freeze:unfreeze", "Let the brake go."),
    "approvals": ("responder.cli.approvals:approvals", "What waits for somebody's yes: price, by when, who may."),
    "brakes": ("responder.cli.brakes:brakes", "What holds things back: freezes, pauses, caps, cooldowns, budgets."),
    "instances": ("responder.cli.brakes:instances", "Who shares the store, and what each carries out."),
    "runs": (
        "responder.cli.runs:runs",
        "Runs: look at them, and say a word to one (approve, pause, cancel, retry, ...).",
    ),
}


class _Lazy(click.Group):
    """Knows its commands by name and imports one only when it is called: `--help` must come at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            if not near or near[0] in error.message:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="responder")
def cli() -> None:
    """Regional outage responder for Azure Database for PostgreSQL.

    Waits an outage out, or geo-restores into the paired region: starts early, cuts over late, and says why.
    """


def main() -> None:
    """Entry point of the console script."""
    moves_about = sys.argv[1:2] == ["demo"]  # on the screen; and it shows nothing that a stranger has written
    with contextlib.nullcontext() if moves_about else screen.guarded():
        _carried_out()


def _carried_out() -> None:
    try:
        code = cli.main(standalone_mode=False)
        if isinstance(code, int):  # of `ctx.exit`, which click returns here instead of raising
            sys.exit(code)
    except click.Abort:
        _complain(errors.RefusedError("cli.interrupted", "Interrupted."))
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(2 if isinstance(error, click.UsageError) else 1)
    except errors.ResponderError as error:
        _complain(error)
        sys.exit(2 if error.place.startswith("--") else 1)  # what an option was given cannot be read


def _complain(error: errors.ResponderError) -> None:
    if "--json" in sys.argv:
        print(json.dumps(error.jsonable()))
    else:
        print(f"responder: {error}", file=sys.stderr)
