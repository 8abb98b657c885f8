"""Subscriptions, locations with their pairs, resource groups, resource providers, locks.

Read only: the groups are those of the estate.
"""

from __future__ import annotations

from responder.core import regions
from responder.simulator import resources
from responder.simulator.arm import calls, found

_NAMESPACES = (resources.PROVIDER, "Microsoft.ResourceGraph", "Microsoft.ResourceHealth", "Microsoft.Network")


def describe(call: calls.Call, subscription: str) -> calls.Body:
    """A subscription as listed."""
    entry = next(s for s in call.world.estate.subscriptions if str(s.id) == subscription)
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "tenantId": str(call.world.estate.tenant),
        "displayName": entry.name,
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def describe_group(group: resources.Group) -> calls.Body:
    """A resource group as listed; its location is the short form."""
    return {
        "id": group.id,
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.region,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    }


async def _subscriptions(call: calls.Call) -> calls.Reply:
    return calls.page(call, [describe(call, str(s.id)) for s in call.world.estate.subscriptions])


async def _subscription(call: calls.Call) -> calls.Reply:
    return calls.Reply(body=describe(call, found.subscription_of(call)))


async def _tenants(call: calls.Call) -> calls.Reply:
    tenant = str(call.world.estate.tenant)
    return calls.page(
        call, [{"id": f"/tenants/{tenant}", "tenantId": tenant, "displayName": "Contoso", "tenantCategory": "Home"}]
    )


async def _locations(call: calls.Call) -> calls.Reply:
    """https://learn.microsoft.com/rest/api/resources/subscriptions/list-locations"""
    prefix = f"/subscriptions/{found.subscription_of(call)}/locations"
    return calls.Reply(body={"value": [_location(prefix, r) for r in regions.REGIONS.values() if r.cloud == "public"]})


def _location(prefix: str, region: regions.Region) -> calls.Body:
    return {
        "id": f"{prefix}/{region.name}",
        "name": region.name,
        "type": "Region",
        "displayName": region.display_name,
        "regionalDisplayName": region.display_name,
        "metadata": {
            "regionType": "Physical",
            "regionCategory": "Other" if region.restricted else "Recommended",
            "pairedRegion": [{"name": region.pair, "id": f"{prefix}/{region.pair}"}] if region.pair else [],
        },
    }


async def _groups(call: calls.Call) -> calls.Reply:
    subscription = found.subscription_of(call)
    return calls.page(call, [describe_group(g) for g in call.world.groups.values() if g.subscription == subscription])


async def _group(call: calls.Call) -> calls.Reply:
    return calls.Reply(body=describe_group(found.group_of(call)))


async def _group_exists(call: calls.Call) -> calls.Reply:
    try:
        found.group_of(call)
    except calls.Refused as refused:
        return calls.Reply(status=refused.reply.status)
    return calls.Reply(status=204)


async def _provider(call: calls.Call) -> calls.Reply:
    subscription = found.subscription_of(call)
    name = call.params["namespace"]
    if name.lower() not in {n.lower() for n in _NAMESPACES}:
        raise calls.Refused(
            404, "InvalidResourceNamespace", f"The resource namespace '{name}' is invalid; the simulator has none such."
        )
    return calls.Reply(
        body={
            "id": f"/subscriptions/{subscription}/providers/{name}",
            "namespace": name,
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
            "resourceTypes": [],
        }
    )


async def _locks(call: calls.Call) -> calls.Reply:
    """Nothing in a simulated estate is locked."""
    found.subscription_of(call)
    return calls.page(call, [])


async def _permissions(call: calls.Call) -> calls.Reply:
    """Whoever gets in may do everything; a canned answer says otherwise.

    https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource-group
    """
    found.subscription_of(call)
    return calls.Reply(body={"value": [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}]})


_LOCKS = "/providers/Microsoft.Authorization/locks"
_PERMISSIONS = "/providers/Microsoft.Authorization/permissions"

ROUTES = (
    calls.route("GET", "/tenants", _tenants),
    calls.route("GET", "/subscriptions", _subscriptions),
    calls.route("GET", calls.SUBSCRIPTION, _subscription),
    calls.route("GET", f"{calls.SUBSCRIPTION}/locations", _locations),
    calls.route("GET", f"{calls.SUBSCRIPTION}/resourceGroups", _groups),
    calls.route("GET", calls.GROUP, _group),
    calls.route("HEAD", calls.GROUP, _group_exists),
    calls.route("GET", f"{calls.SUBSCRIPTION}{_LOCKS}", _locks),
    calls.route("GET", f"{calls.GROUP}{_LOCKS}", _locks),
    calls.route("GET", f"{calls.SUBSCRIPTION}{_PERMISSIONS}", _permissions),
    calls.route("GET", f"{calls.GROUP}{_PERMISSIONS}", _permissions),
    calls.route("GET", f"{calls.GROUP}/providers/{{namespace}}/{{kind}}/{{name}}{_PERMISSIONS}", _permissions),
    calls.route("GET", f"{calls.SUBSCRIPTION}/providers/{{namespace}}", _provider),
    calls.route("POST", f"{calls.SUBSCRIPTION}/providers/{{namespace}}/register", _provider),
)
