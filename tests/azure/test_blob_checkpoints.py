"""Checkpoints that instances share in Blob Storage: the real store and SDK against a small blob server, and azurite."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from responder.azure import blob_checkpoints
from responder.core import errors
from responder.simulator.amqp import broker as brokers
from tests.azure import blobs, hubs


@pytest.fixture
async def storage() -> AsyncIterator[blobs.Storage]:
    async with blobs.serving() as found:
        yield found


@pytest.fixture
async def shared(storage: blobs.Storage) -> AsyncIterator[blob_checkpoints.BlobCheckpoints]:
    found = opened(storage.connection_string)
    yield found
    await found.close()


def opened(connection_string: str, timeout: float = 1) -> blob_checkpoints.BlobCheckpoints:
    place = blob_checkpoints.Place(container=blobs.CONTAINER, connection_string=connection_string)
    return blob_checkpoints.open_checkpoints(place, timedelta(seconds=timeout))


async def test_two_instances_share_the_partitions_and_hand_them_over(
    broker: brokers.Broker, storage: blobs.Storage, shared: blob_checkpoints.BlobCheckpoints, inbox: hubs.Inbox
) -> None:
    """Each has a store of its own; who stops leaves its partitions, and the other goes on from its checkpoint."""
    other = opened(storage.connection_string)
    one, two = hubs.source(broker, shared, inbox), hubs.source(broker, other, inbox)
    try:
        async with hubs.running(one):
            await hubs.eventually(lambda: broker.receivers(hubs.HUB) == 2)
            async with hubs.running(two):
                await hubs.eventually(lambda: len(storage.owners()) == 2)
                sent = hubs.publish(broker, range(10))
                await inbox.until(lambda: set(inbox.bodies) >= set(sent))
                await hubs.eventually(lambda: storage.sequence("0") == storage.sequence("1") == 4)
            had = len(inbox.bodies)
            sent = hubs.publish(broker, range(10, 20))
            await inbox.until(lambda: set(inbox.bodies) >= set(sent))
            assert sorted(inbox.bodies[had:]) == sorted(sent)
    finally:
        await other.close()


async def test_a_restart_goes_on_from_the_blobs(
    broker: brokers.Broker, storage: blobs.Storage, shared: blob_checkpoints.BlobCheckpoints, inbox: hubs.Inbox
) -> None:
    first = hubs.publish(broker, range(4))
    async with hubs.running(hubs.source(broker, shared, inbox)):
        await inbox.until(lambda: len(inbox.bodies) >= 4)
    assert storage.sequence("0") == storage.sequence("1") == 1
    assert storage.owners() == set()
    second = hubs.publish(broker, range(4, 8))
    async with hubs.running(hubs.source(broker, shared, inbox)):
        await inbox.until(lambda: len(inbox.bodies) >= 8)

    assert sorted(inbox.bodies) == sorted(first + second)


@pytest.mark.parametrize("trouble", ["refusing", "silent"])
async def test_events_go_on_while_the_blobs_are_away(
    broker: brokers.Broker,
    storage: blobs.Storage,
    shared: blob_checkpoints.BlobCheckpoints,
    inbox: hubs.Inbox,
    trouble: str,
) -> None:
    """However long: each event is accepted at once, and when the blobs are back, the newest checkpoint is written."""
    reader = hubs.source(broker, shared, inbox, timing={"store": timedelta(seconds=0.2)})
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_ok_at is not None)
        if trouble == "silent":
            storage.silent = True
        else:
            storage.status = 503
        for number in range(6):
            hubs.publish(broker, [number])
            await inbox.until(lambda have=number + 1: len(inbox.bodies) >= have)
        await hubs.eventually(lambda: reader.last_error is not None)
        assert storage.sequence("0") is None
        asked = len(storage.log)
        await hubs.eventually(lambda: len(storage.log) > asked + 3)

        storage.status, storage.silent = None, False
        storage.release()
        await hubs.eventually(lambda: storage.sequence("0") == storage.sequence("1") == 2)
    assert len(inbox.bodies) == 6
    assert reader.restarts == 0


async def test_a_start_without_the_blobs_hears_from_our_own_store(
    broker: brokers.Broker, storage: blobs.Storage, shared: blob_checkpoints.BlobCheckpoints, inbox: hubs.Inbox
) -> None:
    """The storage account may lie in the region that fails. We read everything then, from where we were."""
    own = hubs.Memory()
    first = hubs.publish(broker, range(4))
    async with hubs.running(hubs.source(broker, shared, inbox, shelter=own)):
        await inbox.until(lambda: len(inbox.bodies) >= 4)
        await hubs.eventually(lambda: len(own.checkpoints) == 2)

    storage.status = 503
    second = hubs.publish(broker, range(4, 8))
    reader = hubs.source(broker, shared, inbox, shelter=own)
    async with hubs.running(reader):
        await inbox.until(lambda: len(inbox.bodies) >= 8)
        assert sorted(inbox.bodies) == sorted(first + second)
        await hubs.eventually(lambda: reader.last_ok_at is not None)

        storage.status = None
        await hubs.eventually(lambda: len(storage.owners()) == 1 and storage.sequence("0") == 3)
        third = hubs.publish(broker, range(8, 10))
        await inbox.until(lambda: set(inbox.bodies) >= set(third))
    assert len(inbox.bodies) == 10
    assert reader.restarts == 0


async def test_a_start_without_blobs_and_shelter_is_told_and_over_when_they_are_back(
    broker: brokers.Broker, storage: blobs.Storage, shared: blob_checkpoints.BlobCheckpoints, inbox: hubs.Inbox
) -> None:
    """The SDK would say nothing for more than a minute."""
    storage.silent = True
    reader = hubs.source(broker, shared, inbox, timing={"store": timedelta(seconds=0.2)})
    sent = hubs.publish(broker, range(2))
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_error is not None)
        assert reader.last_ok_at is None
        storage.silent = False
        storage.release()
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_a_claim_with_an_old_etag_is_lost(shared: blob_checkpoints.BlobCheckpoints) -> None:
    """Who was faster has it; and where nobody ever was, only the first has it."""
    names = {"fully_qualified_namespace": "n", "eventhub_name": "h", "consumer_group": "g", "partition_id": "0"}
    (won,) = await shared.claim_ownership([{**names, "owner_id": "one"}])
    (taken,) = await shared.claim_ownership([{**won, "owner_id": "two"}])

    assert await shared.claim_ownership([{**won, "owner_id": "one"}]) == []
    assert await shared.claim_ownership([{**names, "owner_id": "three"}]) == []
    assert [o["etag"].strip('"') for o in await shared.list_ownership("n", "h", "g")] == [taken["etag"].strip('"')]


@pytest.mark.parametrize("wrong", ["nonsense", "AccountKey=s3cret"])
def test_a_place_that_cannot_be_is_told_at_the_start(wrong: str) -> None:
    """Without showing the key."""
    with pytest.raises(errors.InputError, match=r"settings\.blob-place") as caught:
        opened(wrong)
    assert wrong not in str(caught.value)


def test_a_missing_package_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of what to install."""
    monkeypatch.setitem(__import__("sys").modules, "azure.eventhub.extensions.checkpointstoreblobaio", None)
    with pytest.raises(errors.InputError, match=r"responder\[blob\]"):
        opened("x")


