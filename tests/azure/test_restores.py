"""Rules of restoring and discarding copies, with the real SDKs against the local Azure."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from responder.azure import control_plane
from responder.core import errors, networks, restores, servers

FAMILIES = [
    pytest.param("orders", servers.Family.FLEXIBLE, id="flexible"),
    pytest.param("ledger", servers.Family.SINGLE, id="single"),
]
MOST_POLLS = 5000


async def finish(plane: control_plane.ControlPlane, request: restores.RestoreRequest, token: str) -> restores.Progress:
    """Poll, one look at a time, until the operation has ended."""
    for _ in range(MOST_POLLS):
        progress = await plane.poll_restore(request, token)
        if not isinstance(progress, restores.InProgress):
            return progress
    raise AssertionError("the operation does not end")


async def finish_delete(plane: control_plane.ControlPlane, id_: servers.ServerId, token: str) -> restores.Progress:
    for _ in range(MOST_POLLS):
        progress = await plane.poll_delete(id_, token)
        if not isinstance(progress, restores.InProgress):
            return progress
    raise AssertionError("the operation does not end")


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_restore_ends_with_a_ready_copy(cloud: Any, name: str, family: servers.Family) -> None:
    """A restore returns a token at once, and ends with a copy in the target region that says whose."""
    plane, request = await cloud.control_plane(), cloud.request(name, family)

    token = await plane.restore(request)
    last = await finish(plane, request, token)

    assert isinstance(last, restores.Succeeded)
    assert last.server is not None
    assert last.server.id == request.target_id
    assert last.server.state == "Ready"
    assert last.server.ready
    assert last.server.ours
    assert last.server.region == "centralus"
    assert last.server.fqdn.endswith(".postgres.database.azure.com")
    assert last.server.tags["responder-run"] == "run-1"
    assert last.server.tags[restores.SOURCE_TAG] == request.source.id
    assert len(cloud.world.ledger.writes()) == 1


async def test_a_private_server_is_restored_into_a_network_of_its_own(cloud: Any) -> None:
    """Private stays private: with the prepared network it works; without it, or in the old one, Azure refuses."""
    base = f"/subscriptions/{cloud.subscription}/resourceGroups/net/providers/Microsoft.Network"
    old, new = f"{base}/virtualNetworks/old/subnets/a", f"{base}/virtualNetworks/new/subnets/a"
    source = cloud.world.server_named("orders")
    source.shape["network"] = {"publicNetworkAccess": "Disabled", "delegatedSubnetResourceId": old}
    plane, request = await cloud.control_plane(), cloud.request()
    for network in (None, networks.Network(region=request.target_region, subnet=old, dns_zone=f"{base}/z")):
        with pytest.raises(errors.AzureError, match=r"private access|another virtual network"):
            await plane.restore(dataclasses.replace(request, network=network))
    network = networks.Network(region=request.target_region, subnet=new, dns_zone=f"{base}/privateDnsZones/z")
    request = dataclasses.replace(request, network=network)
    assert isinstance(await finish(plane, request, await plane.restore(request)), restores.Succeeded)
    copy = cloud.world.servers[request.target_id]
    assert copy.shape["network"]["delegatedSubnetResourceId"] == new


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_restore_needs_nothing_of_the_source_region(cloud: Any, name: str, family: servers.Family) -> None:
    """With the source's region down a restore goes through, and no request ever names the source."""
    plane, request = await cloud.control_plane(), cloud.request(name, family)
    await cloud.world.take_region_down(request.source.region)

    last = await finish(plane, request, await plane.restore(request))

    assert isinstance(last, restores.Succeeded)
    assert cloud.asked_of(request.source) == []


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_a_new_process_takes_up_the_operation(cloud: Any, name: str, family: servers.Family) -> None:
    """A token outlives the clients that got it, and taking it up writes nothing."""
    first, request = await cloud.control_plane(), cloud.request(name, family)
    token = await first.restore(request)

    last = await finish(await cloud.control_plane(), request, token)

    assert isinstance(last, restores.Succeeded)
    assert len(cloud.world.ledger.writes()) == 1


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_a_poll_of_what_is_under_way_is_one_request(serve: Any, name: str, family: servers.Family) -> None:
    """A poll asks once and returns; how long to wait is handed on, not slept."""
    cloud = await serve(timing=_timing(restore=timedelta(hours=1), retry_after=timedelta(seconds=60)))
    plane, request = await cloud.control_plane(), cloud.request(name, family)
    token = await plane.restore(request)
    before = len(cloud.world.ledger)

    progress = await plane.poll_restore(request, token)

    assert progress == restores.InProgress(retry_after=timedelta(seconds=60))
    assert len(cloud.world.ledger) - before == 1


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_a_failed_operation_says_why(cloud: Any, name: str, family: servers.Family) -> None:
    """The operation's own error comes back as a value, for polling again would change nothing."""
    cloud.world.faults.fail_operation("*", code="GeoBackupNotReady", message="No backup at https://x.y/z?sig=abc yet")
    plane, request = await cloud.control_plane(), cloud.request(name, family)

    last = await finish(plane, request, await plane.restore(request))

    assert last == restores.OperationFailed(code="GeoBackupNotReady", message="No backup at https://x.y/z yet")


