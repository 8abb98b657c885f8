"""`responder simulate --settings`: a daemon beside the local Azure, without writing its settings by hand."""

import signal
import socket
from pathlib import Path

import pytest

from tests.cli import clouds, terminal


def test_a_daemon_runs_beside_it_with_the_settings_that_it_wrote(
    tmp_path: Path, responder: terminal.Responder, monkeypatch: pytest.MonkeyPatch
):
    estate, env, config = tmp_path / "estate.yaml", tmp_path / "sim.env", tmp_path / "sim.yaml"
    estate.write_text(clouds.ESTATE)
    here, there = tmp_path / "cloud", tmp_path / "daemon"
    here.mkdir(), there.mkdir()
    options = ("--estate", estate, "--env-file", env, "--settings", config, "--data-dir", tmp_path / "data")
    with clouds.running(here, "simulate", *options, environment={}) as process:
        clouds.wait(config.exists, process)
        told = dict(line.split("=", 1) for line in env.read_text().splitlines())
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        with clouds.running(there, "serve", "--config", config, environment={}) as daemon:

            def known() -> bool:
                said = responder("inventory", "--json", "--config", config)
                return said.code == 0 and len(said.json["servers"]) == 3

            clouds.wait(known, daemon)
            paused = responder("freeze", "--reason", "trying it", "--config", config)
            assert paused.code == 0, paused.err  # through the daemon: the token fits
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    assert not config.exists()
    assert not (tmp_path / "sim.yaml.token").exists()


def test_a_port_that_is_taken_is_told_with_what_to_do(responder: terminal.Responder, tmp_path: Path):
    estate = tmp_path / "estate.yaml"
    estate.write_text(clouds.ESTATE)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = terminal.in_a_process("simulate", "--estate", estate, "--http-port", taken.getsockname()[1])
    assert (said.code, "Give --http-port" in said.err, "Traceback" in said.err) == (1, True, False), said


def test_settings_need_the_environment_and_a_folder(responder: terminal.Responder, tmp_path: Path):
    alone = responder("simulate", "--settings", tmp_path / "sim.yaml")
    assert (alone.code, "--settings needs --env-file" in alone.err) == (2, True)
    nowhere = responder("simulate", "--env-file", tmp_path / "none" / "sim.env")
    assert (nowhere.code, "there is no folder" in nowhere.err) == (2, True)
