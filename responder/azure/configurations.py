"""Firewall rules and server parameters of one server, of either product: only what somebody has set.

Rows are read as plain dicts: a server has several hundred parameters, and making models of them would hold up the loop.
It is asked of healthy servers in peace, and of the copies that we made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from responder.azure import clients
from responder.azure import errors as meanings
from responder.core import configurations, errors, servers

_API = {servers.Family.FLEXIBLE: "2025-08-01", servers.Family.SINGLE: "2017-12-01"}
_TYPES = {servers.Family.FLEXIBLE: "flexibleServers", servers.Family.SINGLE: "servers"}
_MOST_PAGES = 50


async def read(to: clients.Clients, address: servers.Address) -> configurations.Configuration:
    """What differs from the default and can be written. Raises `AzureError`; never returns a part of the answer."""
    rules = [_rule(row) for row in await _rows(to, address, "firewallRules")]
    listed = await _rows(to, address, "configurations")
    return configurations.Configuration(
        rules=tuple(rule for rule in rules if rule is not None),
        parameters=tuple(found for found in map(_parameter, listed) if found is not None),
        restart_pending=any(_is(_properties(row), "isConfigPendingRestart") for row in listed),
    )


def _rule(row: Mapping[str, Any]) -> configurations.Rule | None:
    properties = _properties(row)
    start, end = properties.get("startIpAddress"), properties.get("endIpAddress")
    return configurations.Rule(name=str(row.get("name")), start=str(start), end=str(end)) if start and end else None


def _parameter(row: Mapping[str, Any]) -> configurations.Parameter | None:
    properties = _properties(row)
    value = properties.get("value")
    ours = str(properties.get("source", "")).lower() == "user-override"
    if not ours or value is None or value == properties.get("defaultValue") or _is(properties, "isReadOnly"):
        return None
    static = "isDynamicConfig" in properties and not _is(properties, "isDynamicConfig")
    return configurations.Parameter(name=str(row.get("name")), value=str(value), static=static)


def _is(properties: Mapping[str, Any], name: str) -> bool:
    return str(properties.get(name, "")).lower() == "true"


def _properties(row: Mapping[str, Any]) -> Mapping[str, Any]:
    found = row.get("properties")
    return found if isinstance(found, Mapping) else {}


async def _rows(to: clients.Clients, address: servers.Address, collection: str) -> list[Mapping[str, Any]]:
    from azure.core.rest import HttpRequest

    from responder.azure import budgets

    url = (
        f"{to.endpoints.resource_manager.rstrip('/')}/subscriptions/{address.subscription_id}/resourceGroups/"
        f"{address.resource_group}/providers/Microsoft.DBforPostgreSQL/{_TYPES[address.family]}/{address.name}/"
        f"{collection}?api-version={_API[address.family]}"
    )
    place, rows = f"{address.name}/{collection}", []
    for _ in range(_MOST_PAGES):
        with budgets.unhurried(), meanings.translated(place):
            answer = await (await to.plain()).send_request(HttpRequest("GET", url))
            answer.raise_for_status()
            page = json.loads(answer.text())
        if not isinstance(page, dict) or not isinstance(page.get("value"), list):
            raise _unexpected(place)
        rows += [row for row in page["value"] if isinstance(row, Mapping)]
        url = str(page.get("nextLink") or "")
        if not url:
            return rows
        if urlsplit(url).hostname != to.endpoints.host:  # our token goes to no other host
            raise _unexpected(place)
    raise _unexpected(place)


def _unexpected(place: str) -> errors.AzureError:
    text = "A list of Azure's is none, leads to another host, or does not end."
    return errors.AzureError("UnexpectedPage", text, status=None, retryable=False, place=place)
