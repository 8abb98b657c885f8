"""The secret in the URL, loopback, budgets; and that no secret ever gets into a log."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from responder import clock, settings
from responder.core import errors
from responder.web import rates
from tests.web import b_webhooks as b

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> b.Clock:
    """Budgets fill with time, and a test takes as long as it takes."""
    still = b.Clock()
    monkeypatch.setattr(clock, "now", still)
    return still


@pytest.fixture
async def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[b.Daemon]:
    monkeypatch.setenv("HOOK", b.SECRET)
    async with b.daemon(tmp_path, webhook_secret={"env": "HOOK"}) as made:
        yield made


async def test_only_the_whole_secret_once_admits(guarded: b.Daemon) -> None:
    for path in (b.MONITOR, b.GRID):
        assert await guarded.status(f"{path}?code={b.SECRET}") == 202
        for query in (
            "",
            "?code=",
            "?code",
            f"?code={b.SECRET[:-1]}",
            f"?code={b.SECRET}x",
            f"?code={b.SECRET.upper()}",
            f"?code={b.SECRET}&code={b.SECRET}",
            f"?code=x&code={b.SECRET}",
            f"?Code={b.SECRET}",
            f"?code=%00{b.SECRET}",
            "?code=%ff%fe",
            "?code=%ED%A0%80",
            f"#code={b.SECRET}",
        ):
            assert await guarded.status(path + query) == 401, query
    assert await guarded.status(headers={"Authorization": f"Bearer {b.SECRET}"}) == 401
    assert await guarded.status(data=f"code={b.SECRET}") == 401


async def test_bytes_that_are_no_text_in_the_url_or_the_headers_are_refused_quietly(guarded: b.Daemon) -> None:
    for line in (b"?code=\xff\xfe", b"?code=x HTTP/1.1\r\nAuthorization: Bearer \xff\xfe"):
        end = b"" if b"HTTP" in line else b" HTTP/1.1"
        answer = await guarded.raw(
            b"POST /webhooks/azure-monitor" + line + end + b"\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        )
        assert answer.split()[1] in (b"400", b"401")


async def test_nobody_is_asked_for_a_body_before_it_has_proved_who_it_is(guarded: b.Daemon) -> None:
    answer = await guarded.raw(b"POST /webhooks/azure-monitor HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
    assert answer.split()[1] == b"401"


@pytest.mark.parametrize("content", ["", "  \n"])
async def test_an_empty_secret_is_refused_at_start(tmp_path: Path, content: str) -> None:
    """Or else `?code=` would admit."""
    file = tmp_path / "secret"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(errors.InputError, match=r"settings\.secret-missing"):
        async with b.daemon(tmp_path, event_grid={"secret": {"file": str(file)}}):
            pass


async def test_a_weak_secret_is_told_of_and_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "s3cret+/=")
    with structlog.testing.capture_logs() as logs:
        async with b.daemon(tmp_path, webhook_secret={"env": "HOOK"}):
            pass
    assert {entry["place"] for entry in logs if entry["event"] == "webhook.secret-weak"} == {"web.webhook_secret"}
    assert "s3cret" not in str(logs)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_without_a_secret_proxies_and_browsers_of_this_machine_are_no_callers(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with b.daemon(tmp_path) as daemon:
        assert await daemon.status() == 202
        assert await daemon.status(headers=headers) == 401
        assert await daemon.status(b.GRID, headers=headers) == 401


async def test_too_many_refused_calls_are_slowed_and_good_ones_are_not(now: b.Clock, guarded: b.Daemon) -> None:
    """All come from one address, as they do behind a proxy."""
    answers = [await guarded.post(f"{b.MONITOR}?code=wrong") for _ in range(101)]
    assert [answer[0] for answer in answers] == [401] * 100 + [429]
    assert answers[-1][2]["Retry-After"] == "1"
    assert await guarded.status(f"{b.MONITOR}?code={b.SECRET}") == 202
    now.forward(seconds=1)
    assert await guarded.status(f"{b.MONITOR}?code=wrong") == 401


@pytest.mark.usefixtures("now")
async def test_admitted_calls_above_the_rate_are_told_when_to_come_back(tmp_path: Path) -> None:
    slow = {"per_second": 0.1, "burst": 2}
    for name in ("webhook_rate", "webhook_rate_per_remote"):
        folder = tmp_path / name
        folder.mkdir()
        async with b.daemon(folder, **{name: slow}) as daemon:
            assert [await daemon.status(), await daemon.status()] == [202, 202]
            status, _, headers = await daemon.post()
            assert (status, headers["Retry-After"]) == (429, "10")


def test_by_default_an_outage_of_the_largest_estate_passes_at_once() -> None:
    web = settings.Web()
    limits = rates.Limits(web.webhook_rate, web.webhook_rate_per_remote)
    assert not any(limits.admitted("198.51.100.1", NOW) for _ in range(25_000))


def test_a_bucket_fills_with_time_up_to_its_burst() -> None:
    bucket = rates.Bucket(settings.Rate(per_second=2, burst=3))
    assert [bool(bucket.take(NOW)) for _ in range(4)] == [False, False, False, True]
    assert bucket.take(NOW) == timedelta(seconds=0.5)
    assert not bucket.take(NOW + timedelta(seconds=0.5))
    later = NOW + timedelta(days=9)
    assert [bool(bucket.take(later)) for _ in range(4)] == [False, False, False, True]
    assert bucket.take(NOW), "a clock that is set back gives nothing"


def test_remotes_do_not_use_each_other_up_and_are_bounded() -> None:
    remotes = rates.Remotes(settings.Rate(per_second=1, burst=1), most=3)
    assert not remotes.of("192.0.2.1").take(NOW)
    assert remotes.of("192.0.2.1").take(NOW)
    assert not remotes.of("192.0.2.2").take(NOW)
    for other in range(10, 20):
        remotes.of(f"192.0.2.{other}")
    assert not remotes.of("192.0.2.1").take(NOW), "forgotten"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        (None, "", True),
        ("no address", "192.0.2.1", False),
    ],
)
def test_addresses_that_one_caller_can_choose_from_share_a_bucket(one: str | None, other: str, same: bool) -> None:
    remotes = rates.Remotes(settings.Rate(per_second=1, burst=1))
    remotes.of(one).take(NOW)
    assert bool(remotes.of(other).take(NOW)) is same


async def test_no_secret_gets_into_a_log_or_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither ours nor what somebody tries, whatever breaks: not the request, not its parsing, not the store."""
    monkeypatch.setenv("HOOK", b.SECRET)
    caplog.set_level(logging.DEBUG)
    tried, good = "tried-and-wrong-4712", b.token()
    unsigned = good[:-20]
    seen: list[Any] = []
    with structlog.testing.capture_logs() as logs:
        async with (
            b.tenant() as tenant,
            b.daemon(
                tmp_path, _Broken(), azure_monitor={"secret": {"env": "HOOK"}, "entra": b.entra(tenant)}
            ) as daemon,
        ):
            for query in ("", f"?code={tried}", f"?code={b.SECRET}"):
                for bearer in (None, unsigned, good, b.token(by="two"), b.token(b.claims(aud="x"))):
                    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
                    seen.append(await daemon.post(b.MONITOR + query, headers=headers))
            line = f"POST {b.MONITOR}?code={b.SECRET} HTTP/1.1\r\n".encode()
            for rest in (b"Broken\x00: x\r\n\r\n", b"Content-Length: x\r\n\r\n", b"X: " + b"y" * 99_999 + b"\r\n\r\n"):
                await daemon.raw(line + b"Host: x\r\n" + rest)
            await daemon.raw(line.replace(b"HTTP/1.1", b"HTTP/9.9") + b"Host: x\r\n\r\n")
            await daemon.raw(f"GET /?code={b.SECRET}{'x' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            seen.append(await daemon.call("GET", f"{b.MONITOR}?code={b.SECRET}"))
            seen.append(await daemon.call("GET", f"/nowhere?code={b.SECRET}"))
    written = "\n".join([str(logs), caplog.text, *capfd.readouterr(), *(str(answer[:2]) for answer in seen)])
    assert {answer[0] for answer in seen} == {401, 404, 405, 503}
    assert [entry for entry in logs if entry["event"] == "webhook.refused"], "refusals are told"
    for secret in (b.SECRET, tried, good, unsigned, good.split(".")[1], good.split(".")[2]):
        assert secret not in written


async def test_a_flood_of_refusals_does_not_fill_the_log(now: b.Clock, guarded: b.Daemon) -> None:
    """And the next one that is told says how many were not."""
    with structlog.testing.capture_logs() as logs:
        for _ in range(100):
            await guarded.status(f"{b.MONITOR}?code=wrong")
        now.forward(seconds=1)
        await guarded.status(f"{b.MONITOR}?code=wrong")
    told = [entry["unlogged"] for entry in logs if entry["event"] == "webhook.refused"]
    assert told == [0] * 20 + [80]


class _Broken:
    """A store that fails in a way nobody foresaw."""

    async def append(self, arrivals: object) -> int:
        raise RuntimeError("broken")
