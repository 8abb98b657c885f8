"""Plays a scenario: carries out its steps when their time has come, by the cloud's own clock.

Owns no part of the cloud. Deliveries that take long do not hold the scenario up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import structlog

from responder.simulator import cloud, scenarios

State: TypeAlias = Literal["waiting", "playing", "ended", "failed", "stopped"]

log = structlog.get_logger(__name__)


class NotPlayable(RuntimeError):
    """The scenario cannot be started: there is none, or it has been started."""


async def _sleep(duration: timedelta) -> None:
    await asyncio.sleep(duration.total_seconds())


class Player:
    """One performance of one scenario. `start()` it, or `await play()`; `stop()` ends it early."""

    def __init__(
        self,
        scenario: scenarios.Scenario | None,
        stage: cloud.Cloud,
        *,
        sleep: Callable[[timedelta], Awaitable[None]] = _sleep,
    ) -> None:
        self.scenario = scenario
        self.state: State = "waiting"
        self.played = 0
        """Steps carried out so far."""
        self.started_at: datetime | None = None
        self.error = ""
        self._stage = stage
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    def start(self) -> None:
        """Begin to play in the background. Raises `NotPlayable`."""
        self._begin()
        self._task = asyncio.create_task(self._perform(), name="scenario")

    async def play(self) -> None:
        """Play to the end. Raises `NotPlayable`. A step that fails ends it, see `state` and `error`."""
        self._begin()
        await self._perform()

    async def over(self) -> None:
        """Return when the last step has been played, or the performance has failed or been stopped."""
        await self._over.wait()

    async def stop(self) -> None:
        """End a performance in the background. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.state == "playing":  # cancelled before its first step
            self.state = "stopped"
        self._over.set()

    def jsonable(self) -> dict[str, object]:
        """Where the performance is."""
        steps = self.scenario.steps if self.scenario else ()
        return {
            "title": self.scenario.title if self.scenario else None,
            "state": self.state,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "error": self.error or None,
            "steps": [
                {"at": step.at.total_seconds(), "what": step.summary, "played": number < self.played}
                for number, step in enumerate(steps)
            ],
        }

    def _begin(self) -> None:
        if self.scenario is None:
            raise NotPlayable("there is no scenario; start the simulator with --scenario FILE")
        if self.state != "waiting":
            raise NotPlayable(f"the scenario is {self.state}; it plays once, start the simulator again")
        self.state = "playing"
        self.started_at = self._stage.now()

    async def _perform(self) -> None:
        assert self.scenario is not None
        assert self.started_at is not None
        try:
            for step in self.scenario.steps:
                wait = self.started_at + step.at - self._stage.now()
                if wait > timedelta(0):
                    await self._sleep(wait)
                log.info("scenario.step", at=step.at.total_seconds(), what=step.summary)
                await self._carry_out(step)
                self.played += 1
            self.state = "ended"
        except asyncio.CancelledError:
            self.state = "stopped"
            raise
        except Exception as error:
            self.state = "failed"
            self.error = f"step {self.played}: {error}"
            log.exception("scenario.failed", step=self.played)
        finally:
            self._over.set()

    async def _carry_out(self, step: scenarios.Step) -> None:
        if step.bulletin is not None:
            self._stage.publish(step.bulletin, step.channels, times=step.times)
        elif step.region_down is not None:
            await self._stage.take_region_down(step.region_down)
        elif step.region_up is not None:
            await self._stage.bring_region_up(step.region_up)
        elif step.fault is not None:
            for kind, arguments in step.fault.items():
                await self._stage.arm(kind, arguments)
