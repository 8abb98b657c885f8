"""What goes wrong on purpose. Switches only: the parts that serve requests ask here and carry the fault out.

Patterns are shell patterns (`orders-*`) without regard to case. A fault with a count disarms itself.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from responder.core import regions

Kind = Literal["read", "write"]


@dataclass(slots=True, kw_only=True)
class Throttle:
    kind: Kind
    left: int
    retry_after: timedelta


@dataclass(slots=True, kw_only=True)
class Failure:
    """The next long-running operations on matching servers end as Failed with this error."""

    pattern: str
    code: str
    message: str
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    pattern: str
    by: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    code: str
    message: str


OFFER_RESTRICTED = Refusal(
    code="LocationIsOfferRestricted",
    message="Subscriptions are restricted from provisioning in this region. Please choose a different region. For "
    "exceptions to this rule please open a support request with the Issue type of "
    "'Service and subscription limits'.",
)
"""How a region refuses subscriptions that it is not open to."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """A canned answer in place of the real one. Nothing is carried out."""

    method: str
    pattern: str
    status: int
    body: object
    headers: Mapping[str, str]
    left: int


@dataclass(slots=True, kw_only=True)
class Drop:
    method: str
    pattern: str
    left: int


@dataclass(slots=True, kw_only=True)
class Faults:
    """Every fault that is armed now."""

    down_hangs: bool = False
    """A request to a region that is down is never answered; else it is answered 503."""
    down_wait: timedelta = timedelta(0)
    """How long the 503 of a region that is down takes."""
    throttles: list[Throttle] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    slownesses: list[Slowness] = field(default_factory=list)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)

    def throttle(self, kind: Kind, count: int = 1, retry_after: timedelta = timedelta(seconds=1)) -> None:
        """The next `count` requests of the kind answer 429. A delete is a write."""
        self.throttles.append(Throttle(kind=kind, left=count, retry_after=retry_after))

    def fail_operation(
        self,
        pattern: str,
        code: str = "InternalServerError",
        message: str = "An unexpected error occured while processing the request.",  # the service's spelling
        count: int = 1,
    ) -> None:
        """The next `count` long-running operations on servers named like `pattern` end Failed."""
        self.failures.append(Failure(pattern=pattern, code=code, message=message, left=count))

    def slow_operation(self, pattern: str, by: timedelta) -> None:
        """Long-running operations that start from now on, on servers named like `pattern`, take this much longer."""
        self.slownesses.append(Slowness(pattern=pattern, by=by))

    def refuse_capacity(
        self, region: str, code: str = OFFER_RESTRICTED.code, message: str = OFFER_RESTRICTED.message
    ) -> None:
        """Creating servers in the region (any spelling) is refused until `clear`."""
        self.refusals[regions.normalise(region)] = Refusal(code=code, message=message)

    def answer(
        self,
        method: str,
        pattern: str,
        status: int,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        count: int = 1,
    ) -> None:
        """Answer the next `count` requests whose path matches with this; `method` may be `*`."""
        self.answers.append(
            Answer(method=method.upper(), pattern=pattern, status=status, body=body, headers=headers or {}, left=count)
        )

    def drop_answer(self, method: str, pattern: str, count: int = 1) -> None:
        """Carry the next `count` matching requests out, then cut the connection: the caller cannot know."""
        self.drops.append(Drop(method=method.upper(), pattern=pattern, left=count))

    def clear(self) -> None:
        """Disarm everything. Operations already under way keep what they started with."""
        self.down_hangs = False
        self.down_wait = timedelta(0)
        for armed in (self.throttles, self.failures, self.slownesses, self.answers, self.drops):
            armed.clear()
        self.refusals.clear()

    def take_throttle(self, kind: Kind) -> timedelta | None:
        """How long the caller has to wait when this request is to be throttled. Uses one up."""
        for armed in self.throttles:
            if armed.kind == kind and armed.left > 0:
                armed.left -= 1
                return armed.retry_after
        return None

    def take_failure(self, server_name: str) -> Refusal | None:
        """The error that an operation on this server is to end with. Uses one up."""
        for armed in self.failures:
            if armed.left > 0 and _like(server_name, armed.pattern):
                armed.left -= 1
                return Refusal(code=armed.code, message=armed.message)
        return None

    def delay_of(self, server_name: str) -> timedelta:
        """What slow-motion faults add to an operation on this server."""
        return sum((s.by for s in self.slownesses if _like(server_name, s.pattern)), timedelta(0))

    def capacity_refusal(self, region: str) -> Refusal | None:
        """Why a server cannot be created in this region, if it cannot."""
        return self.refusals.get(regions.normalise(region))

    def take_answer(self, method: str, path: str) -> Answer | None:
        """The canned answer to this request, if any. Uses one up."""
        for armed in self.answers:
            if armed.left > 0 and armed.method in (method, "*") and _like(path, armed.pattern):
                armed.left -= 1
                return armed
        return None

    def take_drop(self, method: str, path: str) -> bool:
        """Whether the answer to this request is to be lost. Uses one up."""
        for armed in self.drops:
            if armed.left > 0 and armed.method in (method, "*") and _like(path, armed.pattern):
                armed.left -= 1
                return True
        return False

    def jsonable(self) -> dict[str, object]:
        """What is armed, for people."""
        return {
            "down_hangs": self.down_hangs,
            "down_wait": self.down_wait.total_seconds(),
            "throttle": [{"kind": t.kind, "left": t.left} for t in self.throttles if t.left],
            "fail_operation": [{"pattern": f.pattern, "code": f.code, "left": f.left} for f in self.failures if f.left],
            "slow_operation": [{"pattern": s.pattern, "by": s.by.total_seconds()} for s in self.slownesses],
            "refuse_capacity": {region: r.code for region, r in self.refusals.items()},
            "answer": [
                {"method": a.method, "pattern": a.pattern, "status": a.status, "left": a.left}
                for a in self.answers
                if a.left
            ],
            "drop_answer": [{"method": d.method, "pattern": d.pattern, "left": d.left} for d in self.drops if d.left],
        }


def body_bytes(body: object) -> bytes:
    """A canned body as it goes on the wire: text and bytes as they are, nothing for None, else JSON."""
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text.lower(), pattern.lower())
