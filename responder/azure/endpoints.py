"""Where Azure is and how we log in. Values only; nothing is contacted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from responder.core import errors

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CREDENTIALS = ("default", "managed-identity", "workload-identity", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """One cloud. The default is Azure's public one."""

    resource_manager: str = "https://management.azure.com"
    audience: str = "https://management.azure.com/.default"
    ca_file: Path | None = None
    """Certificate authorities in PEM, instead of the system's. None: the system's."""
    credential: str = "default"
    """One of `CREDENTIALS`; what each reads from the environment is azure-identity's convention."""
    connect_timeout: timedelta = timedelta(seconds=10)
    read_timeout: timedelta = timedelta(seconds=30)
    """Between two pieces of an answer. The SDK's own default is 300 s: a call into a dead region must not hold us."""

    reserve: int = 50
    """Tokens of a subscription's budget that what can wait leaves for what cannot."""

    def __post_init__(self) -> None:
        """Raises `InputError` for what could never work, or would show a token to the network."""
        if not _may_be_asked(self.resource_manager):
            raise errors.InputError(
                "azure.endpoint",
                "Resource Manager is only spoken to over https (plain http on this machine).",
                remedy="Correct azure.resource_manager in the settings.",
                place=self.resource_manager,
            )
        if self.credential not in CREDENTIALS:
            raise errors.InputError(
                "azure.credential",
                f"There is no credential {self.credential!r}.",
                remedy=f"Use one of {', '.join(CREDENTIALS)}.",
            )

    @property
    def host(self) -> str:
        """The one host (and its subdomains) that gets our token."""
        return urlsplit(self.resource_manager).hostname or ""


def trust(where: Endpoints) -> ssl.SSLContext | None:
    """Whose certificates count; None: those of the system's authorities.

    Raises `InputError` when they cannot be read.
    """
    if where.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(where.ca_file))
    except OSError as error:
        raise errors.InputError(
            "azure.ca-file",
            f"The certificate authorities cannot be read: {error.strerror or error}.",
            remedy="Give azure.ca_file a readable file in PEM.",
            place=str(where.ca_file),
        ) from error


def _may_be_asked(resource_manager: str) -> bool:
    """Whether it is an address, and nobody on the way to it can read along."""
    try:
        url = urlsplit(resource_manager)
        port = url.port
    except ValueError:  # no port, or half an IPv6 address
        return False
    secret = url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)
    return bool(url.hostname) and secret and port != 0
