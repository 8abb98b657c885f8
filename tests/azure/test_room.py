"""Rules of the azure room as a whole: what importing costs, where it may go, what it may show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from responder import azure
from responder.azure import endpoints, event_hub
from responder.azure import errors as meanings
from responder.core import errors

LATE = {"pipelines", "hub_clients"}
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
