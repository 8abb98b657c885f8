"""Builds the credential that the endpoints name. Holds no secret; whoever asks for tokens reads them itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from responder.azure import platforms
from responder.core import errors

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_WORKLOAD = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")


def needed(name: str) -> str:
    """The module that the credential of that name is made of, to be loaded where it holds nobody up."""
    if name == "managed-identity" and platforms.source() is not None:
        return "responder.azure.managed_identity"
    return "azure.identity.aio"


def insist(name: str) -> None:
    """Raises `InputError` when the environment lacks what the credential needs to exist, as far as that can be seen
    without loading it.

    https://learn.microsoft.com/python/api/azure-identity/azure.identity.workloadidentitycredential
    """
    lacking = [variable for variable in _WORKLOAD if not os.environ.get(variable)]
    if name == "workload-identity" and lacking:
        raise _cannot(name, f"{', '.join(lacking)} is not set")


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
        raise _cannot(name, " ".join(str(error).split())) from error


def _cannot(name: str, why: str) -> errors.InputError:
    return errors.InputError(
        "azure.credential",
        f"The credential {name!r} cannot be made: {why}",
        remedy="Set the variables azure-identity needs for it, or name another in azure.credential.",
    )


def _build(name: str, transport: Any) -> AsyncTokenCredential:
    # Azure's convention for a user-assigned identity; DefaultAzureCredential reads the same variable.
    client_id = os.environ.get("AZURE_CLIENT_ID")
    if name == "managed-identity" and (asked := platforms.source()) is not None:
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
