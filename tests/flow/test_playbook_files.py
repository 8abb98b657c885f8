"""Playbook files: the shipped ones load, a folder overlays them by name, and a bad file is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from responder import playbook_files, settings, steps
from responder.core import errors
from responder.flow import allowed

CALLS = """title: T
purpose: P
steps:
  - id: call
    do: http_request
    with:
      WITH
"""
GOOD = "title: T\npurpose: P\nsteps: [{id: one, do: notify}]\n"


def test_the_shipped_playbooks_use_step_kinds_that_exist():
    assert {"geo-restore", "wait-it-out"} <= playbook_files.load_all(None, steps.KINDS).keys()


def test_a_file_of_the_same_name_replaces_the_shipped_one(tmp_path: Path):
    (tmp_path / "geo-restore.yaml").write_text(GOOD)
    (tmp_path / "ours.yaml").write_text(GOOD)
    found = playbook_files.load_all(tmp_path, steps.KINDS)
    assert found["geo-restore"].title == found["ours"].title == "T"
    assert found["wait-it-out"].title != "T"


@pytest.mark.parametrize(
    ("content", "error_id", "place"),
    [
        (b"title: [", "playbook.not-yaml", "bad.yaml:1:"),
        (b"\xff\xfe", "playbook.not-yaml", "bad.yaml:1:1"),
        (b"title: T\npurpose: \xe4", "playbook.not-yaml", "bad.yaml:2:10"),
        (b"title: T\npurpose: " + b"9" * 5000, "playbook.not-yaml", "bad.yaml:2:10"),
        (b'title: "\\ud83d"\npurpose: P', "playbook.not-yaml", "bad.yaml:1:8"),
        (b"title: T\npurpose: P\nsteps: [*nowhere]", "playbook.not-yaml", "bad.yaml:3:9"),
        (b"title: T\npurpose: P\nsteps: [{id: one, do: explode}]", "playbook.unknown-step", "bad.yaml:3:23"),
        (b"", "playbook.not-a-mapping", "bad.yaml:1:1"),
        (b"#" * 300_000, "playbook.too-large", "bad.yaml"),
    ],
)
def test_a_bad_file_is_told_with_its_place(tmp_path: Path, content: bytes, error_id: str, place: str):
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(errors.InputError) as raised:
        playbook_files.load_all(tmp_path, steps.KINDS)
    assert raised.value.error_id == error_id
    assert place in raised.value.place
    assert raised.value.remedy


def test_whoever_must_go_on_goes_without_the_playbooks_whose_files_have_mistakes(tmp_path: Path):
    (tmp_path / "drill.yaml").write_text("title: [")
    (tmp_path / "ours.yaml").write_text(GOOD)
    (tmp_path / "ours.yml").write_text("title: [")
    shipped = playbook_files.load_all(None, steps.KINDS)
    found = playbook_files.library(tmp_path, playbook_files.language(steps.KINDS), spare=True)
    assert found.playbooks.keys() == shipped.keys() - {"drill"} | {"ours"}, "the shipped one does not come back"
    assert {name: error.error_id for name, error in found.unusable.items()} == {
        "drill": "playbook.not-yaml",
        "ours.yml": "playbook.bad-name",
    }


@pytest.mark.parametrize("name", ["ours.yml", "Ours.yaml", "our s.yaml"])
def test_a_file_that_would_be_passed_over_or_cannot_be_called_is_refused_by_its_name(tmp_path: Path, name: str):
    (tmp_path / name).write_text(GOOD)
    (tmp_path / ".draft.yaml").write_text("title: [")
    (tmp_path / "notes.txt").write_text("nothing for us")
    with pytest.raises(errors.InputError, match=r"playbook\.bad-name"):
        playbook_files.load_all(tmp_path, steps.KINDS)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ('server.storage_gb > 1.0 && duration("5 m") < duration("2h")', 'duration("5 m") is none'),
        ("outage.impact_start > timestamp('yesterday')", "timestamp('yesterday') is none"),
        ('server.name.matches("(")', "Its pattern cannot be read"),
    ],
)
def test_what_is_written_out_and_could_never_be_told_is_refused_when_it_is_loaded(
    tmp_path: Path, condition: str, told: str
):
    file = tmp_path / "bad.yaml"
    file.write_text(f"title: T\npurpose: P\nsteps:\n  - id: one\n    do: notify\n    when: {condition}\n")
    with pytest.raises(errors.InputError, match=r"bad\.yaml:6:\d+") as raised:
        playbook_files.load(file, steps.KINDS)
    assert told in raised.value.message


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ('steps.hold.verdict == "cutover"', "steps.hold.verdict is never 'cutover'. Did you mean cut-over?"),
        ('"ready" != steps.hold.state', "steps.hold.state is never 'ready'."),
        ('tolerance.cutover in ["auto", "asks"]', "tolerance.cutover is never 'asks'. Did you mean ask?"),
        ('params.way == "c"', "params.way is never 'c'. Known: a, b."),
    ],
)
def test_a_word_that_a_name_never_is_is_refused_and_not_skipped_over_in_the_night(
    tmp_path: Path, condition: str, told: str
):
    file = tmp_path / "bad.yaml"
    way = "parameters:\n  way: {type: choice, choices: [a, b], default: a}\n"
    step = "  - {id: hold, do: hold}\n  - id: one\n    do: notify\n    when: "
    good = 'steps.hold.verdict == "cut-over" && tolerance.hedge != "off" && server.tags["team"] == "anything"'
    file.write_text(f"title: T\npurpose: P\n{way}steps:\n{step}{good}\n")
    playbook_files.load(file, steps.KINDS)
    file.write_text(f"title: T\npurpose: P\n{way}steps:\n{step}'{condition}'\n")
    with pytest.raises(errors.InputError, match=r"bad\.yaml:9:\d+") as raised:
        playbook_files.load(file, steps.KINDS)
    assert told in str(raised.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(errors.InputError, match="no such folder"):
        playbook_files.load_all(tmp_path / "none", steps.KINDS)


def test_a_directory_with_a_playbooks_name_is_told(tmp_path: Path):
    (tmp_path / "odd.yaml").mkdir()
    with pytest.raises(errors.InputError, match="cannot be read"):
        playbook_files.load_all(tmp_path, steps.KINDS)


@pytest.mark.parametrize(
    ("given", "place", "said"),
    [
        ("url: https://hooks.example/a", "", ""),
        ("url: 'https://hooks.example/${{ server.name }}'", "", ""),
        ("url: 'https://${{ server.name }}.example/a'", "", ""),
        ("url: https://other.example/a", "7:12", "other.example:443 may not be called"),
        ("url: 'https://other.example/${{ server.name }}'", "7:12", "other.example:443 may not be called"),
        ("url: https://hooks.example:8443/a", "7:12", "hooks.example:8443 may not be called"),
        ("url: https://hooks.example@other.example/a", "7:12", "carries a user"),
        ("url: file:///etc/passwd", "7:12", "begins neither with"),
        ("{url: 'https://hooks.example/a', check: 'https://other.example/a'}", "7:47", "other.example:443"),
        ("{url: 'https://hooks.example/a', headers: {A: {secret: nosuch}}}", "7:49", "no secret 'nosuch'"),
        ("{url: 'https://hooks.example/a', json: {}, body: a}", "7:56", "json and body"),
    ],
)
def test_a_call_that_the_settings_do_not_allow_is_told_when_the_file_is_loaded(
    tmp_path: Path, given: str, place: str, said: str
):
    """And it stops that playbook alone: on another machine it may be allowed."""
    (tmp_path / "ours.yaml").write_text(CALLS.replace("WITH", given))
    rules = settings.Steps(http_request=settings.HttpRequest(hosts=("hooks.example",)))
    config = settings.Settings(steps=rules)
    found = playbook_files.library(tmp_path, allowed.language(config, steps.discovered(settings.switched_off(config))))
    assert "geo-restore" in found.found
    assert ("ours" in found.found) is (not said)
    told = str(found.unusable.get("ours", ""))
    assert said in told
    assert place in told


def test_a_program_that_the_settings_do_not_list_is_told_and_one_to_be_installed_is_not(tmp_path: Path):
    text = "title: T\npurpose: P\nsteps: [{id: a, do: command, with: {program: PROGRAM}}]\n"
    (tmp_path / "listed.yaml").write_text(text.replace("PROGRAM", "/opt/not/there/yet"))
    (tmp_path / "other.yaml").write_text(text.replace("PROGRAM", "/bin/rm"))
    config = settings.Settings(steps=settings.Steps(command=settings.Command(programs=(Path("/opt/not/there/yet"),))))
    found = playbook_files.library(tmp_path, allowed.language(config, steps.discovered(settings.switched_off(config))))
    assert "listed" in found.found
    assert "/bin/rm may not be run. List it in steps.command.programs" in str(found.unusable["other"])
