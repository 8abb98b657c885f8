"""Webhooks behind Entra ID, over HTTP: keys that rotate, addresses that fail, strangers who want us to ask."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from responder import clock, settings
from responder.web import signing_keys
from tests.web import b_webhooks as b


@pytest.fixture
async def tenant() -> AsyncIterator[b.Tenant]:
    async with b.tenant() as made:
        yield made


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> b.Clock:
    moved = b.Clock()
    monkeypatch.setattr(clock, "now", moved)
    monkeypatch.setattr(clock, "ticks", moved.ticks)
    return moved


async def asked(tenant: b.Tenant, times: int = 1) -> None:
    """Wait until the keys were asked for that often."""
    async with asyncio.timeout(10):
        while tenant.asked < times:  # noqa: ASYNC110 - the tenant is another server's handler
            await asyncio.sleep(0.005)


def signed(now: b.Clock, by: str = "one", base: Any = b.V2, **changes: Any) -> str:
    return b.token(b.claims(base, at=now.at, **changes), by=by)


async def test_a_good_token_is_admitted_and_its_body_stored(tmp_path: Path, tenant: b.Tenant) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        assert await daemon.status(bearer=b.token()) == 202
        assert await daemon.status(bearer=b.token(b.claims(b.V1)), data=b"[1]") == 202
        assert await daemon.stored() == [b.ALERT, b"[1]"]


async def test_a_bad_token_is_refused_and_nothing_is_stored(tmp_path: Path, tenant: b.Tenant) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        for bad in (
            b.token(by="two", kid="one"),
            b.token(b.claims(aud="https://graph.microsoft.com")),
            b.token(b.claims(exp=1)),
            b.signed_with_public_key(b.claims()),
            b.forged({"alg": "none", "kid": "one"}, b.claims(), lambda _: b""),
            b.token(kid=None),
            "",
            "é",
        ):
            assert await daemon.status(bearer=bad) == 401
        assert await daemon.status() == 401
        assert await daemon.status(headers={"Authorization": f"Basic {b.token()}"}) == 401
        assert await daemon.stored() == []


async def test_two_tokens_in_one_request_are_none(tmp_path: Path, tenant: b.Tenant) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        good = b.token()
        both = [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")]
        assert (await daemon.post(headers=both))[0] == 401


async def test_a_huge_token_is_refused_before_it_is_looked_at(tmp_path: Path, tenant: b.Tenant) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        head = f"POST {b.MONITOR} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {'x' * 200_000}\r\n\r\n"
        assert (await daemon.raw(head.encode())).split()[1] == b"400"
        assert await daemon.status(bearer=b.token()) == 202


async def test_each_endpoint_has_its_own_callers(tmp_path: Path, tenant: b.Tenant) -> None:
    """A token of action groups opens nothing at Event Grid's endpoint, and the other way round."""
    both = {"azure_monitor": {"entra": b.entra(tenant)}, "event_grid": {"entra": b.entra(tenant)}}
    async with b.daemon(tmp_path, **both) as daemon:
        grid = b.token(b.claims(azp=b.EVENT_GRID, roles=["AzureEventGridSecureWebhookSubscriber"]))
        assert await daemon.status(b.GRID, bearer=grid) == 202
        assert await daemon.status(b.GRID, bearer=b.token()) == 401
        assert await daemon.status(b.MONITOR, bearer=grid) == 401


