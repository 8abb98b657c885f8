"""How tables look: whole ids in a pipe, and in a narrow terminal no column of single letters."""

from __future__ import annotations

import sys

import pytest

from responder.cli import show
from tests.cli import terminal

COLUMNS = ("server", "region", "tier", "owner", "last probe")
LINES = [
    ("orders", "East US 2", "GeneralPurpose", "team-orders", "answers, 1 s ago"),
    ("wiki", "East US 2", "Burstable", None, ""),
]


@pytest.fixture
def terminal_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def printed(width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        show.rows("Inventory", COLUMNS, LINES, empty="Nothing.")
        return capsys.readouterr().out

    return printed


def test_a_terminal_that_is_wide_enough_gets_a_table(terminal_of):
    header = next(line for line in terminal_of(100).splitlines() if "region" in line)
    assert header.split() == ["server", "region", "tier", "owner", "last", "probe"]


def test_a_narrow_terminal_gets_a_paragraph_for_each_line_and_no_broken_word(terminal_of):
    printed = terminal_of(50)
    assert max(map(len, printed.splitlines())) <= 50
    assert "GeneralPurpose" in printed
    assert "team-orders" in printed
    assert [line.strip() for line in printed.splitlines() if line[:1] not in ("", " ")] == [
        "Inventory",
        "orders",
        "wiki",
    ]
    assert "owner" not in printed.partition("wiki")[2]  # nothing is said of what is empty


def test_a_pipe_gets_lines_that_are_not_folded(capsys: pytest.CaptureFixture[str]):
    show.rows("Runs", ("id", "what"), [("x" * 80, "y" * 300)], empty="")
    assert f"{'x' * 80}   {'y' * 300}" in capsys.readouterr().out


def test_a_mistyped_command_is_asked_back_and_a_missing_file_says_how_to_give_it(
    responder: terminal.Responder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("RESPONDER_CONFIG", raising=False)
    mistyped, bare = responder("inventry"), responder("inventory")
    assert (mistyped.code, bare.code) == (2, 2)
    assert "inventory" in mistyped.err
    assert "RESPONDER_CONFIG" in bare.err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("/subscriptions/1/resourcegroups/rg/providers/microsoft.dbforpostgresql/servers/copy", "copy"),
        ("2026-11-22T20:24:52.459123+00:00", "2026-11-22 20:24:52 UTC"),
        ("2026-11-22", "2026-11-22"),
        (3, "3"),
    ],
)
def test_what_a_step_put_out_is_short_for_people(value: object, said: str):
    assert show.brief(value) == said
