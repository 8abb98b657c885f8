"""What `deploy/` ships is true of the code: the example settings load, the roles say no more than is needed."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml

from responder import cli, settings
from responder.core import rights
from responder.web import metrics, workings

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLE = DEPLOY / "settings.example.yaml"

READER, WRITER, DNS = rights.READER, rights.WRITER, rights.DNS


def test_the_example_settings_load() -> None:
    loaded = settings.load(EXAMPLE)
    assert loaded.azure.credential == "managed-identity"
    assert loaded.event_hubs
    assert loaded.restore.resource_groups


def test_the_example_makes_a_policy_and_tolerates_nothing_undeclared() -> None:
    loaded = settings.load(EXAMPLE)
    assert loaded.policy() == settings.Settings().policy()
    assert not loaded.tolerance().declared


def test_every_setting_is_in_the_example() -> None:
    document = yaml.safe_load(_with_options())
    text = EXAMPLE.read_text(encoding="utf-8")
    missing = [
        path for path in _paths(settings.Settings) if not _mentions(document, path) and not _in_prose(text, path)
    ]
    assert sorted(".".join(path) for path in missing) == []


def test_every_default_in_the_example_is_the_default_of_the_code(tmp_path: Path) -> None:
    """Taking the # away from a default changes nothing."""
    uncommented = tmp_path / "settings.yaml"
    uncommented.write_text(_with_defaults(), encoding="utf-8")
    explicit, silent = settings.load(uncommented), settings.load(EXAMPLE)
    assert explicit.policy() == silent.policy()
    assert _without_beliefs(explicit) == _without_beliefs(silent)


def test_what_the_example_offers_besides_can_be_had(tmp_path: Path) -> None:
    """Taking every #? away gives settings that load; what excludes something else is told in prose."""
    everything = tmp_path / "settings.yaml"
    everything.write_text(_with_options(), encoding="utf-8")
    assert settings.load(everything) != settings.load(EXAMPLE)


def test_the_example_holds_no_secret() -> None:
    for secret in _secrets(settings.load(EXAMPLE)):
        assert secret.env is None
        assert secret.credential is not None or (secret.file is not None and secret.file.is_absolute())


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        pytest.param("role.json", READER | WRITER | DNS, id="all in one"),
        pytest.param("role-reader.json", READER, id="reader"),
        pytest.param("role-writer.json", WRITER, id="writer"),
        pytest.param("role-dns.json", DNS, id="dns"),
    ],
)
def test_a_role_allows_what_is_needed_and_no_more(file: str, expected: set[str]) -> None:
    role = json.loads((DEPLOY / file).read_text(encoding="utf-8"))
    assert set(role["Actions"]) == expected
    assert len(role["Actions"]) == len(expected)
    assert role["IsCustom"] is True
    assert not role["DataActions"]
    assert len(role["Description"]) <= 2048
    assert all(scope.startswith("/subscriptions/") for scope in role["AssignableScopes"])


def test_no_role_deletes_anything_but_servers_or_hands_out_rights() -> None:
    for action in READER | WRITER | DNS:
        assert "*" not in action
        assert "/action" not in action
        assert "Microsoft.Authorization" not in action or action == "Microsoft.Authorization/permissions/read"
        if action.endswith("/delete"):
            assert action.split("/")[-2] in ("flexibleServers", "servers")


def test_every_metric_that_the_page_watches_is_there() -> None:
    watched = set(re.findall(r"\bresponder_[a-z_]+", (DEPLOY / "README.md").read_text(encoding="utf-8")))
    assert watched, "the page watches something"
    told = set(re.findall(r"\bresponder_[a-z_]+", f"{metrics.__doc__}{workings.__doc__}"))
    assert watched <= told


def test_the_unit_starts_a_command_that_exists() -> None:
    program, command, *arguments = shlex.split(_unit("Service", "ExecStart")[0])
    assert Path(program).name == "responder"
    assert _resolves(command, arguments)


