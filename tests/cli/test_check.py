"""`responder check`: what would not work in the night is found, told with its remedy, and nothing is changed."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.cli import clouds, terminal


def look(responder: terminal.Responder, config: Path) -> tuple[int, dict[str, list[str]]]:
    """Exit code; what would fail, by topic."""
    said = responder("check", "--json", "--config", config)
    found: dict[str, list[str]] = {}
    for finding in said.json["findings"]:
        if finding["verdict"] == "failed":
            assert finding["remedy"], finding
            found.setdefault(finding["topic"], []).append(finding["text"])
    return said.code, found


def control(cloud: dict[str, str], path: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{cloud['SIM_CONTROL']}/{path}", data=data, timeout=30) as answer:
        return json.load(answer)


def test_what_is_right_passes_and_nothing_is_written(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    hub = "[{hub: health-events, connection_string: {env: SIM_EVENT_HUB_HEALTH_EVENTS}}]"
    config = clouds.settings(tmp_path, here, event_hubs=hub, own_regions="[swedencentral]")
    before, files = control(here, "ledger"), sorted(tmp_path.iterdir())
    said = responder("check", "--config", config)
    assert said.code == 0, said
    for words in (
        "health-events answers, 1 partitions",
        r"lists \d+ servers in 1 subscriptions",
        r"Copies go to rg-recovery \(Central US\)",
        r"\d+ paired regions offer what the copies need",
        "reader at /subscriptions/",
        "writer at /subscriptions/",
        "This machine's clock agrees with Azure's",
        r"All \d+ servers answer from here",
    ):
        assert re.search(words, said.out), said.out
    assert "FAILED" not in said.out
    assert sorted(tmp_path.iterdir()) == files
    after = control(here, "ledger")
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    asked = after["entries"][len(before["entries"]) :]
    assert {entry["method"] for entry in asked} <= {"GET", "POST"}
    assert {entry["path"] for entry in asked if entry["method"] == "POST"} <= {
        "/providers/Microsoft.ResourceGraph/resources"
    }


def test_what_is_wrong_fails_each_at_its_place(responder: terminal.Responder, here: dict[str, str], tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers
        config = clouds.settings(
            tmp_path,
            here,
            own_regions="[eastus2]",
            restore="{resource_groups: {centralus: rg-gone}}",
            dns_zones=f"{{db.example: {{subscription: {here['SIM_SUBSCRIPTION']}, resource_group: rg-shop}}}}",
            postgres="{user: probe, password: {file: /no/such/file}}",
            channels="[{kind: webhook, url: {env: HOOK}}]",
        )
        text = config.read_text()
        config.write_text(text.replace(f"{tmp_path}/store.db", "/no/such/folder/store.sqlite3"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOOK", f"http://127.0.0.1:{taken.getsockname()[1]}/s3cret")
            code, found = look(responder, config)
    assert code == 1
    assert found.keys() == {
        *("channels", "dns_zones.db.example", "own_regions", "postgres.password", "probes"),
        *("restore.resource_groups", "store.path"),
    }
    assert "s3cret" not in str(found)


def test_a_paired_region_that_gives_no_copies_is_told(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    config = clouds.settings(tmp_path, here, own_regions="[swedencentral]")
    assert "offers" not in look(responder, config)[1]
    control(here, "faults/refuse_capacity", {"region": "centralus"})
    try:
        code, found = look(responder, config)
    finally:
        control(here, "faults/clear", {})
    assert code == 1
    assert "PostgreSQL is not offered to this subscription in Central US" in found["offers"][0]
    assert "shop" in found["offers"][0]


def test_a_right_that_is_missing_is_named_with_its_place_and_its_role(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    answer = {"value": [{"actions": ["*/read"], "notActions": []}]}
    scope = f"/subscriptions/{here['SIM_SUBSCRIPTION']}/resourceGroups/rg-recovery"
    path = f"{scope}/providers/Microsoft.Authorization/permissions"
    control(here, "faults/answer", {"method": "GET", "pattern": path, "status": 200, "body": answer})
    code, found = look(responder, clouds.settings(tmp_path, here))
    assert (code, found.keys()) == (1, {"rights"})
    (text,) = found["rights"]
    assert scope in text
    assert "Microsoft.DBforPostgreSQL/flexibleServers/write" in text
    assert "/servers/" not in text  # there is no Single Server


def test_what_only_the_service_can_see_is_no_failure(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    web = "{token: {file: /run/credentials/none.service/api-token}, webhook_secret: {credential: webhook-secret}}"
    said = responder("check", "--json", "--config", terminal.settings_file(tmp_path, f"web: {web}\n"))
    found = {f["topic"]: f["verdict"] for f in said.json["findings"]}
    assert (found["web.token"], found["web.webhook_secret"]) == ("warning", "warning")


def test_a_cloud_that_does_not_answer_is_one_failure_and_its_json_is_alone_on_stdout(
    here: dict[str, str], tmp_path: Path
):
    """The log talks meanwhile: to stderr, or not at all."""
    config = clouds.settings(tmp_path, here | {"SIM_ARM_TLS": "https://localhost:9"})
    said = terminal.in_a_process("check", "--json", "--config", config, **here)
    failed = [finding["topic"] for finding in said.json["findings"] if finding["verdict"] == "failed"]
    assert (said.code, failed, "Traceback" in said.err) == (1, ["azure"], False), said
