"""Settings: every complaint names file and field, nothing unknown is let through, and no secret is ever said aloud."""

from __future__ import annotations

import ast
import inspect
import itertools
import logging
import os
import re
import textwrap
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pydantic
import pytest

from responder import settings
from responder.core import errors, outage_lengths, restore_times, tolerances

SECRET = "hunter2-hunter2"

Load = Callable[[str], settings.Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(text: str | bytes) -> settings.Settings:
        file = tmp_path / "settings.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return settings.load(file)

    return read


def refused(load: Load, text: str | bytes) -> errors.InputError:
    with pytest.raises(errors.InputError) as raised:
        load(text)  # type: ignore[arg-type]
    assert raised.value.place.partition(":")[0].endswith("settings.yaml")
    assert raised.value.remedy
    assert len(str(raised.value).splitlines()) == 1
    return raised.value


def test_an_empty_file_is_all_defaults(load: Load):
    assert load("") == settings.Settings()


@pytest.mark.parametrize(
    ("text", "field", "complaint"),
    [
        ("storr: {}", "storr", "there is no such setting"),
        ("web: {prot: 1}", "web.prot", "there is no such setting"),
        ("event_hubs: [{hub: h, namespace: n, keys: 1}]", "event_hubs.0.keys", "there is no such setting"),
        ("probes: {interval: 60}", "probes.interval", "write a duration with its unit"),
        ("probes: {interval: soon}", "probes.interval", "'soon' is not a duration"),
        ("probes: {concurrency: 0}", "probes.concurrency", "greater than or equal to 1"),
        ("web: {port: 70000}", "web.port", "less than or equal to 65535"),
        ("web: {token: {}}", "web.token", "give one of `env`, `file` and `credential`"),
        ("web: {token: {env: A, file: /b}}", "web.token", "give one of `env`, `file` and `credential`"),
        ("web: {token: {env: A, credential: b}}", "web.token", "give one of `env`, `file` and `credential`"),
        ("web: {token: {credential: ../shadow}}", "web.token.credential", "match pattern"),
        ("event_hubs: [{hub: h}]", "event_hubs.0", "give either `connection_string` or `namespace`"),
        ("channels: [{kind: webhook}]", "channels.0", "`url` belongs to kind webhook"),
        ("channels: [{kind: log, url: {env: A}}]", "channels.0", "`url` belongs to kind webhook"),
        ("azure: {credential: password}", "azure.credential", "'default'"),
        ("tolerance_defaults: {cutover: maybe}", "tolerance_defaults.cutover", "'auto'"),
        ("tolerance_defaults: {priority: 6}", "tolerance_defaults.priority", "less than or equal to 5"),
        ("decision: {quantile: 0.2}", "decision.quantile", "greater than 0.5"),
        ("decision: {survival: [[10s, 0.5], [5s, 0.4]]}", "decision.survival", "times of a survival curve rise"),
        ("decision: {beliefs: {huge: {p50: 1h, p95: 2h}}}", "decision.beliefs.huge.[key]", "'small'"),
        ("decision: {beliefs: {small: {p50: 1h}}}", "decision.beliefs.small.p95", "required"),
        ("dns_zones: {z: {subscription: s}}", "dns_zones.z.resource_group", "required"),
        ("log_level: loud", "log_level", "'debug'"),
        ("[1, 2]", "the file", "it has no names of settings"),
        ("just words", "the file", "it has no names of settings"),
    ],
)
def test_a_complaint_names_the_field(load: Load, text: str, field: str, complaint: str):
    error = refused(load, text)
    assert error.error_id == "settings.invalid"
    assert error.message.startswith(f"{field}: ")
    assert complaint in error.message


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("mode: act\nweb:\n  host: a\n  port: x\n", "web.port", 4),
        ("channels:\n  - kind: log\n  - kind: pigeon\n", "channels.1.kind", 3),
        ("mode: act\nrestore: {}\nstoer: {}\n", "stoer", 3),
        ("mode: act\r\nevent_hubs:\r\n- hub: a\r\n", "event_hubs.0", 3),
    ],
)
def test_a_complaint_names_the_line(load: Load, text: str, field: str, line: int):
    assert re.search(rf": {re.escape(field)}: [^;]* \(line {line}\)", str(refused(load, text)))


@pytest.mark.parametrize("text", ["web: {port: 1}\nmode: act\nweb: {host: a}\n", "web:\n  port: 1\n  port: 1\n"])
def test_a_name_that_is_given_twice_is_refused_with_the_line_of_the_second(load: Load, text: str):
    assert re.search(r"settings\.yaml:3:\d+: .*given twice", str(refused(load, text)))


