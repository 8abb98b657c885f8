"""A small local Azure and a daemon, each a process of its own, and the settings that join them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cli import terminal

ESTATE = """
tenant: 5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7701
subscriptions: [{id: 5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7702, name: One}]
resource_groups: [{name: rg-shop, region: eastus2}, {name: rg-recovery, region: centralus}]
hubs: [{name: health-events, partitions: 1}]
servers:
  - {name: shop, resource_group: rg-shop, region: eastus2, geo_backup: true, tags: {outage-rto: 4h}}
  - {name: till, resource_group: rg-shop, region: eastus2, geo_backup: true}
  - {name: bank, resource_group: rg-shop, region: eastus2, geo_backup: true}
timing:
  {create: PT0.1S, restore: PT0.1S, delete: PT0.1S, retry_after: PT0S, backup_interval: PT0.1S,
   backup_replication: PT0.1S}
"""
TOKEN = "t0ken-of-the-api"


def wait(holds: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Until a condition holds; not longer than a minute, nor than the process that is to bring it about."""
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends, "waited for a minute"
        assert process is None or process.poll() is None, f"ended with {process.returncode}"
        time.sleep(0.02)


@contextlib.contextmanager
def running(folder: Path, *arguments: object, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A `responder` in a process of its own; its streams go to `out` and `err` in the folder."""
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "responder", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            env=os.environ | environment,
        )
        try:
            yield process
        except BaseException:
            print((folder / "err").read_text()[-4000:])  # pytest shows it where the test failed
            raise
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(120)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextlib.contextmanager
def cloud(folder: Path) -> Iterator[dict[str, str]]:
    """A local Azure; gives what clients need to know."""
    estate, env_file = folder / "estate.yaml", folder / "cloud.env"
    estate.write_text(ESTATE)
    options = ("--estate", estate, "--env-file", env_file, "--data-dir", folder / "data")
    with running(folder, "simulate", *options, environment={}) as process:
        wait(env_file.exists, process)
        lines = env_file.read_text().splitlines()
        yield dict(line.split("=", 1) for line in lines) | {"API_TOKEN": TOKEN}
        process.send_signal(signal.SIGTERM)
        process.wait(120)


@contextlib.contextmanager
def dark(environment: dict[str, str], region: str) -> Iterator[None]:
    """A region of the local Azure is down for as long as this lasts."""

    def turn(word: str) -> None:
        urllib.request.urlopen(f"{environment['SIM_CONTROL']}/regions/{region}/{word}", data=b"", timeout=30).close()

    turn("down")
    try:
        yield
    finally:
        turn("up")


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A running daemon."""

    process: subprocess.Popen[str]
    config: Path
    environment: dict[str, str]
    folder: Path

    def responder(self, *arguments: object) -> terminal.Said:
        """A command beside it, in a process of its own."""
        return terminal.in_a_process(*arguments, "--config", self.config, **self.environment)


@contextlib.contextmanager
def daemon(folder: Path, environment: dict[str, str], **changes: str) -> Iterator[Daemon]:
    """A daemon that has listed the estate of the cloud. `changes`: sections of its settings, as YAML."""
    config = settings(folder, environment, **changes)
    with running(folder, "serve", "--config", config, environment=environment) as process:
        wait(lambda: "inventory.refreshed" in (folder / "err").read_text(), process)
        yield Daemon(process=process, config=config, environment=environment, folder=folder)


def settings(folder: Path, environment: dict[str, str], **changes: str) -> Path:
    """A settings file for the cloud; sections are given as YAML, to change them."""
    sections = {
        "azure": (
            f"{{subscriptions: [{environment['SIM_SUBSCRIPTION']}], resource_manager: {environment['SIM_ARM_TLS']}, "
            f"ca_file: {environment['SIM_CA_FILE']}, credential: managed-identity, connect_timeout: 2s}}"
        ),
        "web": f"{{port: 0, port_file: {folder}/port, token: {{env: API_TOKEN}}}}",
        "postgres": f"{{address_book: {environment['SIM_ADDRESS_BOOK']}}}",
        "probes": "{timeout: 1s}",
        "restore": "{resource_groups: {centralus: rg-recovery}, poll: 1s, retry: 1s}",
        **changes,
    }
    return terminal.settings_file(folder, "".join(f"{name}: {text}\n" for name, text in sections.items()))
