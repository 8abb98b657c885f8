"""A store in a file whose calls are done at once, on the caller's thread: a scenario makes thousands of them.

Half of what each of them cost was to go to the store's own thread and back. Other tasks still have their turn first.
Whether that thread does well is tested where the real daemon runs: by the contracts, the soak and `responder serve`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from responder.store import embedded, failures

T = TypeVar("T")


class Executor(futures.Executor):
    """Has done it when it answers."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Of so many threads none is needed."""

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> futures.Future[T]:
        done: futures.Future[T] = futures.Future()
        try:
            done.set_result(function(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


class Database(embedded.Database):
    """On the thread of the loop."""

    async def _call(self, function: Callable[[], T]) -> T:
        if self._closed:
            return await super()._call(function)  # says so
        await asyncio.sleep(0)
        with failures.mapped(self.path):
            return function()


REPLACED = ((embedded, "ThreadPoolExecutor", Executor), (embedded, "Database", Database))
"""Where, what, and by what."""
