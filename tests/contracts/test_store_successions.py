"""Which server took the place of which is known from the outcome that says so on, whatever becomes of its run."""

from __future__ import annotations

from responder.core import runs, successions
from responder.store import stores
from tests.contracts import samples

OLD, NEW = samples.server_id("orders"), samples.server_id("orders-geo-1")


async def standing(store: stores.Store) -> dict[str, str]:
    return {one.server: one.by for one in (await store.successions.standing()).values()}


async def test_a_server_that_was_cut_away_from_is_known_with_what_took_its_place(store: stores.Store) -> None:
    await samples.ends(store, "a", "cut_over", "orders", 5, verdict="cut-over", copy=NEW)
    (found,) = (await store.successions.of([OLD, NEW])).values()
    assert found == [successions.Succession(server=OLD, by=NEW, run=runs.RunId("a"), since=samples.at(5))]


async def test_a_cut_over_that_was_not_needed_says_nothing(store: stores.Store) -> None:
    await samples.ends(store, "a", "cut_over", "orders", 5, verdict="not-needed", copy=NEW)
    assert await standing(store) == {}


async def test_taken_back_the_other_one_is_the_old_one(store: stores.Store) -> None:
    await samples.ends(store, "a", "cut_over", "orders", 5, verdict="cut-over", copy=NEW)
    await samples.ends(store, "b", "take_back", "orders", 9, verdict="taken-back", copy=NEW)
    assert await standing(store) == {NEW: OLD}
    (ended,) = (await store.successions.of([OLD]))[OLD]
    assert ended.ended_at == samples.at(9)


async def test_a_chain_of_cut_overs_leaves_the_last_one_live(store: stores.Store) -> None:
    await samples.ends(store, "a", "cut_over", "orders", 5, verdict="cut-over", copy=NEW)
    await samples.ends(store, "b", "promote_replica", "orders-geo-1", 9, verdict="promoted", copy=OLD)
    assert await standing(store) == {NEW: OLD}
    await samples.ends(store, "c", "cut_over", "orders", 12, verdict="cut-over", copy=NEW)
    assert await standing(store) == {OLD: NEW}
