"""Step kinds of other packages: found by entry point, and refused alone when they are of no use."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from responder import playbook_files, steps
from responder.core import decisions, errors

GOOD = """
from responder.core import playbooks, runs

EFFECT = "read"
ABOUT = "Counts."
SETTINGS = (playbooks.Setting(name="up_to", type=playbooks.Type.NUMBER, required=True, about="how far"),)

async def execute(ctx):
    return runs.Done(output={})
"""
BOOK = "title: T\npurpose: P\nsteps: [{id: one, do: KIND, with: {up_to: 3}}]\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package with entry points; write modules into it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("third_")]:
        del sys.modules[name]


def install(package: Path, points: dict[str, str], name: str = "third") -> None:
    info = package / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{kind} = {value}" for kind, value in points.items())
    (info / "entry_points.txt").write_text(f"[responder.steps]\n{lines}\n")


def test_a_step_kind_of_another_package_is_used_like_one_of_ours(package: Path):
    (package / "third_good.py").write_text(GOOD)
    install(package, {"count": "third_good"})
    found = steps.discovered({})
    assert found.declared["count"].about == "Counts."
    speech = playbook_files.language(found.kinds, found.unusable)
    good = playbook_files.examine_text(BOOK.replace("KIND", "count"), name="a", place="a", speech=speech)
    assert good.playbook is not None
    bad = playbook_files.examine_text(
        BOOK.replace("KIND", "count").replace("3", "x"), name="a", place="a", speech=speech
    )
    assert [p.error_id for p in bad.problems] == ["playbook.bad-value"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise RuntimeError('no licence')", "no licence"),
        ("import nosuchmodule_of_anybody", "nosuchmodule_of_anybody"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (GOOD.replace("async def", "def"), "execute is not `async`"),
        (GOOD.replace("execute(ctx)", "execute(self, ctx)"), "name an instance"),
        ("EFFECT = 'read'", "has nothing to execute"),
        (GOOD.replace('"read"', '"once"'), "cannot find out what became of it"),
        (GOOD.replace('"read"', '"sometimes"'), "does not say what it does"),
    ],
    ids=[
        "raises",
        "lacks a package",
        "exits",
        "waits for nothing",
        "a class",
        "executes nothing",
        "once without reconcile",
        "no effect",
    ],
)
def test_a_broken_one_stops_only_the_playbooks_that_use_it(package: Path, source: str, why: str, tmp_path: Path):
    (package / "third_bad.py").write_text(source)
    install(package, {"count": "third_bad"})
    found = steps.discovered({})
    assert set(found.kinds) == set(steps.KINDS)
    assert why in found.unusable["count"].message
    assert "third_bad of third" in found.unusable["count"].message
    books = tmp_path / "books"
    books.mkdir()
    (books / "ours.yaml").write_text(BOOK.replace("KIND", "count"))
    (books / "wait-it-out.yaml").write_text(BOOK.replace("KIND", "count"))
    library = playbook_files.library(books, playbook_files.language(found.kinds, found.unusable))
    assert set(library.unusable) == {"ours", "wait-it-out"}
    assert why in library.unusable["ours"].message
    # What it replaces does not come back in its place, and the daemon needs it.
    assert "wait-it-out" not in library.found
    with pytest.raises(errors.InputError, match="cannot be used"):
        playbook_files.insist(library, ["wait-it-out"])


def test_nobody_takes_the_name_of_a_step_kind_of_ours_or_of_another(package: Path):
    (package / "third_good.py").write_text(GOOD)
    install(package, {"restore": "third_good", "count": "third_good"})
    install(package, {"count": "third_good:other"}, name="fourth")
    found = steps.discovered({})
    assert found.kinds["restore"] is steps.KINDS["restore"]
    assert "several packages bring it" in found.unusable["count"].message


def test_what_is_switched_off_is_not_there_and_says_how_to_switch_it_on():
    found = steps.discovered({"command": "List its programs."})
    assert "command" not in found.kinds
    assert "List its programs." in str(found.unusable["command"])


@pytest.mark.parametrize("name", ["wait-it-out", "promote-replica", "point-in-time-restore"])
def test_a_playbook_that_the_daemon_starts_by_itself_must_not_ask_for_anything(tmp_path: Path, name: str):
    (tmp_path / f"{name}.yaml").write_text(
        "title: T\npurpose: P\nparameters: {to: {type: time, required: true}}\nsteps: [{id: one, do: hold}]\n"
    )
    library = playbook_files.library(tmp_path, playbook_files.language(steps.KINDS))
    with pytest.raises(errors.InputError, match="nobody would give it to"):
        playbook_files.insist(library, decisions.NEEDED, decisions.STARTED)


@pytest.mark.parametrize("name", sorted(steps.KINDS))
def test_every_verdict_that_a_step_kind_gives_is_one_that_it_declares(name: str):
    """Else a playbook that asks for it would be refused."""
    source = inspect.getsource(steps.KINDS[name])  # type: ignore[arg-type]
    declared = {output.name: output.words for output in steps.BUILT_IN.declared[name].outputs}.get("verdict", ())
    given = set()
    for value in re.findall(r'"verdict": ([^,}\n]+)', source):
        given |= set(re.findall(r'"([a-z-]+)"', value))
    assert given <= set(declared)


_WRITES = re.compile(
    r"(?<!answer = )await ctx\.doors\.(control_plane\.(restore|delete|change)|dns\.point|dumps\.begin|programs\.run)\("
)


@pytest.mark.parametrize("name", sorted(name for name, kind in steps.KINDS.items() if kind.EFFECT != "read"))
def test_every_step_kind_asks_whether_the_run_is_still_ours_directly_before_it_writes(name: str):
    """With nothing awaited in between: a process that was frozen may have lost its run while it waited."""
    before: list[str] = []
    for line in inspect.getsource(steps.KINDS[name]).splitlines():  # type: ignore[arg-type]
        if _WRITES.search(line):
            asked = max((i for i, each in enumerate(before) if "ctx.check()" in each), default=None)
            assert asked is not None, line
            assert not any("await" in each for each in before[asked:]), line
        before.append(line)
