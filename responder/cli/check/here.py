"""The part of the check that needs no network but the store's: settings, secrets, playbooks, store. Writes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pydantic

from responder import playbook_files, settings, steps
from responder.core import checks, decisions, errors
from responder.flow import allowed
from responder.store import stores

_SPACE = 1 << 30
"""Bytes on the store's volume: a long outage of a thousand servers writes some hundred megabytes."""


def settings_read(config: settings.Settings, path: Path) -> list[checks.Finding]:
    """They were read; what they leave out that nobody wants to miss."""
    found = [checks.fine("settings", f"{path} can be used; mode is {config.mode}.")]
    if config.web.token is None and not config.web.tokens:
        text = "The API has no token: with the daemon up, nobody can start, approve or stop anything."
        found.append(checks.doubt("web.token", text, "Set web.token."))
    if not config.event_hubs and not _called(config.web):
        text = "Nothing is pushed to us: there is no hub, and only this machine may call the webhooks."
        found.append(
            checks.doubt("event_hubs", text, "Polling Resource Health remains. Add a hub or a webhook secret.")
        )
    if all(channel.kind == "log" for channel in config.channels):
        text = "Announcements go to the log alone."
        found.append(checks.doubt("channels", text, "Add a channel that somebody on call reads."))
    return found


def _called(web: settings.Web) -> bool:
    """Whether anybody but this machine itself may call a webhook."""
    ways = (web.webhook_secret, web.azure_monitor.secret, web.azure_monitor.entra)
    return any(way is not None for way in (*ways, web.event_grid.secret, web.event_grid.entra))


def secrets(config: settings.Settings) -> list[checks.Finding]:
    """Whether each secret that the settings name is there."""
    found, read = [], 0
    for place, secret in _named_in(config, ""):
        if (hidden := _hidden(secret)) is not None:
            found.append(checks.doubt(place, hidden, "It is seen when the service starts; a missing one stops it."))
            continue
        try:
            secret.reveal()
            read += 1
        except errors.InputError as error:
            where = f"{error.place}: " if error.place else ""
            found.append(checks.failed(place, where + error.message, error.remedy))
    return found + ([checks.fine("secrets", f"{read} can be read.")] if read else [])


def _hidden(secret: settings.Secret) -> str | None:
    """Why it cannot be looked at from here, though it may be there; None: it can."""
    if secret.credential is not None and not os.environ.get("CREDENTIALS_DIRECTORY"):
        return f"Only the service itself can read credential {secret.credential}."
    if secret.file is not None and secret.file.is_relative_to("/run/credentials") and not secret.file.exists():
        return f"{secret.file} is there only while the service runs."
    return None


def _named_in(part: object, place: str) -> Iterator[tuple[str, settings.Secret]]:
    """Every secret below, with its place in the settings."""
    if isinstance(part, settings.Secret):
        yield place, part
    elif isinstance(part, pydantic.BaseModel):
        for name in type(part).model_fields:
            yield from _named_in(getattr(part, name), f"{place}.{name}".lstrip("."))
    elif isinstance(part, dict):
        for name, value in part.items():
            yield from _named_in(value, f"{place}.{name}")
    elif isinstance(part, tuple):
        for number, value in enumerate(part):
            yield from _named_in(value, f"{place}.{number}")


def playbooks(config: settings.Settings) -> list[checks.Finding]:
    """Whether every playbook can be used here."""
    registry = steps.discovered(settings.switched_off(config))
    try:
        speech = allowed.language(config, registry)
        library = playbook_files.library(config.playbooks, speech)
        playbook_files.insist(library, decisions.NEEDED, decisions.STARTED)
    except errors.InputError as error:
        return [checks.failed("playbooks", f"{error.place}: {error.message}".lstrip(": "), error.remedy)]
    lost = [checks.doubt("playbooks", f"{name} cannot be used: {why}", "") for name, why in library.unusable.items()]
    return [*lost, checks.fine("playbooks", f"{len(library.found)} can be used.")]


async def store(config: settings.Store) -> list[checks.Finding]:
    """Whether it can be read, and by all one can see written. Opens it for reading."""
    found = [] if config.url is not None else _volume(config.path)
    try:
        opened = await stores.open_store(config, exclusive=False)
        place = opened.database.place
        await opened.close()
        found.append(checks.fine("store", f"{place} can be read, and is of this version."))
    except errors.StoreError as error:
        if error.error_id == "store.missing":
            found.append(checks.fine("store", "There is none yet: the daemon makes it when it starts."))
        elif error.error_id == "store.older":
            found.append(checks.fine("store", f"{error.message} The daemon brings it up to date when it starts."))
        else:
            found.append(checks.failed("store", f"{error.place}: {error.message}", error.remedy))
    except errors.InputError as error:
        found.append(checks.failed("store", error.message, error.remedy))
    return found


def _volume(path: Path) -> list[checks.Finding]:
    folder = path.absolute().parent
    if not folder.is_dir():
        text = f"{folder} is no directory."
        return [
            checks.failed("store.path", text, "Make it, owned by the service's user: StateDirectory= of the unit does.")
        ]
    places = [folder, *(p for p in (path, path.with_name(f"{path.name}-wal")) if p.exists())]
    barred = [str(p) for p in places if not os.access(p, os.W_OK)]
    if barred:
        remedy = "Give it to the service's user. The check has the rights of whoever calls it: call it as that user."
        return [checks.failed("store.path", f"{checks.named(barred)} cannot be written to.", remedy)]
    free = shutil.disk_usage(folder).free
    if free < _SPACE:
        text = f"{folder} has {free >> 20} MB left."
        return [checks.doubt("store.path", text, "Make room: an outage writes much, and a full disk stops everything.")]
    return [checks.fine("store.path", f"{folder} can be written to and has {free >> 30} GB left.")]
