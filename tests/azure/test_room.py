"""Rules of the azure room as a whole: what importing costs, where it may go, what it may show."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from responder import azure
from responder.azure import clients, credentials, endpoints, event_hub
from responder.azure import errors as meanings
from responder.core import errors

LATE = {"budgets", "pipelines", "hub_clients", "hub_rounds", "hub_wire", "managed_identity"}
"""Written against SDK classes, and imported where they are used."""


def test_importing_the_room_loads_no_sdk() -> None:
    """`--help` answers at once: an SDK is loaded by its first use."""
    names = sorted(p.stem for p in Path(azure.__file__).parent.glob("*.py") if p.stem not in {*LATE, "__init__"})
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(f'responder.azure.{{name}}')\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('azure', 'aiohttp', 'msrest')])"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("url", ["https://[", "https://m.azure.com:port", "https://m.azure.com:0", "http://[::1"])
def test_what_is_no_address_is_refused_in_words(url: str) -> None:
    with pytest.raises(errors.InputError, match=r"azure\.resource_manager"):
        endpoints.Endpoints(resource_manager=url)


@pytest.mark.parametrize("url", ["http://management.azure.com", "ftp://localhost", "management.azure.com", ""])
def test_a_token_never_travels_in_the_open(url: str) -> None:
    """Plain http is for this machine only."""
    with pytest.raises(errors.InputError):
        endpoints.Endpoints(resource_manager=url)


def test_an_unknown_credential_is_refused() -> None:
    """A mistake in the settings is told at the start, with what there is."""
    with pytest.raises(errors.InputError, match="managed-identity"):
        endpoints.Endpoints(credential="magic")


def test_secrets_are_not_shown() -> None:
    """Neither a connection string nor a credential is part of a repr."""
    shown = repr(event_hub.HubConnection(hub="h", connection_string="SharedAccessKey=abc", credential="def"))

    assert "abc" not in shown
    assert "def" not in shown


def test_messages_are_one_short_line_without_signatures() -> None:
    """The query of a URL may be a signature."""
    text = meanings.clean(f"see\nhttps://a.b/c?t=1&s=secret, {'x' * 1000}")

    assert text.startswith("see https://a.b/c xxx")
    assert "secret" not in text
    assert len(text) == 500


@pytest.mark.parametrize("name", endpoints.CREDENTIALS)
async def test_every_credential_can_be_opened_and_closed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening contacts nobody, so it works before anything is reachable."""
    for variable in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        monkeypatch.setenv(variable, "0d7f2f0a-3d62-4a0f-9a1c-5b1b7a1f0001")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "nowhere")

    async with clients.open_clients(endpoints.Endpoints(credential=name)) as to:
        assert to.credential is not None


async def test_a_credential_that_cannot_be_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment lacks is an error with a remedy, not one of the SDK's in the middle of the night."""
    for variable in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)

    with pytest.raises(errors.InputError, match=r"azure\.credential"):
        async with clients.open_clients(endpoints.Endpoints(credential="workload-identity")):
            pass


async def test_a_missing_certificate_authority_is_told_at_the_start() -> None:
    """With the place, for whoever has to put it there."""
    with pytest.raises(errors.InputError, match=r"nowhere\.pem"):
        async with clients.open_clients(endpoints.Endpoints(ca_file=Path("nowhere.pem"))):
            pass


async def test_clients_open_for_who_asks_first() -> None:
    """A daemon acts before it has opened them: a step that needs one waits, and several wait together."""
    to = clients.Clients(endpoints.Endpoints(credential="managed-identity"))
    first, second, plain = await asyncio.gather(to.dns("s"), to.dns("s"), to.plain())
    assert first is second
    assert plain is not first
    await to.close()
    await to.close()


async def test_clients_that_cannot_be_opened_fail_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step would fail for good by an InputError; the daemon is about to say the same, and to end."""

    def refuse(*_: object) -> None:
        raise errors.InputError("azure.credential", "It cannot be made.")

    monkeypatch.setattr(credentials, "build", refuse)
    to = clients.Clients(endpoints.Endpoints(credential="managed-identity"))
    with pytest.raises(errors.AzureError, match="It cannot be made") as raised:
        await to.dns("s")
    assert raised.value.retryable
    with pytest.raises(errors.InputError, match="It cannot be made"):
        await to.open()
    await to.close()
