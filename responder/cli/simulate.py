"""`responder simulate`: a local Azure on this machine, until it is interrupted.

Reads options, runs the simulator, and ends it in order; what the simulator does is not decided here. Progress goes to
standard error, the environment (and nothing else) to standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from responder import clock
from responder.cli import beside

if TYPE_CHECKING:  # the simulator is imported when it is run: `--help` has to answer at once
    from responder.simulator import estates, scenarios, server

_PORT = click.IntRange(0, 65535)


@click.command()
@click.option(
    "--estate",
    "estate_name",
    metavar="FILE|NAME",
    default="small",
    show_default=True,
    help="What exists: an estate file, or one that comes with the simulator.",
)
@click.option(
    "--scenario",
    "scenario_name",
    metavar="FILE|NAME",
    help="What happens: a scenario file, or one that comes with the simulator, such as region-outage.",
)
@click.option("--play", is_flag=True, help="Start the scenario when ready; else POST to $SIM_CONTROL/scenario/start.")
@click.option(
    "--webhook",
    "webhooks",
    metavar="URL",
    multiple=True,
    help="Where the webhook channels post to, as an action group does. Repeatable.",
)
@click.option("--print-env", is_flag=True, help="Print KEY=VALUE lines for clients when ready.")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the same lines to this file when ready, in one step; removed at the end.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write settings for a daemon beside it, hours scaled down to seconds: `responder serve --config FILE`, "
    "with the lines of --env-file in its environment. Removed at the end; the daemon's store stays.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the servers' data goes while this runs. Default: a temporary directory.",
)
@click.option("--http-port", type=_PORT, default=0, help="Resource Manager and control, plain. 0: a free port.")
@click.option("--tls-port", type=_PORT, default=0, help="Resource Manager over TLS. 0: a free port.")
@click.option("--event-hub-port", type=_PORT, default=0, help="Event Hubs, plain AMQP. 0: a free port.")
def simulate(  # noqa: PLR0913 - one parameter an option
    estate_name: str,
    scenario_name: str | None,
    play: bool,
    webhooks: tuple[str, ...],
    print_env: bool,
    env_file: Path | None,
    settings_file: Path | None,
    data_dir: Path | None,
    http_port: int,
    tls_port: int,
    event_hub_port: int,
) -> None:
    """Run a local Azure: Resource Manager, Event Hubs and PostgreSQL servers. Ctrl-C ends it and leaves nothing."""
    if play and scenario_name is None:
        raise click.UsageError("--play needs --scenario: say what to play")
    if settings_file is not None and env_file is None:
        raise click.UsageError("--settings needs --env-file: the daemon finds this Azure by both")
    for file, option in ((env_file, "--env-file"), (settings_file, "--settings")):
        if file is not None and not file.absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {file.absolute().parent}", param_hint=option)
    from responder.simulator import server

    neighbour = _Neighbour(settings_file) if settings_file else None
    if neighbour:
        webhooks = (*webhooks, neighbour.webhook)
    options = server.Options(
        scenario=_scenario(scenario_name) if scenario_name else None,
        play=play,
        webhooks=webhooks,
        data_dir=data_dir,
        env_file=env_file,
        http_port=http_port,
        tls_port=tls_port,
        event_hub_port=event_hub_port,
    )
    _log_to_stderr()
    try:
        asyncio.run(_run(_estate(estate_name), options, neighbour, print_env=print_env))
    except OSError as error:
        raise click.ClickException(_troubled(error)) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _troubled(error: OSError) -> str:
    """What the system would not let us have, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"{error.strerror or error}. Give --http-port, --tls-port and --event-hub-port others, or 0 for free ones."
        )
    place = f"{error.filename}: " if error.filename else ""
    return (
        f"{place}{error.strerror or error}. Give --data-dir, --env-file and --settings places that can be written to."
    )


class _Neighbour:
    """Settings of a daemon that hears this Azure by hub and by webhook, and its token, in two files."""

    def __init__(self, file: Path) -> None:
        self._file = file.absolute()
        self._secret = self._file.with_name(f"{self._file.name}.token")
        self._value = secrets.token_hex(32)
        self._port = beside.free_port()
        self.console = f"http://127.0.0.1:{self._port}/"
        self.webhook = f"http://127.0.0.1:{self._port}/webhooks/azure-monitor?code={self._value}"

    @property
    def hint(self) -> str:
        """Where the daemon's console will be, and how to get in."""
        return (
            f"with `responder serve --config {self._file}`: console at {self.console}, its token is in {self._secret}"
        )

    @contextlib.contextmanager
    def found(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Both files are there meanwhile. Each start has a store of its own: another cloud, another story."""
        named = f"{{file: {self._secret}}}"
        words = beside.Words(
            store=self._file.with_name(f"{self._file.stem}-{clock.now():%Y%m%dT%H%M%S}.sqlite3"),
            port=self._port,
            token=named,
            webhook_secret=named,
            channels="[{kind: log}]",
        )
        try:
            self._secret.touch(mode=0o600)
            self._secret.write_text(self._value, encoding="utf-8")
            beside.write(self._file, environment, words)
            yield
        finally:
            self._file.unlink(missing_ok=True)
            self._secret.unlink(missing_ok=True)


async def _run(
    estate: estates.Estate, options: server.Options, neighbour: _Neighbour | None, *, print_env: bool
) -> None:
    from responder.simulator import server

    _end_on_signals()
    click.echo(f"starting {len(estate.servers)} servers ...", err=True)
    try:
        async with server.running(estate, options) as simulator:
            with neighbour.found(simulator.environment) if neighbour else contextlib.nullcontext():
                if print_env:
                    click.echo(simulator.environment_lines, nl=False)
                    sys.stdout.flush()  # whoever started us waits for it, through a pipe
                click.echo(f"ready: control at {simulator.http}/sim; interrupt to end", err=True)
                if neighbour:
                    click.echo(neighbour.hint, err=True)
                await asyncio.Event().wait()
    except asyncio.CancelledError:
        click.echo("ended", err=True)


def _end_on_signals() -> None:
    """Let the first SIGINT or SIGTERM end the current task in order, during start-up too; later ones change nothing."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    ending = False

    def end() -> None:
        nonlocal ending
        click.echo("already ending" if ending else "ending ...", err=True)
        if not ending:
            ending = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)


def _estate(name: str) -> estates.Estate:
    from responder.simulator import estates

    try:
        return estates.load(Path(name)) if _is_file(name) else estates.load_shipped(name)
    except estates.EstateError as error:
        raise click.BadParameter(str(error), param_hint="--estate") from error


def _scenario(name: str) -> scenarios.Scenario:
    from responder.simulator import scenarios

    try:
        return scenarios.load(Path(name)) if _is_file(name) else scenarios.load_shipped(name)
    except scenarios.ScenarioError as error:
        raise click.BadParameter(str(error), param_hint="--scenario") from error


def _is_file(name: str) -> bool:
    """Whether a name is that of a file, rather than of something that comes with the simulator."""
    return "/" in name or name.endswith((".yaml", ".yml"))


def _log_to_stderr() -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


if __name__ == "__main__":
    simulate()
