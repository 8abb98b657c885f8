"""The console in a real browser: what somebody sees, hears and copies at three in the morning.

Opt-in, because browser and driver weigh 350 MB: RESPONDER_TEST_CHROMIUM=/usr/bin/chromium (Debian's package), and
`pip install playwright`, which need not download a browser. See CONTRIBUTING.md.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from responder import clock
from responder.core import brakes, decisions
from responder.flow import overview
from responder.store import sqlite
from tests.contracts import samples
from tests.web import consoles

CHROMIUM = os.environ.get("RESPONDER_TEST_CHROMIUM", "")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(not CHROMIUM, reason="RESPONDER_TEST_CHROMIUM does not name a browser"),
]


@contextlib.asynccontextmanager
async def looked_at(base: str, **context: Any) -> AsyncIterator[Any]:
    """A page that is logged in, in a browser with nothing in it; what its console complains of fails the test."""
    from playwright import async_api

    async with async_api.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        seen = await browser.new_context(**context)
        page = await seen.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        await page.goto(f"{base}/#/")
        await page.fill("#token", consoles.TOKEN)
        await page.click("text=Log in")
        await page.locator("#as-of", has_text="as of").wait_for()
        yield page
        assert [one for one in complaints if not one.startswith("Failed to load resource")] == []
        await browser.close()


async def test_what_must_be_seen_is_there_as_text_and_commands_are_copied(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base) as page:
        banner = page.locator("#brakes .bar.bad", has_text="Frozen: everything")
        assert consoles.HOSTILE in await banner.inner_text()
        assert "Blind" in await page.locator("#brakes").inner_text()
        assert await page.locator("main img, main script").count() == 0
        assert await page.title() == "(frozen, 1 to sign) Responder"
        assert "Frozen" in await page.locator("#spoken").inner_text()
        card = page.locator("#approvals article")
        assert "up to 40 m" in await card.inner_text()
        assert re.match(r"\d+ m", await card.locator(".clock time").first.inner_text())
        assert consoles.HOSTILE in await page.locator("#outages").inner_text()
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await card.get_by_role("button", name="Copy: Yes").click()
        await card.get_by_text("Copied").first.wait_for()
        copied = await page.evaluate("() => navigator.clipboard.readText()")
        assert copied == "responder runs approve geo-restore.orders.ABCD-123@eastus --accept-loss 40m"


async def test_of_many_that_wait_the_most_urgent_are_shown_whole_and_the_others_as_lines(store: sqlite.Store):
    outage = samples.outage()
    for i in range(30):
        await store.runs.submit(samples.run(f"r{i}", server=f"s{i}", outage_id=outage.id))
    decided = [samples.decided(f"s{i}", action=decisions.Action.ASK) for i in range(30)]
    await store.outages.put_decisions(decided)
    async with consoles.served(store) as site, looked_at(site.base) as page:
        assert await page.title() == "(frozen, 31 to sign) Responder"
        assert await page.locator("#glance").inner_text() == "31 to sign\n1 outage, 32 servers\n32 runs"
        assert await page.locator("#approvals .cards article").count() == 4
        assert await page.locator("#approvals details").count() == overview.FEW - 4
        await page.locator("#approvals summary").last.click()
        await page.locator("#approvals details[open]").get_by_role("button", name="Copy: No").wait_for()
        assert "11 less urgent" in await page.locator("#approvals").inner_text()


async def test_what_applications_were_sent_away_from_is_shown_with_the_command_that_ends_it(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base) as page:
        assert await page.locator("#away-section").is_hidden()
        copy = samples.server_id("wiki-geo-1")
        await samples.ends(store, "moved", "cut_over", "wiki", 5, verdict="cut-over", copy=copy)
        await page.locator("#away-title").wait_for()
        told = await page.locator("#away").inner_text()
        assert "wiki is not the live server: wiki-geo-1 took its place" in told
        assert "responder run failback-done --server wiki" in told


async def test_every_way_leads_to_a_view_by_keyboard_alone_and_back(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base) as page:
        await page.locator("#outages h3 a").focus()
        await page.keyboard.press("Enter")
        await page.locator(".servers").wait_for()
        assert await page.locator(".title").evaluate("one => one === document.activeElement")
        await page.locator("summary", has_text="orders").focus()
        await page.keyboard.press("Enter")
        assert await page.locator("details[open]").count() == 1
        await page.locator("#detail a.chip", has_text="waits for a yes").click()
        await page.get_by_text("1 server: waits for a yes").wait_for()
        await page.fill("#find", "billing")
        await page.keyboard.press("Enter")
        await page.get_by_text("What happened").wait_for()
        await page.goto(f"{site.base}/#/run/{'wait; $(reboot)'}")
        await page.get_by_text("responder runs resume 'wait; $(reboot)'").wait_for()
        await page.goto(f"{site.base}/#/run/nosuch")
        complaint = page.locator("#detail .note", has_text="There is no such run.")
        await complaint.wait_for()
        await page.click("text=← Everything")
        await page.locator("#approvals article").wait_for()


async def test_a_brake_that_is_held_meanwhile_appears_and_what_has_the_focus_keeps_it(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base) as page:
        button = page.locator("#brakes .bar", has_text="everything").get_by_role("button")
        await button.focus()
        wave = brakes.Scope(kind=brakes.Kind.WAVE, name="ABCD-123@eastus")
        await store.brakes.freeze(brakes.Freeze(scope=wave, by="responder", reason="4 failed", since=clock.now()))
        await page.locator("#brakes .bar", has_text="Halted: the restores of outage").wait_for()
        assert await button.evaluate("one => one === document.activeElement")


async def test_an_old_page_never_looks_current(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base) as page:
        await page.route("**/api/**", lambda route: route.abort())
        await page.evaluate("() => { const now = Date.now; Date.now = () => now() + 60000; }")  # a minute passes
        await page.locator("#stale", has_text="This page is old: as of").wait_for()
        assert "has not answered for" in await page.locator("#stale").inner_text()
        assert (await page.title()).startswith("(OLD, frozen")
        assert await page.locator("body.old").count() == 1
        await page.unroute("**/api/**")
        await page.locator("#stale").wait_for(state="hidden")


async def test_a_part_that_cannot_be_read_is_called_old_though_the_rest_is_new(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base) as page:
        await page.goto(f"{site.base}/#/runs")
        await page.locator("#detail .title").wait_for()
        answer = {"status": 503, "json": {"message": "The disk is full."}}
        await page.route("**/api/v1/runs?*", lambda route: route.fulfill(**answer))
        await page.locator("#stale", has_text="What is shown below is old").wait_for(timeout=90_000)
        assert "The disk is full." in await page.locator("#stale").inner_text()


async def test_it_fits_a_phone_and_logs_out(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base, viewport={"width": 360, "height": 700}) as page:
        for way in ("", "#/outage/ABCD-123%40eastus", "#/runs", "#/run/geo-restore.orders.ABCD-123%40eastus"):
            await page.goto(f"{site.base}/{way}")
            shown = "#detail .title" if way else "#approvals article"
            await page.locator(shown).wait_for()
            assert await page.evaluate("() => document.documentElement.scrollWidth") <= 360, way
        await page.click("text=Log out")
        await page.locator("#token").wait_for()
        assert await page.context.cookies() == []


async def test_a_link_from_elsewhere_leads_where_it_points_after_the_login_and_at_once_with_one(store: sqlite.Store):
    async with consoles.served(store) as site, looked_at(site.base) as page:
        await page.goto(f"{site.base}/login#/outage/ABCD-123%40eastus")  # where `/` sends whoever shows no cookie
        await page.locator(".servers").wait_for()
        await page.context.clear_cookies()
        await page.goto(f"{site.base}/?#/runs")
        await page.fill("#token", consoles.VIEWER)
        await page.click("text=Log in")
        await page.get_by_text("2 runs going on").wait_for()
        await page.locator("#who", has_text="wall").wait_for()
