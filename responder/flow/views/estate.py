"""The estate as JSON: what each owner declared, and what probes and Resource Health last said."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from responder.core import (
    evidence,
    restores,
    servers,
    successions,
    tolerances,
    witness,
)
from responder.flow import facts, pauses
from responder.flow.views.plain import Json, seconds, time
from responder.store import sqlite


def of_server(
    server: servers.Server,
    tolerance: tolerances.Tolerance,
    health: evidence.Health | None,
    said: witness.Statement | None = None,
    superseded: successions.Succession | None = None,
) -> Json:
    """A server of the estate: what its owner declared, what our probes last saw, what Resource Health last said."""
    return {
        "id": server.id,
        "name": server.name,
        "family": server.family.value,
        "subscription": server.subscription_id,
        "resource_group": server.resource_group,
        "region": server.region,
        "tier": server.tier,
        "sku": server.sku,
        "version": server.version,
        "storage_gb": server.storage_gb,
        "geo_backup": server.geo_backup,
        "fqdn": server.fqdn,
        "seen_at": time(server.seen_at),
        "copy_of": server.tags.get(restores.SOURCE_TAG),
        "tolerance": _tolerance(tolerance),
        "probe": _probe(health),
        "resource_health": of_statement(said),
        "superseded": of_succession(superseded) if superseded is not None else None,
    }


def of_succession(found: successions.Succession) -> Json:
    """What took a server's place."""
    told = found.sentence()
    return {"by": found.by, "name": found.by_name, "since": time(found.since), "run": found.run, "sentence": told}


def _probe(health: evidence.Health | None) -> Json | None:
    """The newest look, and the depths that were ever reached from here."""
    last = health.last if health else None
    if health is None or last is None:
        return None
    return {
        "at": time(last.at),
        "answered": last.answered,
        "detail": last.detail,
        "said": last.said,
        "reached_at": {
            "door": time(health.last_answer_at),
            "tls": time(health.tls_at),
            "server": time(health.spoke_at),
        },
    }


def _tolerance(tolerance: tolerances.Tolerance) -> Json:
    return {
        "declared": tolerance.declared,
        "rto_s": seconds(tolerance.rto),
        "rpo_s": seconds(tolerance.rpo),
        "cutover": tolerance.cutover.value,
        "priority": tolerance.priority,
        "hedge": tolerance.hedge.value,
        "dns": f"{tolerance.dns.zone}/{tolerance.dns.name}" if tolerance.dns else None,
        "owner": tolerance.owner,
        "problems": list(tolerance.problems),
        "remarks": list(tolerance.remarks),
    }


def of_statement(said: witness.Statement | None) -> Json | None:
    """What Resource Health last said of one server, or null."""
    if said is None:
        return None
    return {"state": said.state.value, "cause": said.cause.value, "at": time(said.at), "title": said.title}


async def inventory(store: sqlite.Store, defaults: tolerances.Tolerance, zones: Collection[str] | None = None) -> Json:
    """The whole estate.

    Args:
        zones: the DNS zones that are configured; a tag that names another is remarked upon, while there is time. None:
            not looked at.
    """
    looks, said = await store.estate.looks(), await store.estate.statements()
    rows, rest, succeeded = [], pauses.Pauses(), await store.successions.standing()
    for server in await store.estate.servers():
        await rest.breathe()
        tolerance = tolerances.read(server.tags, defaults=defaults)
        if tolerance.dns is not None and zones is not None and tolerance.dns.zone not in zones:
            text = f"tag outage-dns: the zone {tolerance.dns.zone} is not configured, so no cut-over can switch it."
            remark = f"{text} Add dns_zones.{tolerance.dns.zone} to the settings."
            tolerance = replace(tolerance, remarks=(*tolerance.remarks, remark))
        health, instead = facts.own_look(looks.get(server.id, {})), succeeded.get(server.id)
        rows.append(of_server(server, tolerance, health, said.get(server.id), instead))
    return {"servers": sorted(rows, key=lambda row: (row["region"], row["name"]))}
