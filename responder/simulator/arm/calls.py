"""The vocabulary of the Resource Manager endpoint: a call, its reply, an error, a route.

Knows neither aiohttp nor any resource type. Handlers take a `Call` and return a `Reply` or raise `Refused`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from responder.simulator import world as worlds

if TYPE_CHECKING:
    from responder.simulator.arm import limits, operations

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A status, a JSON value (None: no body) and headers."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An answer with an error body: `{"error": {"code", "message"}}`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: Sequence[Body] = (),
        fault: str = "",
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.fault = fault
        error: dict[str, object] = {"code": code, "message": message}
        if details:
            error["details"] = list(details)
        self.reply = Reply(status=status, body={"error": error}, headers=headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, matched to a route."""

    world: worlds.World
    operations: operations.Operations
    limits: limits.Limits
    method: str
    path: str
    base: str
    """Scheme and host the caller used: what absolute URLs in the answer start with."""
    params: Mapping[str, str]
    """The variable parts of the path."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body
    """The JSON object sent; empty when there was none."""
    principal: str
    kind: str
    """`flexible`, `single` or empty: the family of servers the route is about."""

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")

    def properties(self) -> Body:
        """`properties` of the body, or an empty object."""
        return child(self.body, "properties")


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and a path template; `{name}` stands for one segment. Matching ignores case, as ARM does."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    kind: str = ""


SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{group}"


def route(method: str, template: str, handler: Handler, *, kind: str = "") -> Route:
    """A route from a template such as `/subscriptions/{subscription}/locations`."""
    expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
    return Route(method=method, pattern=re.compile(f"{expression}/?", re.IGNORECASE), handler=handler, kind=kind)


def child(body: Body, name: str) -> Body:
    """A member that is an object; empty when it is missing, null or something else."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def text(body: Body, name: str, default: str = "") -> str:
    """A member as text; the default when it is missing or null."""
    value = body.get(name)
    return default if value is None else str(value)


def page(call: Call, items: Sequence[object]) -> Reply:
    """One page of a list with `nextLink` to the next. The link is opaque to clients."""
    size = call.world.estate.limits.page_size
    start = offset_of(call.query.get("$skipToken", ""))
    body: dict[str, object] = {"value": list(items[start : start + size])}
    if start + size < len(items):
        query = {k: v for k, v in call.query.items() if k != "$skipToken"}
        query["$skipToken"] = token_of(start + size)
        body["nextLink"] = f"{call.base}{call.path}?{urlencode(query)}"
    return Reply(body=body)


def token_of(offset: int) -> str:
    """An opaque continuation token."""
    return base64.urlsafe_b64encode(json.dumps({"RowsToSkip": offset}).encode()).decode()


def offset_of(token: str) -> int:
    """Where a continuation token continues. Raises `Refused` for one that is not ours."""
    if not token:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(token))["RowsToSkip"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(400, "InvalidSkipToken", "The skip token is not one this service gave out.") from error


def milliseconds(moment: datetime) -> str:
    """`2026-04-16T12:47:24.807Z`: times of operations."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def ticks(moment: datetime, zone: str = "Z") -> str:
    """`2026-04-16T12:13:27.7395165Z`: seven digits, as the service writes times of resources."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0" + zone
