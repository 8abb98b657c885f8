"""Everything the daemon, and a run by hand, is made of: the hands, and what decides, hears and looks beside them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields

from responder import playbook_files, settings, steps
from responder.azure import blob_checkpoints, clients, event_hub
from responder.core import decisions, playbooks
from responder.flow import allowed, auditing, known_estate, shelf
from responder.service import hands as service_hands
from responder.store import stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts(service_hands.Hands):
    """Everything the daemon, and a run by hand, is made of."""

    estate: known_estate.KnownEstate
    """All servers, in memory; one for all stages."""
    shelf: shelf.Shelf
    """Every playbook by name; loaded anew when somebody asks for it."""
    shared_checkpoints: tuple[blob_checkpoints.BlobCheckpoints | None, ...] = ()
    """One for each hub of the settings; None: its checkpoints are in our own store."""

    @property
    def playbooks(self) -> Mapping[str, playbooks.Playbook]:
        """Every playbook by name, as last loaded."""
        return self.shelf


@contextlib.asynccontextmanager
async def assembled(config: settings.Settings, role: stores.Role = stores.Role.HAND) -> AsyncIterator[Parts]:
    """Build the parts, holding the store's lock or a place among its instances; let go of them in reverse order."""
    async with service_hands.ready(config, role) as hands, contextlib.AsyncExitStack() as stack:
        yield await completed(hands, stack)


async def completed(hands: service_hands.Hands, stack: contextlib.AsyncExitStack) -> Parts:
    """All parts around these hands, until the stack is left; the clients are open then."""
    config, store = hands.config, hands.store
    # Somebody's mistake in one of them, saved by day and refused then, must not keep us from starting in the night.
    first = await asyncio.to_thread(_library, config, hands.registry, spare=True)
    books = _shelf(config, hands.registry, store, first)
    await hands.clients.open()
    await store.audit.put_news(auditing.about_playbooks(books.values()))
    return Parts(
        **{field.name: getattr(hands, field.name) for field in fields(hands)},
        estate=known_estate.KnownEstate(store, config.tolerance()),
        shelf=books,
        shared_checkpoints=tuple(_shared(hub, hands.clients, stack) for hub in config.event_hubs),
    )


def _library(
    config: settings.Settings, registry: steps.Registry, *, spare: bool = False
) -> playbook_files.Library:  # fmt: skip
    """All playbooks, those that the daemon starts by itself among them."""
    found = playbook_files.library(config.playbooks, allowed.language(config, registry), spare=spare)
    playbook_files.insist(found, decisions.NEEDED, decisions.STARTED)
    return found


def _shelf(
    config: settings.Settings, registry: steps.Registry, store: stores.Store, first: playbook_files.Library
) -> shelf.Shelf:
    async def record(books: Sequence[playbooks.Playbook]) -> None:
        await store.audit.put_news(auditing.about_playbooks(books))

    return shelf.Shelf(functools.partial(_library, config, registry), config.playbooks, record, first)


def _shared(
    hub: settings.EventHub, cloud: clients.Clients, stack: contextlib.AsyncExitStack
) -> blob_checkpoints.BlobCheckpoints | None:
    """The checkpoints that a hub's readers share, until the stack is left."""
    found = hub.checkpoints
    if found is None:
        return None
    place = blob_checkpoints.Place(
        container=found.container,
        account_url=found.account_url or "",
        connection_string=found.connection_string.reveal() if found.connection_string else None,
        credential=cloud.credential,
    )
    opened = blob_checkpoints.open_checkpoints(place, event_hub.Timing().store)
    stack.push_async_callback(opened.close)
    return opened
