"""What a link's address leads to: the feed or the sink behind `$cbs`, `$management`, a hub, or a partition.

Raises `errors.Refusal` for an address that leads nowhere, or where this client may not go.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from responder.simulator.amqp import (
    cbs,
    errors,
    links,
    logs,
    management,
    messages,
    namespaces,
    performatives,
    positions,
    readers,
    states,
)

EPOCH = "com.microsoft:epoch"
METRICS = "com.microsoft:enable-receiver-runtime-metric"


class Replies:
    """Answers that wait for the client's receiving link; it may be attached after the first question was asked."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self.wake: Callable[[], None] | None = None

    def take(self) -> bytes | None:
        return self._waiting.popleft() if self._waiting else None

    def add(self, encoded: bytes) -> None:
        self._waiting.append(encoded)
        if self.wake is not None:
            self.wake()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """A node that answers."""

    answer: Callable[[messages.Message], bytes]
    replies: Replies

    def put(self, payload: bytes, *, batched: bool) -> None:
        self.replies.add(self.answer(messages.read(payload)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """A hub, or one partition of it, as somebody who sends sees it."""

    hub: namespaces.Hub
    partition: logs.PartitionLog | None

    def put(self, payload: bytes, *, batched: bool) -> None:
        if batched:
            events, key = messages.unbatch(payload)
        else:
            events, key = [messages.read(payload)], None
        chosen = self.partition
        for event in events:
            own_key = key or event.partition_key
            # One batch lies in one partition: it is chosen with the first event.
            chosen = chosen or self.hub.choose(own_key)
            self.hub.append(chosen, event, own_key)


class Nodes:
    """The nodes as one connection sees them: a hub opens when its token has been put. Replies are kept per session."""

    def __init__(self, state: states.State) -> None:
        self._state = state
        self._authorised: set[str] = set()
        self._replies: dict[tuple[int, str], Replies] = {}

    def sink(self, channel: int, target: str) -> links.Sink:
        """Where messages sent to `target` go."""
        if target in (cbs.NODE, management.NODE):
            answer = self._put_token if target == cbs.NODE else self._manage
            return Requests(answer=answer, replies=self._mailbox(channel, target))
        where = namespaces.address(target)
        hub = self._state.namespace.hub(where.hub)
        self._check_authorised(hub)
        return Intake(hub=hub, partition=None if where.partition is None else hub.partition(where.partition))

    def feed(self, channel: int, asked: performatives.Attach, link: links.Outgoing) -> None:
        """Connect `link` to what it asked to receive from, evicting others as its epoch demands."""
        source = asked.source or ""
        if source in (cbs.NODE, management.NODE):
            mailbox = self._mailbox(channel, source)
            link.feed, mailbox.wake = mailbox, link.wake
            return
        where = namespaces.address(source)
        log = self._state.namespace.partition(where)
        self._check_authorised(self._state.namespace.hub(where.hub))
        cursor = logs.Cursor(log=log, at=positions.start(asked.selector, log), metrics=METRICS in asked.capabilities)
        seat = readers.Seat(hub=where.hub.lower(), group=(where.group or "").lower(), partition=log.name)
        self._state.readers.admit(seat, link)
        log.subscribe(link.wake)

        def left() -> None:
            log.unsubscribe(link.wake)
            self._state.readers.leave(seat, link)
            self._state.bell.ring()

        link.feed, link.left = cursor, left

    def forget_session(self, channel: int) -> None:
        self._replies = {key: kept for key, kept in self._replies.items() if key[0] != channel}

    def _mailbox(self, channel: int, node: str) -> Replies:
        return self._replies.setdefault((channel, node), Replies())

    def _put_token(self, request: messages.Message) -> bytes:
        hub, answer = cbs.put_token(request, self._state.namespace, self._state.faults.tokens)
        if hub is not None:
            self._authorised.add(hub)
        return answer

    def _manage(self, request: messages.Message) -> bytes:
        return management.answer(request, self._state.namespace)

    def _check_authorised(self, hub: namespaces.Hub) -> None:
        if hub.name.lower() not in self._authorised:
            raise errors.Refusal(
                errors.UNAUTHORIZED,
                f"Unauthorized access. 'Listen' or 'Send' claim(s) are required for '{hub.name}': put a token first.",
            )


def epoch(asked: performatives.Attach) -> int | None:
    """The epoch a receiver asks for, or None."""
    found = asked.properties.get(EPOCH)
    return found if isinstance(found, int) else None
