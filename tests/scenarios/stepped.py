"""An instance on a machine whose clock is stepped, for `test_clock_steps`: what the machine shows is shifted by a file.

    python -m tests.scenarios.stepped '{"store": {...}, "shift": FILE, "ledger": FILE, "waiting": FILE, "early": FILE}'

Each line of its standard input names a run that it starts at once; the end of its input is its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import structlog

from responder import clock, service, settings, steps
from responder.core import brakes, playbooks, runs, tolerances
from responder.flow import act, wakes
from responder.steps import doors
from responder.store import postgresql, stores
from responder.store.postgresql import tenures
from tests.contracts import samples
from tests.flow import steps as fakes
from tests.scenarios import workers

HALF_AN_HOUR, A_MOMENT = 1800.0, 0.1


def a_run(name: str, seconds: float, now: datetime) -> runs.Run:
    """A line, a wait of so many seconds, a line. Due at once."""
    wait = playbooks.Step(id="wait", kind="wait", settings={"seconds": seconds})
    before, after = (playbooks.Step(id=id_, kind="ledger") for id_ in ("before", "after"))
    book = playbooks.Playbook(name="waits", title="Waits", purpose="To wait", steps=(before, wait, after))
    return replace(samples.run(name), playbook=book, step="before", created_at=now, wake_at=now)


class Wait:
    """Notes that it waits, and when it is carried on too soon by the clock that this instance goes by."""

    EFFECT = "read"
    ABOUT = "waits"
    SETTINGS = (playbooks.Setting(name="seconds", about="how long"),)

    def __init__(self, waiting: Path, early: Path) -> None:
        self._waiting, self._early = waiting, early

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        if "until" not in ctx.record.saved:
            until = ctx.now + timedelta(seconds=float(ctx.step.settings["seconds"]))
            _note(self._waiting, ctx.run.id)
            return runs.Wait(until=until, topic="moment", saved={"until": until.isoformat()})
        if ctx.now < datetime.fromisoformat(ctx.record.saved["until"]) and not ctx.situation.said.hurried:
            _note(self._early, ctx.run.id)
        return runs.Done(output={})


def _note(file: Path, line: str) -> None:
    with file.open("a") as opened:
        opened.write(f"{line}\n")


def shift_the_machine(file: Path) -> None:
    """From now on the machine's clock is ahead by the seconds in that file; the monotonic one is not."""

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=float(file.read_text()))

    clock.datetime = Stepped  # type: ignore[attr-defined]


async def live(order: dict[str, Any]) -> None:
    store = await stores.open_store(settings.Store.model_validate(order["store"]), role=stores.Role.DAEMON)
    try:
        bells = service.bells(store.tenure)  # and go by the store's clock, if it has one
        kinds: Any = {
            "ledger": workers.Line(Path(order["ledger"])),
            "wait": Wait(Path(order["waiting"]), Path(order["early"])),
        }
        plenty = brakes.Policy(caps=brakes.Caps(per_subscription=1000, per_region=1000), quarantine_after=1000)
        stage = act.Act(
            store, fakes.Stage().context("restore").doors, tolerances.Tolerance(),
            wake=bells["act"], assess=wakes.Wake(), registry=steps.registry(kinds), policy=plenty,
        )  # fmt: skip
        acting = asyncio.create_task(stage.run())
        while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
            await store.runs.submit(a_run(name, A_MOMENT, clock.now()))
            bells["act"].ring()
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
    finally:
        await store.close()


def main() -> None:
    order = json.loads(sys.argv[1])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    shift_the_machine(Path(order["shift"]))
    act._LONGEST_NAP = timedelta(seconds=0.2)  # a step of the clock is noticed after a nap; half a minute is long here
    # A lease that a busy machine cannot lose; only a wrong clock could.
    postgresql.open_store.__kwdefaults__["timing"] = tenures.Timing(
        lease=timedelta(minutes=2), beat=timedelta(seconds=1), look=timedelta(seconds=0.3)
    )
    asyncio.run(live(order))


if __name__ == "__main__":
    main()
