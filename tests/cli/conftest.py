"""`responder` as a fixture."""

from __future__ import annotations

import pytest

from tests.cli import terminal


@pytest.fixture
def responder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> terminal.Responder:
    return terminal.in_this_process(monkeypatch, capsys)
