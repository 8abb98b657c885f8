"""Help and usage: at once, without loading what only work needs, and wrong usage ends with 2."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from responder import __version__, cli
from tests.cli import terminal

COMMANDS = cli.cli.list_commands(click.Context(cli.cli))


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], ("azure", "aiohttp", "asyncpg", "pydantic", "rich", "sqlite3", "responder.store")),
        (["--version"], ("azure", "aiohttp", "asyncpg", "pydantic", "rich", "sqlite3", "responder.store")),
        (["serve", "--help"], ("azure", "asyncpg", "responder.service", "responder.simulator")),
        (["run", "--help"], ("azure", "asyncpg", "responder.service", "responder.simulator")),
        (["runs", "--help"], ("azure", "asyncpg", "responder.service", "responder.simulator")),
        (["decide", "--help"], ("azure", "asyncpg", "responder.service", "responder.simulator")),
        (["simulate", "--help"], ("azure", "asyncpg", "aiohttp", "responder.simulator")),
        (["demo", "--help"], ("azure", "asyncpg", "responder.simulator")),
    ],
    ids=" ".join,
)
def test_help_loads_no_more_than_it_needs(arguments: list[str], heavy: tuple[str, ...]):
    code = (
        "import sys\nfrom responder import cli\n"
        f"sys.argv = ['responder', *{arguments!r}]\n"
        "try: cli.main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "loaded = {'.'.join(m.split('.')[:n]) for m in sys.modules for n in (1, 2)}\n"
        f"sys.exit(', '.join(loaded & set({heavy!r})) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_listed_and_has_help(responder: terminal.Responder, command: str):
    assert command in responder("--help").out
    said = responder(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: ")


def test_the_version_is_said(responder: terminal.Responder):
    assert __version__ in responder("--version").out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuch"],
        ["--nosuch"],
        ["runs"],
        ["runs", "nosuch"],
        ["runs", "show", "--config", "s.yaml"],
        ["inventory"],
        ["inventory", "--config"],
        ["inventory", "--config", "/"],
        ["run", "geo-restore", "--config", "s.yaml"],
        ["decide", "--server", "a", "--config", "s.yaml"],
        ["events", "parse"],
        ["serve"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(
    responder: terminal.Responder, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    monkeypatch.delenv("RESPONDER_CONFIG", raising=False)
    said = responder(*arguments)
    assert said.code == 2, said
    assert said.err
    assert "Traceback" not in said.err
