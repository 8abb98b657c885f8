"""Reading: arrivals become events, and events change outages. It decides nothing, and no arrival can stop it.

    arrivals --parse--> events --correlate--> outages        what cannot be read --> quarantine
                               --of one server--> statements (Resource Health)

What a parser of today cannot read stays in the quarantine beside its whole arrival. `again` gives such arrivals to the
parser of now: events that are recorded already are known by their identity and change nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

import structlog

from responder.core import chronicles, correlations, errors, events, outages, payloads, regions, servers, witness
from responder.flow import heard, views
from responder.store import apart, sqlite
from responder.store import intake as rows

_log = structlog.get_logger(__name__)

_BATCH = 200

_EXCERPT = 2_000
"""Bytes of an arrival that goes into the quarantine whole; it is kept whole, too."""

_SMALL = 16 * 1024
"""Bytes that are read on the spot; above that, a thread costs less than the wait of everybody else."""

_PLAIN = (b"{", b"[", b'"')
"""How what is not packed begins. Packed, it is small, and perhaps large inside."""

_STORIES = 20
"""Stories that are kept in memory: those that were told last."""

Changed = dict[outages.OutageId, outages.Outage]
Told = dict[str, chronicles.Chronicle]


class Shelf:
    """The stories of tracking ids, as recorded. Of one that is kept, only what is new is read."""

    def __init__(self, store: sqlite.Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, tuple[int, chronicles.Chronicle]] = OrderedDict()

    async def story(self, tracking_id: str) -> chronicles.Chronicle:
        """Everything that was recorded of it."""
        last, story = self._kept.pop(tracking_id, (0, chronicles.Chronicle()))
        while news := await self._store.intake.of_tracking(tracking_id, after=last, limit=_BATCH):
            story, last = story.told(news.values()), max(news)
            if len(news) < _BATCH:
                break
        self._kept[tracking_id] = last, story
        if len(self._kept) > _STORIES:
            self._kept.popitem(last=False)
        return story


class Reading:
    """Reads what has arrived, oldest first."""

    def __init__(self, store: sqlite.Store) -> None:
        self._store = store
        self._shelf = Shelf(store)

    async def turn(self) -> int:
        """Read everything that is pending; how many arrivals that were.

        Raises `StoreError` only: what an arrival holds is never a reason to stop.
        """
        read = 0
        while arrivals := await self._store.intake.pending(_BATCH):
            for received in arrivals:
                await self._record(received)
            read += len(arrivals)
        return read

    async def _record(self, received: rows.Received) -> None:
        try:
            await self._keep(received, *await self._read(received))
        except Exception as error:  # a defect of ours; the next start would only meet the same arrival again
            _raise_unless_about_a_row(error)
            _log.exception("event.defect", source=received.source)
            await self._keep(received, [], [_defect(error, "", received.body)], {})

    async def _read(
        self, received: rows.Received
    ) -> tuple[list[events.HealthEvent], list[payloads.Unreadable], Changed]:
        """New events, what could not be read, and the outages as they stand after them."""
        parsed = await _parsed(received.body)
        known = await self._store.intake.known([event.key for event in parsed.events])
        fresh: list[events.HealthEvent] = []
        spoiled = list(parsed.unreadable)
        changed: Changed = {}
        told: Told = {}
        for event in parsed.events:
            if event.key in known:
                continue
            try:
                changed |= await self._folded(chronicles.Heard(event, received.received_at), told, changed)
            except Exception as error:  # its neighbours in the same arrival are heard all the same
                _raise_unless_about_a_row(error)
                _log.exception("event.defect", source=received.source)
                spoiled.append(_defect(error, event.key, received.body))
                continue
            fresh.append(event)
        return fresh, spoiled, changed

    async def _keep(
        self,
        received: rows.Received,
        fresh: list[events.HealthEvent],
        spoiled: list[payloads.Unreadable],
        changed: Changed,
    ) -> None:
        await self._store.intake.record(
            received.id,
            events=fresh,
            unreadable=[(item.reason, str(item.position), item.raw) for item in spoiled],
            outages=list(changed.values()),
            statements=await self._said_of_servers(fresh, received.received_at),
        )
        for item in spoiled:
            _log.warning("event.unreadable", source=received.source, reason=item.reason, position=item.position)

    async def _folded(self, heard: chronicles.Heard, told: Told, changed: Changed) -> Changed:
        """Every outage that one new event changes, as it stands after it.

        Args:
            told: the stories as they are after what was read of the same arrival; that of this event is put in.
            changed: the outages as they stand after it.
        """
        event = heard.event
        _log.info("event.heard", channel=event.channel, kind=event.kind, status=event.status, title=event.title)
        if event.tracking_id is None or not correlations.speaks(event):
            return {}
        tracking_id = event.tracking_id.upper()
        known = await self._known(tracking_id, changed)
        story = told[tracking_id] if tracking_id in told else await self._shelf.story(tracking_id)
        story, after_all = chronicles.continued(story, heard, known)
        unknown = {after.id for region, after in after_all.items() if region not in known}
        gone = await self._store.pruning.gone(unknown) if unknown else set()
        after_it: Changed = {}
        for region, after in after_all.items():
            if after.id in gone:
                _log.info("outage.deleted-by-age", **after.log_context())
                continue
            after_it[after.id] = after
            happened = after.status.value if not after.active else ("changed" if region in known else "opened")
            _log.info(f"outage.{happened}", **after.log_context(), impact_start=after.impact_start.isoformat())
        told[tracking_id] = story
        return after_it

    async def _known(self, tracking_id: str, changed: Changed) -> dict[regions.RegionName, outages.Outage]:
        """The outages of a tracking id by region, as they stand after what was read before."""
        known = {outage.region: outage for outage in await self._store.outages.of_tracking(tracking_id)}
        same = [outage for outage in changed.values() if outage.tracking_id == tracking_id.upper()]
        return known | {outage.region: outage for outage in same}

    async def _said_of_servers(
        self, fresh: Sequence[events.HealthEvent], heard_at: datetime
    ) -> dict[servers.ServerId, witness.Statement]:
        """What Resource Health says of single servers after these events."""
        about = {servers.server_id(event.resource_id) for event in fresh if event.resource_id}
        known = await self._store.estate.statements(about) if about else {}
        new: dict[servers.ServerId, witness.Statement] = {}
        for event in fresh:
            id_ = servers.server_id(event.resource_id or "")
            found = witness.heard(new.get(id_) or known.get(id_), event, heard_at)
            if found is not None:
                new[found[0]] = found[1]
                _log.info("server.reported", server=found[0], state=found[1].state, cause=found[1].cause)
        return new


async def _parsed(body: bytes) -> payloads.Parsed:
    """What a body holds. A large one is read in a thread, so that signs of life and answers are not held up by it."""
    small = len(body) <= _SMALL and body.startswith(_PLAIN)
    return payloads.parse(body) if small else await asyncio.to_thread(payloads.parse, body)


async def again(store: sqlite.Store, ids: Sequence[str]) -> views.Json:
    """Mark the arrivals of these pieces of the quarantine as unread; none named: of all. Whoever reads does the rest.

    Returns:
        `{"arrivals": how many that are, "quarantined_before": pieces in the quarantine}`.

    Raises:
        InputError: a piece is not there.
    """
    before = (await store.intake.counts())["quarantined"]
    marked = await store.intake.reparse(await heard.pieces(store, ids) if ids else None)
    _log.info("quarantine.read-again", arrivals=marked, pieces=before)
    return {"arrivals": marked, "quarantined_before": before}


def _raise_unless_about_a_row(error: Exception) -> None:
    """A store that fails is no fault of the arrival; a row that cannot be read concerns this arrival and no other."""
    if isinstance(error, errors.ResponderError) and error.error_id != apart.UNREADABLE:
        raise error


def _defect(error: Exception, position: str, body: bytes) -> payloads.Unreadable:
    return payloads.Unreadable(f"{payloads.UNEXPECTED} {type(error).__name__}", position, body[:_EXCERPT])
