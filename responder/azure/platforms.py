"""Who hands out the tokens of a managed identity on this machine, by what Azure has put into our environment.

Asks nobody. https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

_MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
_FOREIGN = (
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)
"""Any of these: a platform with a protocol of its own, such as Arc, or one that azure-identity knows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who is asked for the tokens of a managed identity, and how."""

    url: str
    version: str
    headers: Mapping[str, str] = field(repr=False)


def source() -> Source | None:
    """What Azure has put into our environment; None: this platform needs azure-identity."""
    url, header = os.environ.get("IDENTITY_ENDPOINT"), os.environ.get("IDENTITY_HEADER")
    if url and header and "IDENTITY_SERVER_THUMBPRINT" not in os.environ:
        return Source(url=url, version="2019-08-01", headers={"X-IDENTITY-HEADER": header})
    if any(name in os.environ for name in _FOREIGN):
        return None
    return Source(url=_MACHINE, version="2018-02-01", headers={"Metadata": "true"})