async def test_a_way_of_its_own_replaces_the_common_secret(
    tmp_path: Path, tenant: b.Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", b.SECRET)
    secret = {"webhook_secret": {"env": "HOOK"}}
    async with b.daemon(tmp_path, **secret, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        assert await daemon.status(f"{b.MONITOR}?code={b.SECRET}") == 401
        assert await daemon.status(f"{b.GRID}?code={b.SECRET}") == 202


async def test_any_way_that_is_configured_admits(
    tmp_path: Path, tenant: b.Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", b.SECRET)
    both = {"secret": {"env": "HOOK"}, "entra": b.entra(tenant)}
    async with b.daemon(tmp_path, azure_monitor=both) as daemon:
        assert await daemon.status(f"{b.MONITOR}?code={b.SECRET}") == 202
        assert await daemon.status(f"{b.MONITOR}?code=wrong", bearer=b.token()) == 202
        assert await daemon.status(f"{b.MONITOR}?code={b.SECRET}", bearer="wrong") == 202
        assert await daemon.status(f"{b.MONITOR}?code=wrong", bearer="wrong") == 401


async def test_keys_are_fetched_in_peace_and_not_for_each_call(tmp_path: Path, tenant: b.Tenant) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        await asked(tenant)
        for _ in range(20):
            assert await daemon.status(bearer=b.token()) == 202
        assert tenant.asked == 1


async def test_a_rotated_key_is_found_when_it_is_first_used(tmp_path: Path, tenant: b.Tenant, now: b.Clock) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        assert await daemon.status(bearer=signed(now)) == 202
        tenant.keys = [b.jwk("one"), b.jwk("two")]
        now.forward(minutes=2)
        assert await daemon.status(bearer=signed(now, "two")) == 202
        assert await daemon.status(bearer=signed(now)) == 202
        tenant.keys = [b.jwk("two"), b.jwk("three")]
        now.forward(minutes=2)
        assert await daemon.status(bearer=signed(now, "three")) == 202
        assert await daemon.status(bearer=signed(now, "one")) in (401, 503)  # withdrawn
        assert tenant.asked == 3


async def test_unknown_keys_make_us_ask_once_a_minute(tmp_path: Path, tenant: b.Tenant, now: b.Clock) -> None:
    """And until we may ask again the answer is to come back, because the key could be a new one."""
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        await asked(tenant)
        now.forward(minutes=2)
        flood = [b.token(b.claims(at=now.at), by="two", kid=f"k{i}") for i in range(60)]
        statuses = await asyncio.gather(*(daemon.status(bearer=one) for one in flood))
        assert set(statuses) <= {401, 503}
        assert tenant.asked == 2
        status, _, headers = await daemon.post(headers={"Authorization": f"Bearer {flood[0]}"})
        assert (status, headers["Retry-After"]) == (503, "60")
        now.forward(seconds=61)
        assert await daemon.status(bearer=flood[1]) == 401
        assert tenant.asked == 3
        assert await daemon.status(bearer=signed(now)) == 202


async def test_tokens_that_could_never_be_admitted_make_nobody_ask(
    tmp_path: Path, tenant: b.Tenant, now: b.Clock
) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        await asked(tenant)
        now.forward(minutes=2)
        for changes in ({"aud": "x"}, {"iss": "x"}, {"azp": b.STRANGER}, {"roles": []}, {"exp": 1}):
            assert await daemon.status(bearer=b.token(b.claims(at=now.at, **changes), by="two")) == 401
        assert tenant.asked == 1


async def test_many_calls_share_one_question(tmp_path: Path, tenant: b.Tenant, now: b.Clock) -> None:
    tenant.go_on.clear()
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        calls = [asyncio.create_task(daemon.status(bearer=signed(now))) for _ in range(50)]
        await asked(tenant)
        tenant.go_on.set()
        assert set(await asyncio.gather(*calls)) == {202}
        assert tenant.asked == 1


async def test_a_caller_who_hangs_up_does_not_end_the_question(tenant: b.Tenant) -> None:
    tenant.go_on.clear()
    keys = signing_keys.SigningKeys(settings.MonitorEntra.model_validate(b.entra(tenant)))
    first, second = (asyncio.create_task(keys.find("one")) for _ in range(2))
    await asked(tenant)
    first.cancel()
    await asyncio.wait({first})
    tenant.go_on.set()
    assert await second is not None
    assert tenant.asked == 1


@pytest.mark.parametrize(
    "mood",
    [
        pytest.param({"status": 500}, id="failing"),
        pytest.param({"status": 404}, id="gone"),
        pytest.param({"body": b"<html>maintenance</html>"}, id="garbage"),
        pytest.param({"body": b'{"keys": []}'}, id="no keys"),
        pytest.param({"body": b"[" * 200_000}, id="nested without end"),
        pytest.param({"keys": [b.jwk("two", padding="x" * 2_000_000)]}, id="huge"),
        pytest.param({"status": 302, "headers": {"Location": "/elsewhere"}}, id="leading elsewhere"),
        pytest.param({"headers": {"Content-Encoding": "gzip"}, "body": gzip.compress(b" " * 9_000_000)}, id="a bomb"),
    ],
)
async def test_known_keys_stay_good_while_the_address_is_unwell(
    tmp_path: Path, tenant: b.Tenant, now: b.Clock, mood: dict[str, Any]
) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        assert await daemon.status(bearer=signed(now)) == 202
        for name, value in mood.items():
            setattr(tenant, name, value)
        now.forward(hours=5)
        status, _, headers = await daemon.post(headers={"Authorization": f"Bearer {signed(now, 'two')}"})
        assert (status, headers["Retry-After"]) == (503, "60")
        assert await daemon.status(bearer=signed(now)) == 202


async def test_known_keys_do_not_stay_good_for_ever(tmp_path: Path, tenant: b.Tenant, now: b.Clock) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant, keys_keep="3d")}) as daemon:
        assert await daemon.status(bearer=signed(now)) == 202
        tenant.status = 500
        now.forward(days=2, hours=23)
        assert await daemon.status(bearer=signed(now)) == 202
        now.forward(hours=2)
        assert await daemon.status(bearer=signed(now)) == 503
        tenant.status = 200
        now.forward(minutes=2)
        assert await daemon.status(bearer=signed(now)) == 202


