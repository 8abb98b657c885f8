"""What step kinds that reach beyond Azure may do. Both are switched off until something is listed here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pydantic

from responder.settings import fields


class HttpRequest(fields.Part):
    """The step kind `http_request`. Without a host it is switched off."""

    hosts: tuple[str, ...] = ()
    """Hosts that playbooks may call over https, each `host` (port 443) or `host:port`. Empty: switched off."""
    plain_hosts: tuple[str, ...] = ()
    """Hosts that may be called over http as well, each `host` (port 80) or `host:port`: whoever is on the way reads
    along. Empty: none, https only."""
    private_hosts: tuple[str, ...] = ()
    """Of these hosts, the names (without a port) that may lead to an address that is not public: inside your network,
    or on this machine. A name that is not listed here and leads there is not called, whoever answers for its DNS.
    Empty: none. An address that is listed as a host itself needs no entry."""
    secrets: dict[str, fields.Secret] = pydantic.Field(default_factory=dict)
    """Name -> where the secret lies. A playbook's header says `{secret: NAME}`; the value is read when it is sent, and
    kept nowhere. Empty: there is none."""
    ca_file: Path | None = None
    """Certificate authority of those hosts, when it is not a public one. None: the system's."""
    timeout: fields.Duration = timedelta(seconds=30)
    """For one call, from connecting to the last byte. 30 s: whoever needs longer answers at once and is asked again."""


class Command(fields.Part):
    """The step kind `command`. Without a program it is switched off."""

    programs: tuple[Path, ...] = ()
    """Programs that playbooks may run, by their absolute paths; run as the service's user. Empty: switched off."""
    environment: tuple[str, ...] = ()
    """Variables of the service's environment that programs get to see; their values are not kept of what it says.
    Empty: none; PATH and LANG are set anew."""

    @pydantic.field_validator("programs")
    @classmethod
    def _absolute(cls, programs: tuple[Path, ...]) -> tuple[Path, ...]:
        if not all(program.is_absolute() for program in programs):
            raise ValueError("write a program with its whole path")
        return programs


class Steps(fields.Part):
    """Step kinds that reach beyond Azure."""

    http_request: HttpRequest = HttpRequest()
    """Calls to other systems."""
    command: Command = Command()
    """Programs on this machine."""
