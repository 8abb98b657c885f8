"""The course of the demo: set the stage, let the region fail, watch, and judge how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import click
from rich import console, live

from responder import clock
from responder.cli.demo import cloud, report, stage, view
from responder.core import errors, outages
from responder.flow import views, wakes
from responder.store import sqlite

OUTAGE = outages.OutageId("8TGK-9Q0@eastus2")
_DEADLINE = timedelta(seconds=85)
_DEADLINE_KILLED = timedelta(seconds=200)
"""A daemon that is killed ten times starts ten times, and a busy machine takes seconds for each."""
_FRAME = timedelta(seconds=0.25)
_KILLS_AT = tuple(timedelta(seconds=s) for s in (4, 7, 10, 13, 17, 21, 25, 36, 44, 49))
"""Around every step of the scenario: intake, start of the restores, polls, hold, cut-over, discard."""


@dataclass(slots=True)
class _Watching:
    """What the demo has seen so far."""

    started: datetime
    kills: list[timedelta] = field(default_factory=list)
    news: list[str] = field(default_factory=list)


async def play(*, kill: bool, plain: bool) -> bool:
    """Play it. True when everything ended as the scenario says."""
    out = console.Console()
    begun = clock.now()
    async with stage.standing() as scene, aiohttp.ClientSession() as session:
        out.print("Starting a local Azure with two real PostgreSQL servers, and the daemon ...")
        await scene.start_cloud()
        await scene.start_daemon()
        await scene.wait_ready()
        sky = cloud.Cloud(scene.env, session)
        store = await sqlite.open_store(scene.settings().store.path, exclusive=False)
        try:
            out.print(f"Ready after {(clock.now() - begun).total_seconds():.1f} s. Let something happen.")
            out.print(f"Console: {scene.console}\n", highlight=False, soft_wrap=True)
            await sky.start_scenario()
            watching = _Watching(started=clock.now(), kills=list(_KILLS_AT) if kill else [])
            with _screen(out, plain=plain) as show:
                ended = await _watch(scene, store, watching, show, _DEADLINE_KILLED if kill else _DEADLINE)
            verdicts = await report.gather(store, sky, scene.settings(), OUTAGE, in_time=not kill)
        finally:
            await store.close()
        report.render(out, verdicts, kills=scene.kills)
        if not ended:
            click.echo("It did not end in the time it has.", err=True)
        out.print(f"\nThe whole demo took {(clock.now() - begun).total_seconds():.0f} s.")
        return ended and verdicts.ok


async def _watch(scene: stage.Stage, store: sqlite.Store, watching: _Watching, show: _Show, longest: timedelta) -> bool:
    """Until every run has ended and the outage is closed. False: the deadline came first."""
    pause = wakes.Wake()
    while clock.now() - watching.started < longest:
        scene.check_alive()
        if watching.kills and clock.now() - watching.started >= watching.kills[0] and await scene.has_lived():
            watching.kills.pop(0)
            await scene.kill_daemon()
            watching.news.append("kill -9; the daemon was started again")
        with contextlib.suppress(errors.StoreError):  # a daemon that starts again holds the file for a moment
            incident = await _incident(store)
            estate = await views.inventory(store, scene.settings().tolerance())
            show.frame(incident, estate, watching)
            if incident is not None and await store.outages.closed_at(OUTAGE) is not None:
                return True
        await pause.wait(None, _FRAME)
    return False


async def _incident(store: sqlite.Store) -> dict[str, Any] | None:
    outage = await store.outages.get(OUTAGE)
    return await views.incident(store, outage) if outage else None


class _Show:
    """Where frames go: a live screen, or lines."""

    def __init__(self, out: console.Console, screen: live.Live | None) -> None:
        self._out = out
        self._screen = screen
        self._lines = view.Lines()

    def frame(self, incident: dict[str, Any] | None, estate: dict[str, Any], watching: _Watching) -> None:
        """One moment."""
        now = clock.now()
        changes = self._lines.changes(incident, watching.started, now)
        if self._screen is None:
            for line in [*changes, *watching.news]:
                self._out.print(line, highlight=False, soft_wrap=True)
            watching.news.clear()
            return
        watching.news.extend(changes)
        self._screen.update(view.render(incident, estate, now, watching.news))


@contextlib.contextmanager
def _screen(out: console.Console, *, plain: bool) -> Iterator[_Show]:
    if plain:
        yield _Show(out, None)
        return
    with live.Live(console=out, refresh_per_second=8, transient=False) as screen:
        yield _Show(out, screen)
