"""How commands reach the state: rows straight from the store; a word to a run through the daemon when one is up.

Reading never needs the daemon and never disturbs it. Writing needs the store's lock, or the one who holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from responder.core import errors

if TYPE_CHECKING:  # what takes long to load is loaded when it is used: `--help` must come at once
    from responder import settings
    from responder.store import stores

T = TypeVar("T")

with_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RESPONDER_CONFIG",
    required=True,
    show_envvar=True,  # in `--help`, and when it is missing
    help="The settings file.",
)
with_json = click.option("--json", "as_json", is_flag=True, help="One JSON value on stdout.")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run one command's coroutine."""
    return asyncio.run(coroutine)


def who() -> str:
    """The person at the keyboard, for the journal; behind sudo, the one who called it."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


@contextlib.asynccontextmanager
async def reading(config: settings.Settings) -> AsyncIterator[stores.Store]:
    """The store, read-only; works beside a running daemon."""
    from responder.store import stores

    store = await stores.open_store(config.store, exclusive=False)
    try:
        yield store
    finally:
        await store.close()


def read(config: settings.Settings, query: Callable[[stores.Store], Awaitable[T]]) -> T:
    """What one question to the store is answered, for a command that only shows it."""

    async def ask() -> T:
        async with reading(config) as store:
            return await query(store)

    return run(ask())


async def run_shown(config: settings.Settings, run_id: str) -> dict[str, Any]:
    """One run with its steps and whatever holds it.

    Raises:
        InputError: `run.unknown`, or `run.pruned` for one that was deleted by age.
    """
    from responder.core import runs
    from responder.flow import views

    async with reading(config) as store:
        run = await store.runs.get(runs.RunId(run_id))
        if run is None:
            pruned = await store.pruning.run(run_id)
            if pruned is not None:
                remedy = f"The audit still has it: `responder audit export --run {run_id}`."
                raise errors.InputError("run.pruned", pruned.sentence("run"), remedy=remedy)
            remedy = "See `responder runs list --all`."
            raise errors.InputError("run.unknown", f"There is no run {run_id!r}.", remedy=remedy)
        return await views.run(store, run)


async def ask_daemon(config: settings.Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post to the running daemon.

    Raises:
        InputError: it refused; the message is its own.
        RefusedError: it does not answer, or no token is configured.
    """
    if config.web.token is None:
        raise errors.RefusedError(
            "daemon.no-token",
            "The daemon is running, and its API has no token.",
            remedy="Set web.token in the settings, or stop the daemon first.",
        )
    status, document = await _post(_base(config.web) + path, config.web.token.reveal(), body)
    if status >= 400:
        raise errors.RefusedError(
            str(document.get("error", "daemon.refused")),
            str(document.get("message", "The daemon refused.")),
            remedy=str(document.get("remedy", "")),
            place=str(document.get("place", "")),
        )
    return document


async def _post(url: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The answer's status and its JSON object, whether it agrees or refuses."""
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session,
            session.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as answer,
        ):
            return answer.status, dict(await answer.json())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError) as error:
        raise errors.RefusedError(
            "daemon.silent",
            "The store is held by a running process that does not answer.",
            remedy="Is the daemon up, and web.host and web.port right? See its log.",
        ) from error


async def either(
    config: settings.Settings,
    alone: Callable[[], Coroutine[Any, Any, T]],
    together: Callable[[], Coroutine[Any, Any, T]],
) -> T:
    """Do it alone when the store is free, else together with whoever holds it."""
    from responder import logs

    logs.configure("error")  # alone we are the daemon for a moment; what it would log is said in words
    try:
        return await alone()
    except errors.StoreError as error:
        if error.error_id != "store.locked":
            raise
    return await together()


def _base(web: settings.Web) -> str:
    port = web.port
    if web.port_file is not None:
        with contextlib.suppress(OSError, ValueError):  # gone, or being written: the daemon is coming or going
            port = int(web.port_file.read_text(encoding="utf-8"))
    host = "127.0.0.1" if web.host in ("0.0.0.0", "::") else web.host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
