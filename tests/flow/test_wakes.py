"""Wakes: a ring is heard once, even before anybody listens; a clock stands in for a lost one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from responder import clock
from responder.flow import wakes

LONG, NO_TIME = timedelta(days=1), timedelta(0)


async def test_a_ring_before_the_wait_is_heard():
    bell = wakes.Wake()
    bell.ring()
    async with asyncio.timeout(20):
        await bell.wait(None, LONG)


async def test_a_ring_during_the_wait_is_heard():
    bell = wakes.Wake()
    waiting = asyncio.create_task(bell.wait(None, LONG))
    await asyncio.sleep(0)
    bell.ring()
    async with asyncio.timeout(20):
        await waiting


async def test_a_ring_is_heard_once():
    bell = wakes.Wake()
    bell.ring()
    bell.ring()
    await bell.wait(None, LONG)
    again = asyncio.create_task(bell.wait(None, LONG))
    await asyncio.wait([again], timeout=0)
    assert not again.done()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_without_a_ring_the_clock_wakes():
    bell = wakes.Wake()
    async with asyncio.timeout(20):
        await bell.wait(None, NO_TIME)
        await bell.wait(clock.now() - timedelta(hours=1), LONG)