AZURITE = os.environ.get("RESPONDER_TEST_AZURITE")


@pytest.fixture
async def azurite() -> AsyncIterator[str]:
    """Its connection string. The account and key are the ones it is documented with."""
    node = shutil.which("node")
    assert AZURITE is not None
    assert node is not None, "azurite needs node"
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            node, AZURITE, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent",
            "--disableTelemetry", cwd=Path(folder), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
        try:
            port = await _port_of(process)
            yield (
                f"DefaultEndpointsProtocol=http;AccountName={blobs.ACCOUNT};AccountKey={key};"
                f"BlobEndpoint=http://127.0.0.1:{port}/{blobs.ACCOUNT};"
            )
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _port_of(azurite: asyncio.subprocess.Process) -> int:
    """The port that it has chosen and says: one that we had found free might be somebody else's by now."""
    assert azurite.stdout is not None
    async with asyncio.timeout(60):
        async for line in azurite.stdout:
            if found := re.search(rb"listens on http://[\d.]+:(\d+)", line):
                return int(found[1])
    raise RuntimeError("azurite has ended")


async def _make_container(connection_string: str) -> None:
    """The daemon never makes one, so the test does."""
    from azure.eventhub.extensions.checkpointstoreblobaio._vendor.storage.blob.aio import ContainerClient

    options = {"api_version": "2019-07-07", "retry_total": 0}
    client = ContainerClient.from_connection_string(connection_string, blobs.CONTAINER, **options)
    async with client, asyncio.timeout(60):
        await client.create_container()


@pytest.mark.azurite
@pytest.mark.skipif(AZURITE is None, reason="RESPONDER_TEST_AZURITE names no azurite")
async def test_two_instances_share_the_partitions_over_azurite(
    broker: brokers.Broker, azurite: str, inbox: hubs.Inbox
) -> None:
    """A second opinion on our blob server: balancing, checkpoints and going on from them."""
    await _make_container(azurite)
    first, second = opened(azurite, 10), opened(azurite, 10)
    # Azurite and a busy machine take their time, closing included; two seconds were too few in three runs of ten.
    slow, steady = timedelta(seconds=20), timedelta(seconds=2)
    patience = {"store": slow, "open": slow, "balance": steady, "watch": steady}
    one = hubs.source(broker, first, inbox, timing=patience)
    two = hubs.source(broker, second, inbox, timing=patience)
    names = (f"127.0.0.1:{broker.port}", hubs.HUB, "$Default")
    try:
        async with hubs.running(one):
            await hubs.eventually(lambda: broker.receivers(hubs.HUB) == 2)
            async with hubs.running(two):
                async with asyncio.timeout(30):
                    # Azurite announces nothing.
                    while len({o["owner_id"] for o in await first.list_ownership(*names)}) < 2:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                sent = hubs.publish(broker, range(10))
                await inbox.until(lambda: set(inbox.bodies) >= set(sent))
            had = len(inbox.bodies)
            sent = hubs.publish(broker, range(10, 20))
            await inbox.until(lambda: set(inbox.bodies) >= set(sent))
            assert sorted(inbox.bodies[had:]) == sorted(sent)
        assert {c["partition_id"]: c["sequence_number"] for c in await first.list(*names)} == {"0": 9, "1": 9}
    finally:
        await first.close()
        await second.close()
    assert one.last_error is None
    assert two.last_error is None
