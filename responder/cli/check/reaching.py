"""The part of the check that knocks: at every server, at some with the login, at the channels. It leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from responder import service, settings
from responder.core import checks, errors, servers, tolerances

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 100
_LOGINS = 50
"""Servers that are logged in to; with more declared ones, every so many-th."""
_PATIENCE = 10.0  # seconds


async def servers_answer(
    config: settings.Settings,
    estate: Sequence[servers.Server],
    told: Mapping[servers.ServerId, tolerances.Tolerance],
) -> list[checks.Finding]:
    """Does every server answer a probe from here, and does the login work?"""
    try:
        databases = service.Databases(config.postgres, config.probes)
    except errors.InputError:  # told among the secrets
        unnamed = config.postgres.model_copy(update={"password": None})
        databases = service.Databases(unnamed, config.probes)
    there = [server for server in estate if server.fqdn]
    probes = await each(there, lambda server: databases.probe(server.fqdn))
    silent = [server.name for server, probe in zip(there, probes, strict=True) if not probe.answered]
    found = [checks.fine("probes", f"{len(there) - len(silent)} of {len(there)} servers answer from here.")]
    if silent:
        text = f"{len(silent)} of {len(there)} servers do not answer from here: {checks.named(silent)}."
        remedy = (
            "Open firewall and network, or start them: one that never answered is cut over only with a human's yes."
        )
        made = checks.failed if len(silent) == len(there) else checks.doubt
        found = [made("probes", text, remedy)]
    if databases.login is None and config.postgres.password is not None:
        return found
    if databases.login is None:
        text = "No login is given: the loss of a copy is never measured, and counts as decision.loss_bound."
        return [*found, checks.doubt("postgres", text, "Set postgres.user and postgres.password.")]
    said = [s for s, p in zip(there, probes, strict=True) if p.answered and told[s.id].declared]
    some = said[:: max(1, -(-len(said) // _LOGINS))]
    looks = await each(some, lambda server: databases.look(server.fqdn))
    shut = {server.name: look.why for server, look in zip(some, looks, strict=True) if not look.sql}
    blind = {
        server.name: look.why for server, look in zip(some, looks, strict=True) if look.sql and not look.newest_row
    }
    if shut:
        text = f"The login does not work at {checks.named(shut)}: {next(iter(shut.values()))}"
        found.append(checks.failed("postgres", text, "Make the login there; it comes along with the backup."))
    if blind:
        text = f"The newest row is not known at {checks.named(blind)}: {next(iter(blind.values()))}"
        found.append(
            checks.doubt("postgres.newest_row", text, "Its loss counts as the bound. Keep a heartbeat row there.")
        )
    if some and not shut and not blind:
        found.append(checks.fine("postgres", f"The login works and finds the newest row at {len(some)} servers."))
    return found


async def channels_answer(config: settings.Settings) -> list[checks.Finding]:
    """Is there somebody at the address? Nothing is posted."""

    async def one(channel: settings.Channel) -> checks.Finding | None:
        if channel.url is None:
            return None
        try:
            parts = urlsplit(channel.url.reveal())
            port = parts.port or (443 if parts.scheme == "https" else 80)
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(
                    parts.hostname or "", port, ssl=True if parts.scheme == "https" else None
                )
            writer.transport.abort()
        except errors.InputError:
            return None  # told among the secrets
        except (OSError, TimeoutError, ValueError) as error:
            text = f"The address of announcements does not answer: {type(error).__name__}."  # it may hold a token
            return checks.failed("channels", text, "Correct the URL, or let this machine out to it.")
        return checks.fine("channels", "The address of announcements can be reached; nothing was posted.")

    return [finding for finding in await each(config.channels, one) if finding]


async def each(things: Sequence[T], ask: Callable[[T], Awaitable[R]]) -> list[R]:
    """One answer for each, in their order, so many at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(thing: T) -> R:
        async with gate:
            return await ask(thing)

    return await asyncio.gather(*(one(thing) for thing in things))
