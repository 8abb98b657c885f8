"""Builds the credential that the endpoints name. Holds no secret; whoever asks for tokens reads them itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from responder.core import errors

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

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


def needed(name: str) -> str:
    """The module that the credential of that name is made of, to be loaded where it holds nobody up."""
    if name == "managed-identity" and source() is not None:
        return "responder.azure.managed_identity"
    return "azure.identity.aio"


def build(name: str, transport: Any) -> AsyncTokenCredential:
    """The credential of that name; it is the caller's to close.

    Args:
        name: one of `endpoints.CREDENTIALS`.
        transport: an azure-core transport whose session the caller owns, so that tokens come by the same timeouts
            and certificate authorities as everything else.

    Raises `InputError` when the environment lacks what the credential needs to exist.
    """
    try:
        return _build(name, transport)
    except ValueError as error:
        raise errors.InputError(
            "azure.credential",
            f"The credential {name!r} cannot be made: {' '.join(str(error).split())}",
            remedy="Set the variables azure-identity needs for it, or name another in azure.credential.",
        ) from error


def _build(name: str, transport: Any) -> AsyncTokenCredential:
    # Azure's convention for a user-assigned identity; DefaultAzureCredential reads the same variable.
    client_id = os.environ.get("AZURE_CLIENT_ID")
    if name == "managed-identity" and (asked := source()) is not None:
        from responder.azure import managed_identity

        return managed_identity.ManagedIdentity(asked, client_id, transport)
    from azure.identity import aio

    if name == "managed-identity":
        return aio.ManagedIdentityCredential(client_id=client_id, transport=transport)
    if name == "workload-identity":
        return aio.WorkloadIdentityCredential(transport=transport)
    if name == "environment":
        return aio.EnvironmentCredential(transport=transport)
    return aio.DefaultAzureCredential(transport=transport)
