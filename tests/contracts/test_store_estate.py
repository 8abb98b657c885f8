"""The estate is what the inventory last saw; nothing is forgotten because an answer was partial."""

from __future__ import annotations

from responder.core import evidence, regions, servers, witness
from responder.store import sqlite
from tests.contracts import samples


async def test_a_server_comes_back_as_it_was_put(store: sqlite.Store) -> None:
    server = samples.server("Orders", storage_gb=512, geo_backup=True)
    await store.estate.put_servers([server])

    assert await store.estate.server(server.id) == server
    assert await store.estate.server(samples.server_id("nobody")) is None


async def test_servers_that_an_answer_leaves_out_are_kept_as_they_were(store: sqlite.Store) -> None:
    await store.estate.put_servers([samples.server("a"), samples.server("b")])
    await store.estate.put_servers([samples.server("b", seen_at=samples.at(60))])
    await store.estate.put_servers([])

    assert [(s.name, s.seen_at) for s in await store.estate.servers()] == [("a", samples.NOON), ("b", samples.at(60))]


async def test_servers_are_counted(store: sqlite.Store) -> None:
    assert await store.estate.count() == 0
    await store.estate.put_servers([samples.server("a"), samples.server("b", region="westus")])
    await store.estate.put_servers([samples.server("a")])
    assert await store.estate.count() == 2


async def test_servers_can_be_asked_for_by_region(store: sqlite.Store) -> None:
    await store.estate.put_servers([samples.server("a"), samples.server("b", region="westus")])

    assert [s.name for s in await store.estate.servers(region=regions.RegionName("westus"))] == ["b"]
    assert await store.estate.servers(region=regions.RegionName("northeurope")) == []


async def test_a_server_is_found_by_name_or_id_in_any_case(store: sqlite.Store) -> None:
    server = samples.server("Orders")
    await store.estate.put_servers([server, samples.server("other")])

    for wanted in ("orders", " ORDERS", server.id, server.id.upper() + "/"):
        assert await store.estate.find(wanted) == [server]
    assert await store.estate.find("order") == []


async def test_health_is_kept_for_each_server(store: sqlite.Store) -> None:
    a, b = samples.server_id("a"), samples.server_id("b")
    await store.estate.put_health({a: samples.health(1), b: samples.health(2)})
    await store.estate.put_health({b: samples.health(3, answered=True)})
    await store.estate.put_health({})

    assert await store.estate.health() == {a: samples.health(1), b: samples.health(3, answered=True)}
    assert await store.estate.health([b, samples.server_id("never probed")]) == {b: samples.health(3, answered=True)}
    assert await store.estate.health([]) == {}


async def test_how_deep_a_look_got_is_kept(store: sqlite.Store) -> None:
    a, spoke, newest = samples.server_id("a"), samples.at(1), samples.at(3)
    last = evidence.Probe(at=newest, answered=False, detail="no answer", said="login-silent")
    health = evidence.Health(last=last, failing_since=newest, last_answer_at=spoke, tls_at=newest, spoke_at=spoke)
    await store.estate.put_health({a: health})
    assert await store.estate.health([a]) == {a: health}


def statement(minutes: float, state: witness.State = witness.State.UNAVAILABLE) -> witness.Statement:
    return witness.Statement(state=state, cause=witness.Cause.PLATFORM, at=samples.at(minutes), title="é")


async def record(store: sqlite.Store, key: str, statements: dict[servers.ServerId, witness.Statement]) -> None:
    await store.intake.append([samples.arrival(key)])
    (received,) = await store.intake.pending()
    await store.intake.record(received.id, events=[], unreadable=[], outages=[], statements=statements)


async def test_what_resource_health_said_is_kept_for_each_server_known_or_not(store: sqlite.Store) -> None:
    a, b = samples.server_id("a"), samples.server_id("not in the inventory")
    await record(store, "1", {a: statement(1), b: statement(1)})
    await record(store, "2", {b: statement(2, witness.State.AVAILABLE)})
    await record(store, "3", {})

    assert await store.estate.statements() == {a: statement(1), b: statement(2, witness.State.AVAILABLE)}
    assert await store.estate.statements([a, samples.server_id("c")]) == {a: statement(1)}
    assert await store.estate.statements([]) == {}


async def test_an_older_word_of_resource_health_does_not_replace_a_newer_one(store: sqlite.Store) -> None:
    a = samples.server_id("a")
    await record(store, "1", {a: statement(5)})
    await record(store, "2", {a: statement(4, witness.State.AVAILABLE)})

    assert await store.estate.statements() == {a: statement(5)}


async def test_what_was_said_of_a_server_is_forgotten_with_it_and_not_mixed_with_probes(store: sqlite.Store) -> None:
    server = samples.server("a")
    await store.estate.put_servers([server])
    await record(store, "1", {server.id: statement(1)})
    assert await store.estate.health() == {}

    await store.estate.remove([server.id])
    assert await store.estate.statements() == {}
