"""Settings of a daemon that lives beside a local Azure on this machine. Writes one file; starts nothing."""

from __future__ import annotations

import contextlib
import random
import socket
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from responder.core import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What differs from daemon to daemon."""

    store: Path
    port: int
    token: str
    """How the settings name the API's token, as `{env: NAME}`; the same for the two below."""
    webhook_secret: str
    channels: str


def write(path: Path, environment: Mapping[str, str], words: Words) -> None:
    """Write the settings for the local Azure that has this environment. The daemon needs that environment, too."""
    template = (resources.files("responder.cli.demo") / "settings.yaml").read_text(encoding="utf-8")
    text = string.Template(template).substitute(
        store=words.store,
        port=words.port,
        token=words.token,
        webhook_secret=words.webhook_secret,
        channels=words.channels,
        subscription=environment["SIM_SUBSCRIPTION"],
        resource_manager=environment["SIM_ARM_TLS"],
        ca_file=environment["SIM_CA_FILE"],
        address_book=environment["SIM_ADDRESS_BOOK"],
        user=environment["PGUSER"],
        tls=environment["PGSSLMODE"],
    )
    path.write_text(text, encoding="utf-8")


_PORTS = range(20_000, 32_000)
"""Below what Linux, macOS and Windows give to clients: nobody is handed one of these between our look and our use."""


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    for port in random.sample(_PORTS, k=100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    text = f"None of a hundred ports between {_PORTS.start} and {_PORTS.stop} is free."
    raise errors.RefusedError("port.none-free", text, remedy="End what listens on them, and try again.")
