"""The playbooks that new runs start from, and taking them from their files anew. Runs keep the snapshot they have.

Nothing that somebody saves takes effect by itself: it is loaded when it is asked for (SIGHUP, `responder playbooks
reload`), all files or none. With a mistake in one of them the last good set stays, and that is said in the log, by
`/readyz` and in the metrics, before anybody asks for it and as long as it lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from responder import clock, playbook_files
from responder.core import errors, playbooks

_log = structlog.get_logger(__name__)

_LOOK = timedelta(seconds=15)
"""Between looks whether the files are others than those that were loaded."""

Print = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the loaded playbooks and their files stand to each other."""

    loaded_at: datetime
    changed: bool = False
    """The files are others than when they were loaded."""
    problem: errors.InputError | None = None
    """Why the files as they are now cannot be loaded. None: they can."""


class Shelf(Mapping[str, playbooks.Playbook]):
    """Every playbook by name, as last loaded. One for all who start or plan runs."""

    def __init__(
        self,
        read: Callable[[], playbook_files.Library],
        overlay: Path | Sequence[Path] | None,
        record: Callable[[Sequence[playbooks.Playbook]], Awaitable[None]],
        first: playbook_files.Library,
    ) -> None:
        """
        Args:
            read: reads all files; raises InputError when one cannot be used.
            overlay: the users' folders.
            record: writes into the audit what was loaded.
            first: what `read` gave at the start.
        """
        self._read = read
        self._overlay = overlay
        self._record = record
        self._print = self._seen = _fingerprint(overlay)
        self.library = first
        self._books = self.library.playbooks
        self.state = State(loaded_at=clock.now())
        self._one_at_a_time = asyncio.Lock()

    def __getitem__(self, name: str) -> playbooks.Playbook:
        return self._books[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._books)

    def __len__(self) -> int:
        return len(self._books)

    async def reload(self, by: str) -> list[str]:
        """Load all files anew; the names of the playbooks that are others now, or gone.

        Raises:
            InputError: one cannot be used, with file, line, column and remedy. Those loaded before stay.
        """
        async with self._one_at_a_time:
            now = await asyncio.to_thread(_fingerprint, self._overlay)
            try:
                library = await asyncio.to_thread(self._read)
            except errors.InputError as error:
                self._seen, self.state = now, State(loaded_at=self.state.loaded_at, changed=True, problem=error)
                _log.error("playbooks.not-loaded", by=by, error=str(error), kept=self.state.loaded_at.isoformat())
                raise
            before, books = self._books, library.playbooks
            changed = sorted(name for name in {*before, *books} if before.get(name) != books.get(name))
            self.library, self._books, self._print, self._seen = library, books, now, now
            self.tell_unusable()
            self.state = State(loaded_at=clock.now())
            _log.info("playbooks.loaded", by=by, playbooks=len(books), changed=changed)
            await self._record(list(books.values()))
            return changed

    def tell_unusable(self) -> None:
        """Log what cannot be used of what is loaded."""
        for error in self.library.unusable.values():
            _log.error("playbook.unusable", error=str(error))

    async def run(self, asked: asyncio.Event) -> None:
        """Until cancelled: load when asked, and look now and then whether the files are others."""
        while True:
            try:
                async with asyncio.timeout(_LOOK.total_seconds()):
                    await asked.wait()
            except TimeoutError:
                await self.look()
                continue
            asked.clear()
            try:
                await self.reload("SIGHUP")
            except errors.InputError:
                continue  # it was said, and goes on being said

    async def look(self) -> None:
        """See whether the files are others than those that were loaded, and whether they could be. Loads nothing."""
        async with self._one_at_a_time:
            now = await asyncio.to_thread(_fingerprint, self._overlay)
            if now == self._seen:
                return
            self._seen = now
            if now == self._print:  # put back as it was
                self.state = State(loaded_at=self.state.loaded_at)
                return
            problem = None
            try:
                await asyncio.to_thread(self._read)
            except errors.InputError as error:
                problem = error
            self.state = State(loaded_at=self.state.loaded_at, changed=True, problem=problem)
            if problem is not None:
                _log.error("playbooks.would-not-load", error=str(problem), kept=self.state.loaded_at.isoformat())
            else:
                _log.warning("playbooks.changed", remedy="`responder playbooks reload`, or SIGHUP, makes them count.")


def _fingerprint(overlay: Path | Sequence[Path] | None) -> Print:
    """Which files there are, how old and how large. Empty: a folder is not there."""
    found = []
    try:
        for path, _ in playbook_files.files(overlay):
            stat = path.stat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
    except (errors.InputError, OSError):
        return ()
    return tuple(found)
