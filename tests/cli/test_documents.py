"""What the documents name exists: links, step kinds, the words of announcements, the commands."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

from responder import cli, steps
from responder.core.playbooks import steps_reading
from responder.steps import notify

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


def test_every_word_of_announcements_is_described() -> None:
    rows = "\n".join(line for line in PLAYBOOKS.splitlines() if line.startswith("| `$"))
    assert set(re.findall(r"`\$([a-z_]+)`", rows)) == _words()


def test_every_word_a_shipped_playbook_uses_is_known() -> None:
    for file in (ROOT / "playbooks").glob("*.yaml"):
        assert set(re.findall(r"\$([a-z_]+)", file.read_text(encoding="utf-8"))) <= {"schema", *_words()}, file.name


def test_every_key_of_a_step_is_described() -> None:
    assert all(re.search(rf"^ +(?:- )?{key}:", PLAYBOOKS, re.MULTILINE) for key in steps_reading.KEYS)


def _words() -> set[str]:
    """The keys that `notify.vocabulary` returns, read off its source: calling it needs a whole run."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(notify.vocabulary)))
    (answer,) = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    assert isinstance(answer, ast.Dict)
    return {key.value for key in answer.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
