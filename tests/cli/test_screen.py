"""What strangers have written is shown, and never obeyed by the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from responder.cli import screen
from tests.cli import terminal

HOSTILE = "\x1b[2J\x1b]0;all is well\x07\x9b2J\u202eesrever\rover"


def test_no_control_of_a_terminal_is_printed_and_no_word_is_lost(capsys: pytest.CaptureFixture[str]):
    with screen.guarded():
        click.echo(f"title: {HOSTILE}", color=True)
        click.echo(HOSTILE, err=True, color=True)
    said = capsys.readouterr()

    assert said.err == said.out.removeprefix("title: ")
    assert said.err == "\\u001b[2J\\u001b]0;all is well\\u0007\\u009b2J\\u202eesrever\\u000dover\n"


def test_colours_lines_tabs_and_every_script_are_left_as_they_are(capsys: pytest.CaptureFixture[str]):
    text = "\x1b[31mred\x1b[0m\r\n\ttab Žluťoučký 漢字 ✓ ─"
    with screen.guarded():
        click.echo(text, color=True)
        click.echo(b"\x1b\x00 bytes", nl=False)

    assert capsys.readouterr().out == f"{text}\n\x1b\x00 bytes"


def test_json_stays_json_and_means_the_same(capsys: pytest.CaptureFixture[str]):
    with screen.guarded():
        click.echo(json.dumps({"title": HOSTILE}, ensure_ascii=False))

    assert json.loads(capsys.readouterr().out) == {"title": HOSTILE}


def test_every_command_speaks_through_it(responder: terminal.Responder, tmp_path: Path):
    event = tmp_path / "\x1b]0;x\x07.json"
    event.write_text("{")

    assert responder("events", "parse", event).err.count("\\u001b]0;x\\u0007.json: at 0") == 1


@pytest.mark.parametrize(
    "arguments",
    [("decide", "--facts"), ("replay", "--incident"), ("audit", "verify", "--against"), ("playbooks", "lint")],
)
def test_a_file_that_is_nested_without_end_is_refused_in_words(
    arguments: tuple[str, ...], responder: terminal.Responder, tmp_path: Path
):
    file, config = tmp_path / "deep.yaml", tmp_path / "settings.yaml"
    config.write_text(f"store: {{path: {tmp_path / 'x.sqlite3'}}}\n")
    file.write_text("[" * 100_000)
    said = responder(*arguments, file, *(("--config", config) if arguments[0] == "audit" else ()))

    assert said.code == 1
    assert str(file) in said.out + said.err
