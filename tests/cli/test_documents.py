"""What the documents name exists: links, step kinds, the words of announcements, the commands."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from responder import cli, steps
from responder.core import contexts
from responder.core.playbooks import steps_reading

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("playbooks/*.md")])
PLAYBOOKS = (ROOT / "playbooks" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_document_exists(document: Path) -> None:
    named = re.findall(r"(?:^|`)responder ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name in named if cli.cli.get_command(None, name) is None} == set()  # type: ignore[arg-type]


def test_every_step_kind_is_described() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| .* \| (read|idempotent|once) \|", PLAYBOOKS, re.MULTILINE)
    assert dict(rows) == {name: kind.EFFECT for name, kind in steps.KINDS.items()}


def test_every_name_of_the_vocabulary_is_described() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| ([a-z]+) \|", PLAYBOOKS, re.MULTILINE)
    assert dict(rows) == {name: type_.value for name, type_ in contexts.TYPES.items()}


def test_the_example_of_a_step_kind_loads_and_passes_its_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, test = re.findall(r"^```python\n(.*?)^```", PLAYBOOKS, re.MULTILINE | re.DOTALL)
    ((group, points),) = re.findall(r"^\[project.entry-points.\"(.*?)\"\]\n(.*?)^```", PLAYBOOKS, re.M | re.DOTALL)
    (tmp_path / "hold_jobs.py").write_text(kind)
    info = tmp_path / "example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{points}".replace('"', ""))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = steps.discovered({})
    assert found.declared["hold_jobs"].setting("folder") is not None
    rules: dict[str, Any] = {}
    exec(compile(test, "playbooks/README.md", "exec"), rules)
    named = [rule for name, rule in rules.items() if name.startswith("test_")]
    assert len(named) == 3
    for number, rule in enumerate(named):
        folder = tmp_path / str(number)
        folder.mkdir()
        asyncio.run(rule(folder))
    sys.modules.pop("hold_jobs")


def test_every_key_of_a_step_is_described() -> None:
    assert all(re.search(rf"^ +(?:- )?{key}:", PLAYBOOKS, re.MULTILINE) for key in steps_reading.KEYS)
