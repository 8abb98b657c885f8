"""The real `az` against the local Azure: a second, independent client, whose makers have never heard of us.

Opt-in, because it is 730 MB: RESPONDER_TEST_AZ=/path/to/az. How to get it is in CONTRIBUTING.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

AZ = os.environ.get("RESPONDER_TEST_AZ", "")
ESTATE = """
tenant: 0d7f2f0a-3d62-4a0f-9a1c-5b1b7a1f0001
subscriptions: [{id: 6a1c1c9e-0b7d-4b43-8f0e-2f6a3f4d1001, name: Contoso Production}]
resource_groups:
  - {name: rg-orders, region: eastus2}
  - {name: rg-recovery, region: centralus}
servers:
  - {name: orders, resource_group: rg-orders, region: eastus2, geo_backup: true}
  - {name: reports, resource_group: rg-orders, region: eastus2, tier: Burstable}
timing: {restore: PT2S, retry_after: PT1S, backup_interval: PT0.2S, backup_replication: PT0.1S}
"""

pytestmark = [
    pytest.mark.az,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not AZ, reason="RESPONDER_TEST_AZ does not name an az"),
]
Az = Callable[..., Any]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The local Azure as a process; its environment."""
    estate = tmp_path / "estate.yaml"
    estate.write_text(ESTATE)
    command = [sys.executable, "-m", "responder", "simulate", "--estate", str(estate), "--print-env"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            environment: dict[str, str] = {}
            while "PGDATABASE" not in environment:
                key, equals, value = process.stdout.readline().rstrip("\n").partition("=")
                assert equals, "the simulator has ended; see its standard error above"
                environment[key] = value
            yield environment
        finally:
            process.terminate()


@pytest.fixture
def az(cloud: dict[str, str], tmp_path: Path) -> Az:
    """Runs `az`, with a configuration of its own, and gives the JSON it answers."""
    environment = {
        "PATH": os.environ["PATH"],
        "AZURE_CONFIG_DIR": str(tmp_path / "az"),
        "REQUESTS_CA_BUNDLE": cloud["SIM_CA_FILE"],
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",  # else it asks login.microsoftonline.com whether we exist
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
    }

    def run(*arguments: str) -> Any:
        ended = subprocess.run(
            [AZ, *arguments, "--output", "json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"az {' '.join(arguments)}:\n{ended.stderr}"
        return json.loads(ended.stdout) if ended.stdout.strip() else None

    return run


def log_in(az: Az, cloud: dict[str, str]) -> None:
    """Register the local Azure as a cloud, as CONTRIBUTING.md says, and log in with any name and secret."""
    az("cloud", "register", "--name", "LocalAzure", "--endpoint-resource-manager", cloud["SIM_ARM_TLS"])
    az("cloud", "set", "--name", "LocalAzure")
    az("login", "--service-principal", "--username", str(uuid.uuid4()), "--password", "anything",
       "--tenant", cloud["SIM_TENANT"])  # fmt: skip


def test_az_lists_the_estate_and_completes_a_geo_restore(az: Az, cloud: dict[str, str]) -> None:
    """What the SDKs of our own daemon believe is what az believes: it logs in, lists, restores and waits to the end."""
    log_in(az, cloud)

    listed = az("postgres", "flexible-server", "list")
    assert sorted(server["name"] for server in listed) == ["orders", "reports"]

    restored = az("postgres", "flexible-server", "geo-restore", "--resource-group", "rg-recovery", "--name",
                  "orders-az", "--source-server", listed_id(listed, "orders"), "--location", "centralus",
                  "--yes")  # fmt: skip
    assert (restored["name"], restored["state"]) == ("orders-az", "Ready")

    with urllib.request.urlopen(f"{cloud['SIM_CONTROL']}/ledger?method=PUT") as answer:
        writes = json.load(answer)["entries"]
    assert [write["path"].rpartition("/")[2] for write in writes] == ["orders-az"]


def listed_id(listed: list[dict[str, Any]], name: str) -> str:
    return next(str(server["id"]) for server in listed if server["name"] == name)
