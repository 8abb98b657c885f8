"""Which copies decisions look at: those that are meant to take the place of their server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responder import playbook_files
from responder import steps as kinds
from responder.core import runs
from tests.core import cases

BOOKS = playbook_files.load_all(None, kinds.KINDS)


def a_run(playbook: str, by: str, **given: object) -> runs.Run:
    book = BOOKS[playbook]
    return runs.new(
        id_=runs.RunId("r"), server=cases.server(), outage_id=None, playbook=book, params=book.arguments(given),
        by=by, now=cases.BEGAN,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(a_run("geo-restore", "responder"), True, id="a geo-restore of ours"),
        pytest.param(a_run("geo-restore", "ana"), True, id="a geo-restore by hand"),
        pytest.param(a_run("promote-replica", "responder"), True, id="a replica"),
        pytest.param(a_run("wait-it-out", "responder"), False, id="waiting"),
        pytest.param(a_run("drill", "ana"), False, id="a rehearsal"),
        pytest.param(a_run("point-in-time-restore", "ana"), False, id="a copy beside the server"),
        pytest.param(a_run("point-in-time-restore", "ana", cutover="yes"), True, id="one to cut over to"),
        pytest.param(a_run("point-in-time-restore", "responder"), True, id="one that a decision asked for"),
    ],
)
def test_a_copy_stands_in_when_its_run_may_cut_over_to_it(run: runs.Run, expected: bool):
    assert runs.stands_in(run) is expected


def test_a_run_without_a_cut_over_never_stands_in():
    book = BOOKS["geo-restore"]
    without = replace(book, steps=tuple(step for step in book.steps if step.kind != "cut_over"))
    assert not runs.stands_in(replace(a_run("geo-restore", "responder"), playbook=without))