def test_the_container_starts_a_command_that_exists() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert json.loads(entry) == ["responder"]
    name, *arguments = json.loads(command)
    assert "RESPONDER_CONFIG=" in text
    assert _resolves(name, arguments or ["--config", "from the environment"])


def test_the_container_is_checked_where_the_daemon_listens_by_default() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    port = settings.Web().port
    assert f"http://127.0.0.1:{port}/healthz" in text
    assert f"EXPOSE {port}" in text


def test_the_unit_writes_where_the_store_is_by_default() -> None:
    assert settings.Store().path.parent == Path("/var/lib") / _unit("Service", "StateDirectory")[0]


def test_every_credential_the_example_reads_is_loaded_by_the_unit() -> None:
    loaded = {line.partition(":")[0] for line in _unit("Service", "LoadCredential")}
    folder = Path("/run/credentials/responder.service")
    secrets = list(_secrets(settings.load(EXAMPLE)))
    files = {secret.file.name for secret in secrets if secret.file is not None and secret.file.parent == folder}
    assert files | {secret.credential for secret in secrets if secret.credential is not None} == loaded


def _with_defaults() -> str:
    """The example with its defaults uncommented: `#name:` and `#  name:`, but neither `# prose` nor `#?`."""
    return re.sub(r"^#(?! \S|\?|$)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def _with_options() -> str:
    """The example with its defaults and its options (`#?`) uncommented."""
    return re.sub(r"^#\?", "", _with_defaults(), flags=re.MULTILINE)


def _paths(model: type[pydantic.BaseModel], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field of every section, by its path; lists and named entries count as one level."""
    for name, field in model.model_fields.items():
        yield (*before, name)
        for part in _models(field.annotation):
            if part is not settings.Secret:
                yield from _paths(part, (*before, name))


def _models(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def _mentions(document: Any, path: tuple[str, ...]) -> bool:
    if not path:
        return True
    if isinstance(document, list):
        return any(_mentions(entry, path) for entry in document)
    if not isinstance(document, dict):
        return False
    if path[0] in document:
        return _mentions(document[path[0]], path[1:])
    return any(_mentions(entry, path) for entry in document.values() if isinstance(entry, dict))


def _in_prose(text: str, path: tuple[str, ...]) -> bool:
    """An alternative that excludes what the example chose can only be told in prose, as `name: value`."""
    return re.search(rf"^\s*# .*`{path[-1]}: ", text, re.MULTILINE) is not None


def _without_beliefs(loaded: settings.Settings) -> dict[str, Any]:
    """Everything but what `policy()` has compared: beliefs left out and beliefs given are the same policy."""
    return loaded.model_dump(exclude={"decision": {"beliefs"}})


def _secrets(part: Any) -> Iterator[settings.Secret]:
    if isinstance(part, settings.Secret):
        yield part
    elif isinstance(part, pydantic.BaseModel):
        for name in type(part).model_fields:
            yield from _secrets(getattr(part, name))
    elif isinstance(part, tuple):
        for entry in part:
            yield from _secrets(entry)


def _unit(section: str, name: str) -> list[str]:
    """Every value of one option of the unit; systemd allows an option to be repeated."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None, dict_type=_Repeating)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are case-sensitive
    parser.read_string((DEPLOY / "responder.service").read_text(encoding="utf-8"))
    return parser.get(section, name).split("\n")


class _Repeating(dict[str, Any]):
    """Collects what a repeated option says, one value a line."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list) and isinstance(self.get(key), list):
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def _resolves(name: str, arguments: list[str]) -> bool:
    """Whether the command line knows the command and its options."""
    command = cli.cli.get_command(None, name)  # type: ignore[arg-type]  # the group needs no context to find one
    if command is None:
        return False
    known = {option for parameter in command.params for option in parameter.opts}
    return all(argument in known for argument in arguments if argument.startswith("-"))