@pytest.mark.parametrize("text", ["[" * 20_000, 'store: {path: "a\\0b"}', 'azure: {subscriptions: ["\\ud800"]}'])
def test_what_no_setting_can_be_is_refused_in_words(load: Load, text: str):
    assert refused(load, text).error_id == "settings.not-yaml"


def test_a_plain_secret_is_told_how_to_be_named(load: Load):
    said = str(refused(load, f"web: {{token: {SECRET}}}"))
    assert "{file: PATH}" in said
    assert SECRET not in said


def test_a_secret_in_a_variable_is_taken_without_the_line_end_that_windows_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPONDER_TEST_SECRET", f"{SECRET}\r\n")
    assert settings.Secret(env="RESPONDER_TEST_SECRET").reveal() == SECRET


def test_a_variable_that_is_no_text_is_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPONDER_TEST_SECRET", os.fsdecode(b"hunter\xff"))
    with pytest.raises(errors.InputError, match="RESPONDER_TEST_SECRET is not UTF-8 text"):
        settings.Secret(env="RESPONDER_TEST_SECRET").reveal()


def test_all_complaints_come_at_once(load: Load):
    message = refused(load, "web: {prot: 1, port: x}\nstorr: {}\nprobes: {timeout: 5}").message
    assert all(field in message for field in ("web.prot", "web.port", "storr", "probes.timeout"))


@pytest.mark.parametrize(
    ("text", "line"),
    [("web:\n  port: [1", 2), ("web: {port: 1}\n\tstore: {}", 2), ("a: *nobody", 1)],
)
def test_what_is_no_yaml_is_told_with_its_line(load: Load, text: str, line: int):
    error = refused(load, text)
    assert error.error_id == "settings.not-yaml"
    assert int(error.place.split(":")[1]) >= line


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"a: 2026-13-45", b"a: \x00", b"!!python/object:os.system {}", b"a: !!int x"]
)
def test_what_cannot_be_read_at_all_is_told(load: Load, content: bytes):
    assert refused(load, content).error_id == "settings.not-yaml"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str):
    with pytest.raises(errors.InputError) as raised:
        settings.load(tmp_path / name)
    assert raised.value.error_id == "settings.unreadable"
    assert "--config" in raised.value.remedy


# Secrets.


@pytest.mark.parametrize(
    "text",
    [
        f"web: {{token: {SECRET}}}",
        f"web: {{token: {{value: {SECRET}}}}}",
        f"web: {{token: [{SECRET}]}}",
        f"web: {{webhook_secret: {{env: {{x: {SECRET}}}}}}}",
        f"channels: [{{kind: webhook, url: {SECRET}}}]",
        f"event_hubs: [{{hub: h, connection_string: {SECRET}}}]",
        f"postgres: {{user: u, password: {SECRET}}}",
    ],
)
def test_a_secret_written_into_the_file_is_refused_and_not_repeated(load: Load, text: str):
    error = refused(load, text)
    assert SECRET not in str(error)
    assert SECRET not in str(error.jsonable())


def test_a_secret_is_read_when_it_is_used_and_shown_nowhere(
    load: Load, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    loaded = load("web: {token: {env: RESPONDER_TEST_SECRET}}")
    monkeypatch.setenv("RESPONDER_TEST_SECRET", SECRET)
    assert loaded.web.token is not None
    assert loaded.web.token.reveal() == SECRET
    logging.getLogger("anything").warning("%s %r", loaded, loaded)
    for shown in (repr(loaded), str(loaded), loaded.model_dump_json(), caplog.text):
        assert SECRET not in shown
        assert "RESPONDER_TEST_SECRET" in shown


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_unset_or_empty_variable_is_no_secret(monkeypatch: pytest.MonkeyPatch, value: str | None):
    monkeypatch.delenv("RESPONDER_TEST_SECRET", raising=False)
    if value is not None:
        monkeypatch.setenv("RESPONDER_TEST_SECRET", value)
    with pytest.raises(errors.InputError, match="RESPONDER_TEST_SECRET is empty or not set"):
        settings.Secret(env="RESPONDER_TEST_SECRET").reveal()


def test_a_secret_file_is_read_without_the_blanks_around_it(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text(f"  {SECRET}\n")
    assert settings.Secret(file=file).reveal() == SECRET


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfehunter2"])
def test_a_secret_file_that_is_missing_empty_or_no_text_is_refused(tmp_path: Path, content: bytes | None):
    # An empty token would let everybody in.
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(errors.InputError) as raised:
        settings.Secret(file=file).reveal()
    assert raised.value.error_id == "settings.secret-missing"
    assert raised.value.place == str(file)
    assert "hunter2" not in str(raised.value)


def test_a_credential_is_a_file_that_systemd_has_laid_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "api-token").write_text(f"{SECRET}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert settings.Secret(credential="api-token").reveal() == SECRET


def test_a_credential_that_the_unit_does_not_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(errors.InputError) as raised:
        settings.Secret(credential="api-token").reveal()
    assert raised.value.error_id == "settings.secret-missing"
    assert raised.value.place == str(tmp_path / "api-token")


@pytest.mark.parametrize("folder", [None, ""])
def test_outside_of_systemd_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch, folder: str | None):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if folder is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)
    with pytest.raises(errors.InputError, match="CREDENTIALS_DIRECTORY is not set") as raised:
        settings.Secret(credential="api-token").reveal()
    assert raised.value.error_id == "settings.secret-missing"
    assert "LoadCredential" in raised.value.remedy


