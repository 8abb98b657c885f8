"""`responder drill` and a restore to a moment, by the command line while the daemon is down."""

from __future__ import annotations

from pathlib import Path

from tests.cli import clouds, terminal


def test_a_rehearsal_measures_and_leaves_nothing(responder: terminal.Responder, here: dict[str, str], tmp_path: Path):
    config = clouds.settings(tmp_path, here)
    said = responder("drill", "--server", "shop", "--yes", "--json", "--config", config)
    steps = {step["id"]: step for step in said.json["steps"]}
    assert (said.code, said.json["state"]) == (0, "done")
    assert steps["figures"]["output"]["kind"] == "geo-restore"
    assert steps["figures"]["output"]["ready_at"] >= steps["figures"]["output"]["requested_at"]
    assert steps["discard"]["output"]["verdict"] == "discarded"


def test_a_moment_in_the_future_is_refused_and_no_run_is_begun(
    responder: terminal.Responder, here: dict[str, str], tmp_path: Path
):
    config = clouds.settings(tmp_path, here)
    run = ("run", "point-in-time-restore", "--server", "till", "--yes", "--config", config)
    responder(*run, "--set", "to=2099-01-01T00:00Z").complains("restore.to-future", "Give a moment before the mistake")
    assert responder("runs", "list", "--all", "--json", "--config", config).json["runs"] == []
