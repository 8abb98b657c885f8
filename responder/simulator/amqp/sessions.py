"""One session of a connection: its windows, its links, and what is done with each performative that names a link.

Answers on the client's own channel and handle numbers. Knows no hub.
Source: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html, sections 2.5 and 2.6
"""

from collections.abc import Sequence
from typing import Protocol

from responder.simulator.amqp import errors, framing, links, nodes, performatives

WINDOW = 0x7FFFFFFF
"""Transfer frames the client may send: never the limit, links' credit is. (pyamqp counts a delivery of many frames as
one, so a narrow window would drift.)"""

HANDLE_MAX = 255


class Wire(Protocol):
    """The connection, as a session sees it."""

    @property
    def congested(self) -> bool:
        """Nothing more should be written for now."""

    @property
    def max_frame(self) -> int:
        """The longest frame the client takes."""

    def write(self, data: bytes) -> None: ...


class Session:
    """Implements `links.Carrier`."""

    def __init__(self, wire: Wire, channel: int, doors: nodes.Nodes, begin: Sequence[object]) -> None:
        self.channel = channel
        self._wire = wire
        self._nodes = doors
        self._links: dict[int, links.Outgoing | links.Incoming] = {}
        self._next_incoming = performatives.number(begin[1])
        self._next_outgoing = self._deliveries = 0
        # Frames the client still takes, by its last word.
        self._window = performatives.number(begin[2])
        self.perform(
            performatives.begin(
                remote_channel=channel, incoming_window=WINDOW, outgoing_window=WINDOW, handle_max=HANDLE_MAX
            )
        )

    @property
    def room(self) -> int:
        return 0 if self._wire.congested else self._window

    @property
    def max_frame(self) -> int:
        return self._wire.max_frame

    def next_delivery(self) -> int:
        self._deliveries += 1
        return self._deliveries - 1

    def perform(self, body: bytes) -> None:
        self._wire.write(framing.frame(self.channel, body))

    def deliver(self, frames: Sequence[bytes]) -> None:
        self._window -= len(frames)
        self._next_outgoing += len(frames)
        self._wire.write(b"".join(frames))

    def link_flow(self, handle: int, delivery_count: int, credit: int) -> None:
        self._flow((handle, delivery_count, credit))

    def forget(self, handle: int) -> None:
        self._links.pop(handle, None)

    def wake(self) -> None:
        """There is room again."""
        for link in self._links.values():
            if isinstance(link, links.Outgoing):
                link.wake()

    def close(self) -> None:
        """End every link without a word."""
        for link in tuple(self._links.values()):
            link.close()
        self._links.clear()
        self._nodes.forget_session(self.channel)

    def attach(self, asked: performatives.Attach) -> None:
        """Answer, and refuse by attaching without termini and detaching at once, as the specification wants it."""
        try:
            link = self._open(asked)
        except errors.Refusal as refusal:
            self.perform(performatives.attach(asked, max_message=links.MAX_MESSAGE, refused=True))
            self.perform(performatives.detach(asked.handle, closed=True, refusal=refusal))
            return
        self._links[asked.handle] = link
        self.perform(performatives.attach(asked, max_message=links.MAX_MESSAGE))
        if isinstance(link, links.Incoming):
            link.grant()

    def flow(self, flow: performatives.Flow) -> None:
        # Before it has seen our begin the client cannot say what it expects next; our first id is 0.
        self._window = (flow.next_incoming_id or 0) + flow.incoming_window - self._next_outgoing
        link = self._links.get(flow.handle) if flow.handle is not None else None
        if isinstance(link, links.Outgoing):
            link.flow(flow)
        elif flow.handle is None:
            if flow.echo:
                self._flow(None)
            self.wake()

    def transfer(self, transfer: performatives.Transfer) -> None:
        self._next_incoming = (self._next_incoming + 1) & 0xFFFFFFFF
        link = self._links.get(transfer.handle)
        # A link we have just detached may still be sent to: that is not the client's fault.
        if isinstance(link, links.Incoming):
            link.transfer(transfer)

    def detach(self, handle: int, *, closed: bool) -> None:
        """Does nothing for a link that is gone: it is the client's answer to our own detach."""
        link = self._links.pop(handle, None)
        if link is not None:
            link.close()
            self.perform(performatives.detach(handle, closed=closed))

    def _open(self, asked: performatives.Attach) -> links.Outgoing | links.Incoming:
        if not asked.receiver:
            return links.Incoming(self, asked.handle, self._nodes.sink(self.channel, asked.target or ""))
        link = links.Outgoing(self, asked.handle, nodes.epoch(asked))
        self._nodes.feed(self.channel, asked, link)
        return link

    def _flow(self, link: tuple[int, int, int] | None) -> None:
        incoming, outgoing = (self._next_incoming, WINDOW), (self._next_outgoing, WINDOW)
        self.perform(performatives.flow(incoming=incoming, outgoing=outgoing, link=link))
