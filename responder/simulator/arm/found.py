"""What the path of a call names: the subscription, the group, the server; or the 404 for what is not there."""

from __future__ import annotations

from responder.simulator import resources
from responder.simulator.arm import calls


def subscription_of(call: calls.Call) -> str:
    """The subscription in the path, checked. Raises `Refused` (404)."""
    wanted = call.params["subscription"].lower()
    if not any(str(s.id) == wanted for s in call.world.estate.subscriptions):
        raise calls.Refused(404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.")
    return wanted


def group_or_none(call: calls.Call) -> resources.Group | None:
    """The resource group in the path, if it exists."""
    key = f"/subscriptions/{call.params['subscription']}/resourceGroups/{call.params['group']}"
    return call.world.groups.get(key.lower())


def group_of(call: calls.Call) -> resources.Group:
    """The resource group in the path. Raises `Refused` (404)."""
    subscription_of(call)
    group = group_or_none(call)
    if group is None:
        name = call.params["group"]
        raise calls.Refused(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    return group


def server_or_none(call: calls.Call) -> resources.Server | None:
    """The server that the path is about, if it exists."""
    if "server" not in call.params or not call.kind:
        return None
    params = call.params
    key = (
        f"/subscriptions/{params['subscription']}/resourceGroups/{params['group']}"
        f"/providers/{resources.PROVIDER}/{resources.TYPES[call.kind]}/{params['server']}"
    )
    return call.world.servers.get(key.lower())


def server_of(call: calls.Call) -> resources.Server:
    """The server that the path is about. Raises `Refused` (404)."""
    group = group_of(call)
    server = server_or_none(call)
    if server is None:
        raise calls.Refused(
            404,
            "ResourceNotFound",
            f"The Resource '{resources.PROVIDER}/{resources.TYPES[call.kind]}/{call.params['server']}' under resource "
            f"group '{group.name}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
        )
    return server


def idle(server: resources.Server) -> resources.Server:
    """The server, when it can take an operation. Raises `Refused` (409), without Retry-After as on the wire."""
    if server.operation is not None:
        raise calls.Refused(
            409,
            "ServerIsBusy",
            f"Cannot complete operation while server '{server.name}' is busy processing another operation. "
            "Try again later.",
        )
    return server
