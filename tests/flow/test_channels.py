"""Channels: delivered on a 2xx and on nothing else, once, to the URL given and to no other, which is never said."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from responder import channels
from responder.channels import log, webhook
from tests.contracts import samples

TOKEN = "t0ken-t0ken"


class Receiver:
    """Answers as it is told to and keeps what it got."""

    def __init__(self) -> None:
        self.status = 200
        self.location = ""
        self.got: list[tuple[str, str, Any]] = []
        self.base = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, request.headers["Idempotency-Key"], await request.json()))
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, headers=headers, text="details")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def way() -> AsyncIterator[Callable[[str], webhook.WebhookChannel]]:
    async with contextlib.AsyncExitStack() as stack:

        def make(url: str) -> webhook.WebhookChannel:
            channel = webhook.WebhookChannel(url)
            stack.push_async_callback(channel.close)
            return channel

        yield make


async def failure(channel: webhook.WebhookChannel) -> channels.ChannelError:
    with pytest.raises(channels.ChannelError) as raised:
        await channel.deliver(samples.announcement("a"))
    said = f"{raised.value!r} {raised.value.__cause__!r}"
    assert TOKEN not in said
    assert "127.0.0.1" not in said
    return raised.value


@pytest.mark.parametrize("key", ["a\nb", "a\r\nX-Other: b", "a\0b", "a\x7fb", "a\ud800b"])
async def test_a_key_that_no_header_can_hold_is_no_reason_not_to_tell(receiver: Receiver, way: Any, key: str):
    await way(f"{receiver.base}/hook").deliver(replace(samples.announcement("a"), key=key))

    assert [(path, sent[0], sent[-1]) for path, sent, _ in receiver.got] == [("/hook", "a", "b")]


async def test_an_announcement_is_posted_as_json_with_its_key(receiver: Receiver, way: Any):
    await way(f"{receiver.base}/hook?token={TOKEN}").deliver(samples.announcement("a"))
    ((path, key, body),) = receiver.got
    assert (path, key) == ("/hook", "a")
    assert body == {
        "key": "a",
        "kind": "server.waits",
        "subject": "About a",
        "text": "Two\nlines",
        "to": "owner@contoso.example",
        "at": "2026-03-01T12:00:00+00:00",
        "facts": {"server": "orders"},
    }


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(receiver: Receiver, way: Any, status: int):
    receiver.status, receiver.location = status, f"{receiver.base}/elsewhere"
    error = await failure(way(f"{receiver.base}/hook?token={TOKEN}"))
    assert error.permanent
    assert [path for path, _, _ in receiver.got] == ["/hook"]


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, True), (401, True), (410, True), (408, False), (429, False), (500, False), (503, False)],
)
async def test_what_may_pass_is_tried_again_and_the_rest_is_not(
    receiver: Receiver, way: Any, status: int, permanent: bool
):
    receiver.status = status
    error = await failure(way(f"{receiver.base}/hook?token={TOKEN}"))
    assert (str(error), error.permanent) == (f"answered {status}", permanent)


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:1/{TOKEN}", f"nonsense-{TOKEN}", f"http://[{TOKEN}", f"ftp://x/{TOKEN}"]
)
async def test_nobody_there_is_told_without_the_url(way: Any, url: str):
    error = await failure(way(url))
    assert not error.permanent
    assert str(error).startswith("no answer (")


async def test_closing_what_was_never_used_is_fine():
    await webhook.WebhookChannel("http://127.0.0.1:1/").close()


async def test_the_log_takes_everything():
    await log.LogChannel().deliver(samples.announcement("a"))
    await log.LogChannel().close()
