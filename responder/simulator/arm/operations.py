"""Long-running operations: 202 with two signed URLs, then polls until it ended.

An operation is a task that waits as long as the cloud would take, waits on while its region is down, and then does the
work. Follows recorded traffic: the poll answers 200 also for a failed operation, with neither endTime nor properties.
"""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode
from uuid import uuid4

import structlog

from responder.core import regions
from responder.simulator import faults, resources
from responder.simulator import world as worlds
from responder.simulator.arm import calls

_log = structlog.get_logger(__name__)

_SIGNED_BYTES = 2400
"""Live operation URLs are about 3.4 kB, most of it a certificate. Clients have to live with that."""


async def nothing() -> None:
    """Work that leaves no trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an operation does to a server."""

    name: str
    """As the service calls it: `RestoreSnapshotManagementOperation`."""
    server: resources.Server
    location: str
    """The region as the URL spells it; a delete uses the display name."""
    lasts: timedelta
    finish: Callable[[], Awaitable[None]] = nothing
    """Carried out at the end. Raises `Failed`, `NoBackup`."""
    abandon: Callable[[], None] = lambda: None
    """Puts things back when it failed."""


def changing(
    call: calls.Call,
    server: resources.Server,
    name: str,
    finish: Callable[[], Awaitable[None]],
    *,
    state: str = "Updating",
) -> Work:
    """Work on a server that is in `state` meanwhile, and Ready again whatever comes of it."""

    def ready() -> None:
        server.state = "Ready"

    async def finish_ready() -> None:
        await finish()
        ready()

    server.state = state
    return Work(
        name=name,
        server=server,
        location=server.region,
        lasts=call.world.estate.timing.update,
        finish=finish_ready,
        abandon=ready,
    )


class Failed(Exception):
    """The operation ends as Failed with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True, kw_only=True)
class Operation:
    """One operation, from the 202 to long after its end."""

    id: str
    work: Work
    started: datetime
    status: str = "InProgress"
    error: faults.Refusal | None = None
    signature: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    certificate: str = field(
        default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(_SIGNED_BYTES)).decode()
    )


class Operations:
    """All operations of a world. `close()` ends those under way."""

    def __init__(self, world: worlds.World) -> None:
        self._world = world
        self._operations: dict[str, Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, call: calls.Call, work: Work) -> calls.Reply:
        """Start it and return the 202. The caller has checked that the server is not busy."""
        operation = Operation(id=str(uuid4()), work=work, started=self._world.now())
        self._operations[operation.id] = operation
        work.server.operation = operation.id
        failure = self._world.faults.take_failure(work.server.name)
        lasts = work.lasts + self._world.faults.delay_of(work.server.name)
        task = asyncio.create_task(self._run(operation, lasts, failure), name=f"{work.name} {work.server.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return calls.Reply(
            status=202,
            body={"operation": work.name, "startTime": calls.milliseconds(operation.started)},
            headers={**self._links(call, operation), **self._retry_after()},
        )

    async def close(self) -> None:
        """Cancel what is under way. Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def poll(self, call: calls.Call) -> calls.Reply:
        """GET azureAsyncOperation: always 200 while the operation is known."""
        operation = self._find(call)
        body: dict[str, object] = {
            "name": operation.id,
            "status": operation.status,
            "startTime": calls.milliseconds(operation.started),
        }
        if operation.error is not None:
            body["error"] = {"code": operation.error.code, "message": operation.error.message}
        return calls.Reply(body=body, headers=self._retry_after() if operation.status == "InProgress" else {})

    async def result(self, call: calls.Call) -> calls.Reply:
        """GET operationResults: 202 until done, then 204, or the error."""
        operation = self._find(call)
        if operation.status == "InProgress":
            return calls.Reply(status=202, headers={**self._links(call, operation), **self._retry_after()})
        if operation.error is not None:
            raise calls.Refused(409, operation.error.code, operation.error.message)
        return calls.Reply(status=204)

    async def _run(self, operation: Operation, lasts: timedelta, failure: faults.Refusal | None) -> None:
        work = operation.work
        await asyncio.sleep(lasts.total_seconds())
        await self._world.region_answers(work.location)
        try:
            if failure is not None:
                raise Failed(failure.code, failure.message)
            await work.finish()
        except Failed as failed:
            self._fail(operation, failed.code, failed.message)
        except worlds.NoBackup:
            self._fail(operation, "InternalServerError", f"There is no backup to restore '{work.server.name}' from.")
        except Exception:
            _log.exception("operation.broke", operation=work.name, server=work.server.name)
            self._fail(
                operation,
                "InternalServerError",
                f"An unexpected error occured while processing the request. Tracking ID: '{operation.id}'",
            )
        else:
            operation.status = "Succeeded"
        finally:
            work.server.operation = None

    def _fail(self, operation: Operation, code: str, message: str) -> None:
        operation.work.abandon()
        operation.error = faults.Refusal(code=code, message=message)
        operation.status = "Failed"

    def _find(self, call: calls.Call) -> Operation:
        operation = self._operations.get(call.params["operation"])
        same = operation is not None and regions.normalise(call.params["location"]) == regions.normalise(
            operation.work.location
        )
        # The URL is signed: a client that rebuilds it, rather than following it, is told so as it would be in life.
        if operation is None or not same or call.query.get("s") != operation.signature:
            raise calls.Refused(
                404,
                "ResourceNotFound",
                f"The requested resource of type 'azureAsyncOperation' with name '{call.params['operation']}' "
                "was not found.",
            )
        return operation

    def _links(self, call: calls.Call, operation: Operation) -> dict[str, str]:
        subscription = operation.work.server.subscription
        place = f"{call.base}/subscriptions/{subscription}/providers/{resources.PROVIDER}/locations"
        place += f"/{quote(operation.work.location)}"
        query = urlencode(
            {
                "api-version": call.api_version,
                "t": str(int(operation.started.timestamp() * 1e7) + 621355968000000000),
                "c": operation.certificate,
                "s": operation.signature,
                "h": operation.id.replace("-", ""),
            }
        )
        return {
            "Azure-AsyncOperation": f"{place}/azureAsyncOperation/{operation.id}?{query}",
            "Location": f"{place}/operationResults/{operation.id}?{query}",
        }

    def _retry_after(self) -> dict[str, str]:
        seconds = math.ceil(self._world.estate.timing.retry_after.total_seconds())
        return {"Retry-After": str(seconds)} if seconds else {}


def _poll(call: calls.Call) -> Awaitable[calls.Reply]:
    return call.operations.poll(call)


def _result(call: calls.Call) -> Awaitable[calls.Reply]:
    return call.operations.result(call)


_LOCATION = f"{calls.SUBSCRIPTION}/providers/{resources.PROVIDER}/locations/{{location}}"

ROUTES = (
    calls.route("GET", f"{_LOCATION}/azureAsyncOperation/{{operation}}", _poll),
    calls.route("GET", f"{_LOCATION}/operationResults/{{operation}}", _result),
)
