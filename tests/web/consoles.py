"""A served console over a store with an outage in it, whose every text is somebody's attempt at HTML."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from responder import clock, settings
from responder.core import brakes, decisions, reasons, runs
from responder.flow import intake, wakes
from responder.store import sqlite
from responder.web import desk, server
from tests.contracts import samples

TOKEN, VIEWER = "t0ken-of-all", "t0ken-of-a-viewer"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>"
ENVIRONMENT = {"CONSOLE_TOKEN": TOKEN, "CONSOLE_VIEWER": VIEWER}


@dataclass
class Site:
    """A console, and a browser without eyes."""

    base: str
    store: sqlite.Store
    session: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, data: Any = None, **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:  # fmt: skip
        async with self.session.request(
            method, self.base + path, data=data, headers=headers, allow_redirects=False
        ) as answer:  # fmt: skip
            return answer, await answer.text()

    async def log_in(self, token: str = TOKEN, **headers: str) -> tuple[aiohttp.ClientResponse, str]:
        return await self.ask("POST", "/login", {"token": token}, **headers)


def config(**web: Any) -> settings.Settings:
    viewer = settings.ApiToken(name="wall", roles=("viewer",), secret=settings.Secret(env="CONSOLE_VIEWER"))
    known = {"port": 0, "token": settings.Secret(env="CONSOLE_TOKEN"), "tokens": (viewer,)}
    return settings.Settings(web=settings.Web(**(known | web)))


@contextlib.asynccontextmanager
async def served(store: sqlite.Store, **web: Any) -> AsyncIterator[Site]:
    """`CONSOLE_TOKEN` and `CONSOLE_VIEWER` must be set."""
    bell = wakes.Wake()
    behind = desk.Desk(
        config=config(**web),
        store=store,
        intake=intake.Intake(store.intake, bell),
        playbooks={},
        sources=[],
        assess=bell,
        act=bell,
    )
    jar = aiohttp.CookieJar(unsafe=True)  # also for an address that is a number
    async with server.running(behind) as port, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Site(base=f"http://127.0.0.1:{port}", store=store, session=session)


async def opened(folder: Path) -> sqlite.Store:
    """A store with an outage: `orders` waits for a yes, `billing` waits, and somebody holds a brake."""
    store, now = await sqlite.open_store(folder / "store.db"), clock.now()
    await store.estate.put_servers([samples.server("orders"), samples.server("billing")])
    outage = dataclasses.replace(
        samples.outage(), title=HOSTILE, subscriptions=tuple(f"sub-{i}" for i in range(500)),
        impact_start=now - timedelta(hours=1),
    )  # fmt: skip
    await store.outages.put([outage])
    asks, facts = samples.decided("orders", action=decisions.Action.ASK)
    asks = dataclasses.replace(
        asks, reasons=(reasons.Reason(id="x", text=HOSTILE),), must_serve_by=now + timedelta(hours=1),
        data_loss_bound=timedelta(minutes=40),
    )  # fmt: skip
    await store.outages.put_decisions([(asks, facts), samples.decided("billing")])
    await store.runs.submit_all(
        [
            samples.run("geo-restore.orders.ABCD-123@eastus", server="orders", outage_id=outage.id),
            samples.run("wait; $(reboot)", server="billing", outage_id=outage.id),
        ]
    )
    await store.brakes.freeze(brakes.Freeze(scope=brakes.EVERYTHING, by="ana", reason=HOSTILE, since=now))
    word = runs.Signal(
        run_id=runs.RunId("wait; $(reboot)"), topic=runs.Topic.PAUSE, by=HOSTILE, at=now, payload={"reason": HOSTILE}
    )
    await store.runs.signal(word)
    return store