async def test_without_any_key_azure_is_told_to_come_back(tmp_path: Path, now: b.Clock) -> None:
    """503, because action groups would not try again after a 401."""
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra()}) as daemon:
        assert await daemon.status(bearer=signed(now)) == 503
        assert await daemon.status(bearer=b.token(b.claims(at=now.at, aud="x"))) == 401


async def test_an_address_that_never_answers_holds_nobody_up(
    tmp_path: Path, tenant: b.Tenant, now: b.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.go_on.clear()
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        with monkeypatch.context() as impatient:
            impatient.setattr(signing_keys, "_TIMEOUT", signing_keys.aiohttp.ClientTimeout(total=0.05))
            assert await daemon.status(bearer=signed(now)) == 503
        tenant.go_on.set()
        now.forward(minutes=2)
        assert await daemon.status(bearer=signed(now)) == 202


async def test_old_keys_serve_while_the_address_is_slow(tmp_path: Path, tenant: b.Tenant, now: b.Clock) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        assert await daemon.status(bearer=signed(now)) == 202
        tenant.go_on.clear()
        now.forward(minutes=2)
        unknown = asyncio.create_task(daemon.status(bearer=signed(now, "two")))
        await asked(tenant, 2)
        assert await daemon.status(bearer=signed(now)) == 202
        tenant.go_on.set()
        assert await unknown == 401


async def test_a_clock_that_is_set_back_does_not_stop_us_asking(tmp_path: Path, tenant: b.Tenant, now: b.Clock) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        await asked(tenant)
        now.forward(minutes=2)
        now.step(days=-1)
        tenant.keys = [b.jwk("two")]
        assert await daemon.status(bearer=signed(now, "two")) == 202


@pytest.mark.parametrize("days", [-30, 30])
async def test_a_clock_that_is_set_makes_known_keys_neither_old_nor_young(
    tmp_path: Path, tenant: b.Tenant, now: b.Clock, days: int
) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant, keys_keep="3d")}) as daemon:
        assert await daemon.status(bearer=signed(now)) == 202
        tenant.status = 500
        now.step(days=days)
        assert await daemon.status(bearer=signed(now)) == 202
        now.forward(days=4)
        assert await daemon.status(bearer=signed(now)) == 503


async def test_a_clock_that_is_set_does_not_let_a_flood_of_unknown_keys_ask_again(
    tmp_path: Path, tenant: b.Tenant, now: b.Clock
) -> None:
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}) as daemon:
        await asked(tenant)
        for days in (1, -2, 1):
            now.step(days=days)
            await daemon.status(bearer=signed(now, "unknown"))
        assert tenant.asked == 1


async def test_the_end_of_the_server_ends_the_question(tmp_path: Path, tenant: b.Tenant) -> None:
    tenant.go_on.clear()
    async with b.daemon(tmp_path, azure_monitor={"entra": b.entra(tenant)}):
        await asked(tenant)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"signing-keys", "signing-keys-fresh"}


async def test_keys_are_refreshed_when_they_are_due(tenant: b.Tenant, now: b.Clock) -> None:
    keys = signing_keys.SigningKeys(settings.MonitorEntra.model_validate(b.entra(tenant, keys_refresh="1h")))
    task = asyncio.create_task(keys.look_after())
    await asked(tenant)
    tenant.body = json.dumps({"keys": [b.jwk("two")]}).encode()
    now.forward(minutes=61)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    task = asyncio.create_task(keys.look_after())  # what its next minute would do
    await asked(tenant, 2)
    assert await keys.find("two") is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
