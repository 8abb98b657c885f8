"""Partitions are owned by compare-and-set, and read on from where they were left."""

from __future__ import annotations

from typing import Any

from responder.store import sqlite

HUB = ("contoso.servicebus.windows.net", "health", "$Default")


def partition(number: str, **facts: Any) -> dict[str, Any]:
    names = ("fully_qualified_namespace", "eventhub_name", "consumer_group")
    return {**dict(zip(names, HUB, strict=True)), "partition_id": number, **facts}


async def test_a_partition_nobody_owns_is_won(store: sqlite.Store) -> None:
    (won,) = await store.checkpoints.claim_ownership([partition("0", owner_id="me")])

    assert won["owner_id"] == "me"
    assert await store.checkpoints.list_ownership(*HUB) == [won]


async def test_an_ownership_is_renewed_with_the_newest_etag(store: sqlite.Store) -> None:
    (first,) = await store.checkpoints.claim_ownership([partition("0", owner_id="me")])
    (renewed,) = await store.checkpoints.claim_ownership([first])

    assert renewed["etag"] != first["etag"]
    assert await store.checkpoints.list_ownership(*HUB) == [renewed]


async def test_a_claim_with_an_old_etag_is_lost_and_changes_nothing(store: sqlite.Store) -> None:
    (first,) = await store.checkpoints.claim_ownership([partition("0", owner_id="me")])
    (stolen,) = await store.checkpoints.claim_ownership([{**first, "owner_id": "thief"}])

    assert await store.checkpoints.claim_ownership([first]) == []
    assert await store.checkpoints.claim_ownership([partition("0", owner_id="late")]) == []
    assert await store.checkpoints.list_ownership(*HUB) == [stolen]


async def test_of_several_claims_those_that_can_be_won_are_won(store: sqlite.Store) -> None:
    await store.checkpoints.claim_ownership([partition("0", owner_id="me")])
    both = [partition("0", owner_id="you"), partition("1", owner_id="you")]

    assert [won["partition_id"] for won in await store.checkpoints.claim_ownership(both)] == ["1"]


async def test_the_newest_checkpoint_of_each_partition_is_kept(store: sqlite.Store) -> None:
    for number, sequence in (("0", 7), ("1", 3), ("0", 9)):
        await store.checkpoints.update(partition(number, offset=str(sequence * 100), sequence_number=sequence))

    assert await store.checkpoints.list(*HUB) == [
        partition("0", offset="900", sequence_number=9),
        partition("1", offset="300", sequence_number=3),
    ]


async def test_hubs_and_groups_do_not_see_each_other(store: sqlite.Store) -> None:
    await store.checkpoints.update(partition("0", offset="1", sequence_number=1))
    await store.checkpoints.claim_ownership([partition("0", owner_id="me")])

    for other in (("other", *HUB[1:]), (HUB[0], "other", HUB[2]), (*HUB[:2], "other")):
        assert await store.checkpoints.list(*other) == []
        assert await store.checkpoints.list_ownership(*other) == []