@pytest.mark.parametrize("status", [404, 403, 410])
async def test_an_operation_azure_does_not_know_is_lost(cloud: Any, status: int) -> None:
    """When the operation cannot be asked any more, the caller is told to look at the target."""
    plane, request = await cloud.control_plane(), cloud.request()
    token = await plane.restore(request)
    cloud.world.faults.answer("GET", "*azureAsyncOperation*", status, {"error": {"code": "Gone", "message": "no"}})

    progress = await plane.poll_restore(request, token)

    assert isinstance(progress, restores.Lost)
    assert await plane.find(request.target_id) is not None


@pytest.mark.parametrize("token", ["", "no token", "eyJ2ZXJzaW9uIjoxLCJkYXRhIjp7fX0=", "gASVBQA="])
async def test_an_unreadable_token_is_lost(cloud: Any, token: str) -> None:
    """A token that no SDK of today reads is no error: the target tells."""
    plane, request = await cloud.control_plane(), cloud.request()

    assert isinstance(await plane.poll_restore(request, token), restores.Lost)
    assert len(cloud.world.ledger) == 0


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_poll_without_an_answer_may_be_tried_again(cloud: Any, status: int) -> None:
    """Trouble while polling says nothing about the operation, and the poll itself does not insist."""
    plane, request = await cloud.control_plane(), cloud.request()
    token = await plane.restore(request)
    before = len(cloud.world.ledger)
    cloud.world.faults.answer("GET", "*azureAsyncOperation*", status, headers={"Retry-After": "7"})

    with pytest.raises(errors.AzureError) as caught:
        await plane.poll_restore(request, token)

    assert caught.value.retryable
    assert caught.value.retry_after == timedelta(seconds=7)
    assert len(cloud.world.ledger) - before == 1
    if status == 429:
        # Azure asked for 7 s, so nothing is asked of that subscription before, and that is said as plainly.
        with pytest.raises(errors.AzureError, match=r"nothing was sent.*HeldBack") as held:
            await plane.poll_restore(request, token)
        assert held.value.retryable
        assert held.value.retry_after <= timedelta(seconds=7)
        assert len(cloud.world.ledger) - before == 1
        return
    assert isinstance(await finish(plane, request, token), restores.Succeeded)


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_a_copy_can_be_deleted(cloud: Any, name: str, family: servers.Family) -> None:
    """A copy of ours is deleted once, and then it is not found."""
    plane, request = await cloud.control_plane(), cloud.request(name, family)
    await finish(plane, request, await plane.restore(request))

    token = await plane.delete(request.target_id)
    last = await finish_delete(await cloud.control_plane(), request.target_id, token)

    assert last == restores.Succeeded(server=None)
    assert await plane.find(request.target_id) is None
    assert [e.method for e in cloud.world.ledger.writes()] == ["PUT", "DELETE"]


async def test_what_is_not_ours_is_not_deleted(cloud: Any) -> None:
    """A server without our tag is refused, and nothing is sent that would change it."""
    plane = await cloud.control_plane()

    with pytest.raises(errors.RefusedError):
        await plane.delete(cloud.server("billing").id)

    assert cloud.world.ledger.writes() == ()


async def test_deleting_nothing_says_so(cloud: Any) -> None:
    """There is no token for a server that is not there."""
    plane = await cloud.control_plane()

    with pytest.raises(errors.AzureError) as caught:
        await plane.delete(cloud.request().target_id)

    assert (caught.value.status, caught.value.retryable) == (404, False)


async def test_a_read_is_tried_again_a_little(cloud: Any) -> None:
    """One bad answer to a read is not worth a run's attention."""
    plane, request = await cloud.control_plane(), cloud.request()
    cloud.world.faults.answer("GET", "*flexibleServers/*", 503)

    assert await plane.find(request.target_id) is None
    assert len(cloud.world.ledger.entries(method="GET")) == 2


async def test_the_tokens_of_operations_are_not_logged(
    cloud: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither our log lines nor the SDK's contain an operation's token or its signed URL."""
    caplog.set_level("DEBUG")
    plane, request = await cloud.control_plane(), cloud.request()

    token = await plane.restore(request)
    await finish(plane, request, token)

    written = capsys.readouterr()
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("azure", "responder"))]
    assert "azure.restore-requested" in written.out + written.err
    for text in (written.out, written.err, *ours):
        assert token not in text
        assert "azureAsyncOperation" not in text


def _timing(**changes: Any) -> Any:
    from responder.simulator import estates

    return estates.Timing(**changes)
