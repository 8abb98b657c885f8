"""The part of the check that knocks: at every server, at some with the login, at the channels. It leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from responder import service, settings
from responder.core import answers, checks, errors, servers, tolerances

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 100
_LOGINS = 50
"""Servers that are logged in to; with more of them, every so many-th."""
_PATIENCE = 10.0  # seconds
_NOT_IN = frozenset({"password", "refused", "no-database", "no-tls", "certificate", "other"})
"""Outcomes of a probe with a login that are for us to put right."""


async def servers_answer(
    config: settings.Settings,
    estate: Sequence[servers.Server],
    told: Mapping[servers.ServerId, tolerances.Tolerance],
) -> list[checks.Finding]:
    """Does every server answer a probe from here, and do the logins work?"""
    databases = _databases(config)
    there = [server for server in estate if server.fqdn]
    probes = await each(there, lambda server: databases.probe(server.fqdn))
    answering = [server for server, probe in zip(there, probes, strict=True) if probe.answered]
    found = [_reached(there, answering)] if there else []
    if config.probes.logins:
        found += await _deeper(databases, answering)
    if databases.login is not None:
        found += await _measured(databases, [server for server in answering if told[server.id].declared])
    elif config.postgres.password is None:
        text = "No login is given: the loss of a copy is never measured, and counts as decision.loss_bound."
        found.append(checks.doubt("postgres", text, "Set postgres.user and postgres.password."))
    return found


def _databases(config: settings.Settings) -> service.Databases:
    try:
        return service.Databases(config.postgres, config.probes)
    except errors.InputError:  # a secret or a file that is not there: told among the secrets, and by the daemon
        unnamed = config.postgres.model_copy(update={"password": None})
        return service.Databases(unnamed, settings.Probes().model_copy(update={"timeout": config.probes.timeout}))


def _reached(there: Sequence[servers.Server], answering: Sequence[servers.Server]) -> checks.Finding:
    names = {server.name for server in there} - {server.name for server in answering}
    if not names:
        return checks.fine("probes", f"All {len(there)} servers answer from here.")
    text = f"{len(there) - len(answering)} of {len(there)} servers do not answer from here: {checks.named(names)}."
    remedy = "Open firewall and network, or start them: one that never answered is cut over only with a human's yes."
    return (checks.doubt if answering else checks.failed)("probes", text, remedy)


async def _deeper(databases: service.Databases, answering: Sequence[servers.Server]) -> list[checks.Finding]:
    """Do the logins of probes get through? What is said of the server itself is for the daemon to watch."""
    some = _sample(answering)
    looks = await each(some, databases.visit)
    shut: dict[str, list[str]] = {}
    for server, look in zip(some, looks, strict=True):
        if look.said in _NOT_IN:
            shut.setdefault(look.said, []).append(server.name)
    return [
        checks.doubt(
            "probes.logins", f"{checks.named(names)}: {answers.ANSWERS[said].text}", "Correct it there, or here."
        )
        for said, names in sorted(shut.items())
    ]


async def _measured(databases: service.Databases, declared: Sequence[servers.Server]) -> list[checks.Finding]:
    """Does the login that verifies copies work, and does it find the newest row?"""
    some = _sample(declared)
    looks = await each(some, lambda server: databases.look(server.fqdn))
    shut = {server.name: look.why for server, look in zip(some, looks, strict=True) if not look.sql}
    blind = {s.name: look.why for s, look in zip(some, looks, strict=True) if look.sql and not look.newest_row}
    found = []
    if shut:
        text = f"The login does not work at {checks.named(shut)}: {next(iter(shut.values()))}"
        found.append(checks.failed("postgres", text, "Make the login there; it comes along with the backup."))
    if blind:
        text = f"The newest row is not known at {checks.named(blind)}: {next(iter(blind.values()))}"
        remedy = "Its loss counts as the bound. Keep a heartbeat row there."
        found.append(checks.doubt("postgres.newest_row", text, remedy))
    if some and not found:
        found.append(checks.fine("postgres", f"The login works and finds the newest row at {len(some)} servers."))
    return found


def _sample(many: Sequence[servers.Server]) -> Sequence[servers.Server]:
    return many[:: max(1, -(-len(many) // _LOGINS))]


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