# What they say of themselves.


def _sections() -> list[type[settings.Part]]:
    """Every section, wherever it lies."""
    found, left = [], [settings.Part]
    while left:
        section = left.pop()
        found.append(section)
        left.extend(section.__subclasses__())
    return found


def test_every_field_of_every_section_says_what_it_is():
    sections = _sections()
    assert {settings.Settings, settings.Decision, settings.Tolerance, settings.GridEntra} < set(sections)
    silent = [
        f"{section.__name__}.{name}"
        for section in sections
        for name in section.__annotations__.keys() & section.model_fields.keys() - _told(section)
    ]
    assert sorted(silent) == []


def _told(section: type[settings.Part]) -> set[str]:
    """Its fields with a text below them."""
    written = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(written, ast.ClassDef)
    return {
        field.target.id
        for field, text in itertools.pairwise(written.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and str(text.value.value).strip()
    }


# What the core makes of them.


def test_the_defaults_of_the_decision_are_those_of_the_core():
    policy = settings.Settings().policy()
    assert policy.timing == type(policy.timing)()
    assert policy.evidence == type(policy.evidence)()
    assert policy.survival is outage_lengths.DEFAULT
    assert (policy.settle, policy.loss_bound) == (timedelta(hours=2), timedelta(hours=1))


def test_every_setting_of_the_decision_reaches_the_policy(load: Load):
    policy = load(
        """
        probes: {confirm: 7m, fresh: 3m}
        decision:
          {cutover: 1m, approval: 2m, margin: 3m, quantile: 0.9, grace: 4m, settle: 5m, loss_bound: 6m, review: 8s,
           surge: 2, survival: [[1h, 0.5], [2h, 0.25]]}
        """
    ).policy()
    timing = policy.timing
    minutes = [timing.cutover, timing.approval, timing.margin, timing.grace, policy.settle, policy.loss_bound]
    assert [span / timedelta(minutes=1) for span in minutes] == [1, 2, 3, 4, 5, 6]
    assert (timing.quantile, policy.review) == (0.9, timedelta(seconds=8))
    assert (policy.evidence.confirm, policy.evidence.fresh) == (timedelta(minutes=7), timedelta(minutes=3))
    assert policy.survival.points == ((timedelta(hours=1), 0.5), (timedelta(hours=2), 0.25))
    assert {belief.surge for belief in policy.beliefs.values()} == {2}


def test_a_size_class_that_is_left_out_keeps_its_default(load: Load):
    beliefs = load("decision: {beliefs: {small: {p50: 1m, p95: PT5M}}}").policy().beliefs
    assert (beliefs["small"].p50, beliefs["small"].p95) == (timedelta(minutes=1), timedelta(minutes=5))
    assert beliefs["large"] == restore_times.DEFAULTS["large"]


def test_the_tolerance_defaults_lie_under_every_servers_tags(load: Load):
    defaults = load("tolerance_defaults: {rto: 4h, rpo: 10m, cutover: auto, hedge: eager, owner: dba}").tolerance()
    found = tolerances.read({"outage-rto": "1h"}, defaults=defaults)
    assert (found.rto, found.rpo) == (timedelta(hours=1), timedelta(minutes=10))
    assert (found.cutover, found.hedge, found.owner) == (tolerances.Cutover.AUTO, tolerances.Hedge.EAGER, "dba")


def test_without_an_rto_nothing_is_declared(load: Load):
    assert not load("").tolerance().declared


def test_settings_do_not_change_once_they_are_read():
    with pytest.raises(ValueError, match="frozen"):
        settings.Settings().web.port = 1  # type: ignore[misc]


def test_what_auditors_ask_for_may_be_kept_for_years_and_not_for_less_than_news_takes() -> None:
    kept = settings.Settings.model_validate({"retention": {"runs": "1095d", "outages": None}}).retention
    assert (kept.runs, kept.outages) == (timedelta(days=1095), None)
    assert settings.Settings().retention.runs == timedelta(days=400)
    with pytest.raises(pydantic.ValidationError, match="90 days at least"):
        settings.Settings.model_validate({"retention": {"outages": "30d"}})
