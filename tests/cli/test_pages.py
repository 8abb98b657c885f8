"""What the documents show of the program is what the program says, and the headline of the replay holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib import parse

import pytest

from responder.cli.replay import history
from responder.core import deadlines, replays, restore_times
from responder.core.replays import Policy
from tests.cli import pages, terminal


@pytest.mark.parametrize(("file", "name", "write"), pages.PARTS, ids=lambda value: value if type(value) is str else "")
def test_what_the_program_wrote_is_what_it_would_write(file: str, name: str, write: Callable[[], str]):
    """To renew it: `make pages`."""
    _, inside, _ = pages.parted((pages.ROOT / file).read_text(encoding="utf-8"), name)
    assert inside == write()


def test_the_picture_is_the_one_that_the_command_draws(responder: terminal.Responder, tmp_path: Path):
    """To renew it: `make pages`."""
    said = responder("replay", "--svg", tmp_path / "replay.svg")
    assert said.code == 0
    assert "95 % interval of a bootstrap" in said.out
    assert pages.PICTURE.read_text(encoding="utf-8") == (tmp_path / "replay.svg").read_text(encoding="utf-8")


def test_every_recorded_outage_names_its_source():
    with (history.resources.files(history.__package__ or "") / "history.csv").open(encoding="utf-8") as file:
        rows = list(history.csv.DictReader(file))
    assert len(rows) == 41
    for row in rows:
        place = parse.urlsplit(row["source"])
        assert place.scheme in ("http", "https"), row
        assert "." in place.netloc, row
        assert row["began"][:2] == "20", row


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_headline_holds_at_12_hours_whatever_the_seed(seed: int):
    """The hedge misses no more than restoring at once, and under one per cent of its cut-overs were for nothing."""
    setup = replays.Setup(
        beliefs=restore_times.DEFAULTS,
        timing=deadlines.Timing(),
        notices_min=history.NOTICES_MIN,
        rto_h=(12,),
        size_classes=(restore_times.MIDDLE,),
        servers=200,
        seed=seed,
    )
    found = {row.policy: row for row in replays.replay(history.load(None), setup)}
    at_once, waiting = found[Policy.RESTORE_AT_ONCE], found[Policy.ALWAYS_WAIT]
    for hedge in (found[Policy.HEDGE_LAZY], found[Policy.HEDGE_EAGER]):
        assert hedge.missed_pct <= at_once.missed_pct
        assert hedge.needless_pct < 1
        assert hedge.cost_h < min(at_once.cost_h, waiting.cost_h)
        assert hedge.needless_95 is not None
        assert at_once.needless_95 is not None
        assert hedge.needless_95[1] < at_once.needless_95[0] / 5
