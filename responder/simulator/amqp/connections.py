"""One client's TCP connection: SASL, open, heartbeats, and handing each frame to its session.

No tasks: everything happens in the event loop's callbacks, so a closed connection leaves nothing behind.
"""

import asyncio
import socket
import struct
import uuid

from responder.simulator.amqp import errors, framing, nodes, performatives, sessions, states

MAX_FRAME = 64 * 1024
CHANNEL_MAX = 4999
IDLE_MS = 240_000
"""What we ask of the client. We never close an idle connection ourselves."""


class Connection(asyncio.Protocol):
    """Implements `sessions.Wire` and `faults.Connection`."""

    def __init__(self, state: states.State) -> None:
        self.congested = False
        self.max_frame = MAX_FRAME
        self._state = state
        self._nodes = nodes.Nodes(state)
        self._reader = framing.Reader(MAX_FRAME)
        self._sessions: dict[int, sessions.Session] = {}
        self._held: list[bytes] | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._state.faults.connections.add(self)
        if self._state.faults.frozen:
            self.hush()
        self._state.bell.ring()

    def data_received(self, data: bytes) -> None:
        try:
            for piece in self._reader.feed(data):
                if isinstance(piece, bytes):
                    self._header(piece)
                elif piece.body:
                    self._frame(piece)
        except errors.Refusal as refusal:
            self._close(refusal)

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = self._held is not None
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._state.faults.connections.discard(self)
        self._state.bell.ring()

    # sessions.Wire

    def write(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # faults.Connection

    def cut(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            # A reset, whatever is unread: on a proper end of stream azure-eventhub 5.15.1 reconnects too, but never
            # closes its half, and a warning comes when that is collected.
            opened = self._transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def hush(self) -> None:
        assert self._transport is not None
        self._held = self._held or []
        self.congested = True
        self._transport.pause_reading()

    def resume(self) -> None:
        assert self._transport is not None
        if self._held is None:
            return
        held, self._held = self._held, None
        self.congested = False
        self.write(b"".join(held))
        self._transport.resume_reading()
        self._wake()

    # Frames

    def _header(self, header: bytes) -> None:
        if header == framing.SASL_HEADER:
            mechanisms = performatives.sasl_mechanisms(["ANONYMOUS", "EXTERNAL", "MSSBCBS", "PLAIN"])
            self.write(framing.SASL_HEADER + framing.frame(0, mechanisms, kind=framing.SASL_FRAME))
        elif header == framing.AMQP_HEADER:
            self.write(framing.AMQP_HEADER)
        else:
            raise errors.Refusal(
                errors.FRAMING_ERROR, f"Protocol header {header!r}; this broker speaks plain AMQP 1.0."
            )

    def _frame(self, frame: framing.Frame) -> None:
        code, fields, payload = performatives.read(frame.body)
        if frame.kind == framing.SASL_FRAME:
            if code == performatives.SASL_INIT:
                self.write(framing.frame(0, performatives.sasl_outcome(0), kind=framing.SASL_FRAME))
        elif code == performatives.OPEN:
            self._open(fields)
        elif code == performatives.CLOSE:
            self._close(None)
        elif code == performatives.BEGIN:
            self._sessions[frame.channel] = sessions.Session(self, frame.channel, self._nodes, fields)
        else:
            self._in_session(frame.channel, code, fields, payload)

    def _in_session(self, channel: int, code: int, fields: list[object], payload: bytes) -> None:
        session = self._sessions.get(channel)
        if session is None:
            return  # pyamqp detaches its links after it has ended their session
        if code == performatives.TRANSFER:
            session.transfer(performatives.read_transfer(fields, payload))
        elif code == performatives.FLOW:
            session.flow(performatives.read_flow(fields))
        elif code == performatives.ATTACH:
            session.attach(performatives.read_attach(fields))
            self._state.bell.ring()
        elif code == performatives.DETACH:
            session.detach(performatives.number(fields[0]), closed=bool(fields[1]))
        elif code == performatives.END:
            self._sessions.pop(channel).close()
            self.write(framing.frame(channel, performatives.end()))

    def _open(self, fields: list[object]) -> None:
        self.max_frame = min(MAX_FRAME, performatives.optional(fields[2]) or MAX_FRAME)
        answer = performatives.open_(
            container=uuid.uuid4().hex, max_frame=MAX_FRAME, channel_max=CHANNEL_MAX, idle_ms=IDLE_MS
        )
        self.write(framing.frame(0, answer))
        idle_ms = performatives.optional(fields[4])
        if idle_ms:
            self._beat(idle_ms / 2000)

    def _beat(self, seconds: float) -> None:
        """Half of what the client allows between two signs of life, until the connection is lost."""
        if self._held is None:
            self.write(framing.HEARTBEAT)
        self._heartbeat = asyncio.get_running_loop().call_later(seconds, self._beat, seconds)

    def _close(self, refusal: errors.Refusal | None) -> None:
        self.write(framing.frame(0, performatives.close(refusal)))
        if self._transport is not None and self._held is None:
            self._transport.close()

    def _wake(self) -> None:
        for session in self._sessions.values():
            session.wake()
