"""`responder` as a fixture."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest
from structlog import testing

from responder import logs
from tests.cli import clouds, terminal


@pytest.fixture
def responder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> terminal.Responder:
    return terminal.in_this_process(monkeypatch, capsys)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A local Azure; what clients need to know, as environment variables."""
    with clouds.cloud(tmp_path_factory.mktemp("cloud")) as environment:
        yield environment


@pytest.fixture
def here(cloud: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The cloud's variables are set in this process, nobody sits at the keyboard, and logging is left as it is."""
    monkeypatch.setattr(logs, "configure", lambda _: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name, value in cloud.items():
        monkeypatch.setenv(name, value)
    with testing.capture_logs():
        yield cloud
