"""The page about what we listen to says what the code does."""

from __future__ import annotations

from pathlib import Path

from click import testing

from responder import cli
from responder.core import transitions

PAGE = Path(__file__).parents[2] / "deploy" / "listening.md"
BEGIN, END = "<!-- transitions: begin -->\n", "<!-- transitions: end -->\n"


def test_the_table_of_transitions_is_the_one_of_the_code() -> None:
    """To renew it: `responder events transitions`, and put the answer between the two marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, mark, _ = rest.partition(END)
    assert before
    assert mark
    assert table == transitions.markdown()


def test_the_table_is_printed_by_a_command_that_help_does_not_show() -> None:
    events = cli.cli.get_command(None, "events")  # type: ignore[arg-type]
    assert events is not None
    printed = testing.CliRunner().invoke(events, ["transitions"])
    assert printed.exit_code == 0
    assert printed.output == transitions.markdown()
    assert "transitions" not in testing.CliRunner().invoke(events, ["--help"]).output
