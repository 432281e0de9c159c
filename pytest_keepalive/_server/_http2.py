"""HTTP/2 over one accepted connection: each stream is an exchange.

Rules
1. One thread serves all streams: each one's script goes on whenever it can.
2. Where an HTTP/1 server would say ``Connection: close``, this one sends GOAWAY, once the
   streams that it took are answered (RFC 9113, 6.8).
3. A fault that ends a connection ends every stream on it; a stall stalls its own stream.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event
from typing import NamedTuple, NoReturn

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from h2.errors import ErrorCodes

from pytest_keepalive._server._faults import Effect, Fault, Moment
from pytest_keepalive._server._messages import RequestHead, never_has_body
from pytest_keepalive._server._recorder import Entry
from pytest_keepalive._server._records import RecordedRequest
from pytest_keepalive._server._reply import BodyFraming, Reply
from pytest_keepalive._server._response import (
    SendEnd,
    SendHead,
    SendPiece,
    Step,
    Strike,
    Wait,
    script,
)
from pytest_keepalive._server._routes import Turn
from pytest_keepalive._server._service import Service, ending_of
from pytest_keepalive._server._wire import Ended, Manner, Wire

# Fields that speak of a connection have no meaning here (RFC 9113, 8.2.2).
_OF_CONNECTIONS = frozenset(
    ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
)
# A gate may be opened by any thread, so that a stream which is held has to look now and then.
_LOOK_UP_SECONDS = 0.005


class AwaitBody(NamedTuple):
    """Go on when the body of the request has come."""


class _Stream:
    """One exchange, and what it waits for."""

    def __init__(self, id_: int, request: RecordedRequest, turn: Turn, has_body: bool) -> None:
        self.id = id_
        self.request = request
        self.turn = turn
        self.body = bytearray()
        self.steps: Iterator[Step | AwaitBody] = iter(())
        self.reply = Reply()
        self.outbox = memoryview(b"")
        self.ended = not has_body
        self.awaits_body = False
        self.stalled = False
        self.gate: Event | None = None
        self.resume_at = 0.0

    @property
    def may_answer_with_body(self) -> bool:
        """Whether the method and the status allow a body."""
        return not never_has_body(self.request.method, self.reply.status)

    @property
    def look_up_in(self) -> float | None:
        """Seconds after which it may go on without a word from the client."""
        if self.gate is not None:
            return _LOOK_UP_SECONDS
        if not self.resume_at:
            return None
        return max(self.resume_at - time.monotonic(), _LOOK_UP_SECONDS)

    def must_wait(self) -> bool:
        """Let go of what is waited for no longer, and tell whether anything is left."""
        if self.gate is not None and self.gate.is_set():
            self.gate = None
        if self.resume_at and self.resume_at <= time.monotonic():
            self.resume_at = 0.0
        if self.awaits_body and self.ended:
            self.awaits_body = False
        waits = self.gate is not None or self.resume_at > 0
        return self.stalled or self.awaits_body or waits


class Http2Connection:
    """The streams of one connection.

    Args:
        wire: The accepted socket, after any TLS handshake.
        entry: Where the recorder keeps what is seen.
        service: What the server's connections share.
    """

    def __init__(self, wire: Wire, entry: Entry, service: Service) -> None:
        self._wire = wire
        self._entry = entry
        self._service = service
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self._h2 = h2.connection.H2Connection(config)
        self._streams: dict[int, _Stream] = {}
        self._last_taken = 0
        self._close_reason = ""

    def run(self, received: bytes = b"") -> NoReturn:
        """Answer streams until the connection is over.

        Args:
            received: Bytes that were read already.

        Raises:
            Ended: Always.
        """
        self._h2.initiate_connection()
        limit = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
        self._h2.update_settings({limit: self._service.terms.max_concurrent_streams})
        self._take(received)
        while True:
            for stream in tuple(self._streams.values()):
                self._advance(stream)
            if not self._streams:
                self._wire.mark_idle()
            self._flush()
            if self._close_reason and not self._streams:
                self._go_away(self._close_reason)
            self._listen()

    def _listen(self) -> None:
        try:
            data = self._receive()
        except TimeoutError:
            return
        except Ended as ended:
            # Idle or dropped: the client is told, as far as it still listens.
            if ended.by == "server":
                self._go_away(ended.reason)
            raise
        if not data:
            raise Ended("client", "left")
        self._take(data)

    def _receive(self) -> bytes:
        if not self._streams:
            return self._wire.await_request(self._service.terms.idle_timeout)
        waits = (stream.look_up_in for stream in self._streams.values())
        timeout = min((wait for wait in waits if wait is not None), default=None)
        return self._wire.receive(timeout)

    def _take(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self._flush()
            raise Ended("server", f"broken request: {error}", Manner.LINGER) from None
        for event in events:
            self._hear(event)
        self._flush()

    def _hear(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event)
        elif isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if stream := self._streams.get(event.stream_id):
                stream.body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            if stream := self._streams.get(event.stream_id):
                self._complete(stream)
        elif isinstance(event, h2.events.StreamReset):
            self._streams.pop(event.stream_id, None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise Ended("client", "left (GOAWAY)")

    def _begin(self, event: h2.events.RequestReceived) -> None:
        if self._close_reason:
            # Safe to send again elsewhere (RFC 9113, 8.7); it is no exchange.
            self._h2.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            return
        head = _head_of(event)
        recorder, has_body = self._service.recorder, event.stream_ended is None
        request = recorder.record(self._entry, head, complete=not has_body)
        turn = self._service.routes.choose(head.method, request.path)
        stream = _Stream(event.stream_id, request, turn, has_body)
        stream.steps = self._play(stream)
        self._streams[stream.id], self._last_taken = stream, stream.id
        if self._service.terms.is_last(request.exchange_index):
            self._close_reason = f"limit of {request.exchange_index + 1} requests"

    def _complete(self, stream: _Stream) -> None:
        stream.ended = True
        if not stream.request.complete:
            recorder, body = self._service.recorder, bytes(stream.body)
            stream.request = recorder.complete(self._entry, stream.request, body)

    def _play(self, stream: _Stream) -> Iterator[Step | AwaitBody]:
        answer = stream.turn.answer
        if not isinstance(answer, Reply):
            yield AwaitBody()
        reply = answer if isinstance(answer, Reply) else self._service.ask(answer, stream.request)
        yield from map(Strike, reply.faults_at(Moment.ON_REQUEST))
        if reply.read_body:
            yield AwaitBody()
        if reply.echo:
            reply = reply.carrying(stream.request.body, stream.request.header("content-type"))
        if reply.keep_alive is False:
            self._close_reason = self._close_reason or "said GOAWAY"
        stream.reply = reply
        yield from script(reply, stream.may_answer_with_body)

    def _advance(self, stream: _Stream) -> None:
        while not stream.must_wait():
            if stream.outbox and not self._send_some(stream):
                return
            step = None if stream.outbox else next(stream.steps, None)
            if step is not None:
                self._perform(step, stream)
            elif not stream.outbox:
                self._end(stream)
                return

    def _perform(self, step: Step | AwaitBody, stream: _Stream) -> None:
        if isinstance(step, SendHead):
            fields = _fields_of(stream.reply, stream.may_answer_with_body)
            self._h2.send_headers(stream.id, fields, end_stream=not stream.may_answer_with_body)
        elif isinstance(step, SendPiece):
            stream.outbox = memoryview(step.data)
        elif isinstance(step, SendEnd) and stream.may_answer_with_body:
            self._h2.end_stream(stream.id)
        elif isinstance(step, Wait):
            stream.resume_at = time.monotonic() + step.seconds
        elif isinstance(step, Strike):
            self._strike(step.fault, stream)
        elif isinstance(step, AwaitBody):
            stream.awaits_body = True

    def _strike(self, fault: Fault, stream: _Stream) -> None:
        self._flush()
        if fault.effect is Effect.DELAY:
            stream.resume_at = time.monotonic() + fault.seconds
        elif fault.effect is Effect.HOLD:
            stream.gate = fault.gate or stream.turn.gate
        elif fault.effect is Effect.STALL:
            stream.stalled = True
        else:
            raise ending_of(fault)

    def _send_some(self, stream: _Stream) -> bool:
        window = self._h2.local_flow_control_window(stream.id)
        size = min(window, self._h2.max_outbound_frame_size, len(stream.outbox))
        if size <= 0:
            return False
        self._h2.send_data(stream.id, bytes(stream.outbox[:size]))
        stream.outbox = stream.outbox[size:]
        return True

    def _end(self, stream: _Stream) -> None:
        # RFC 9113, 8.1: answered early, the rest of the request is not wanted.
        if not stream.ended:
            self._h2.reset_stream(stream.id, ErrorCodes.NO_ERROR)
        del self._streams[stream.id]

    def _go_away(self, reason: str) -> NoReturn:
        if self._service.terms.announce_close:
            self._h2.close_connection(last_stream_id=self._last_taken)
            self._flush()
        # A frame of the client that crosses GOAWAY must not turn the end into a reset.
        raise Ended("server", reason, Manner.LINGER)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._wire.send(data)


def _head_of(event: h2.events.RequestReceived) -> RequestHead:
    headers = tuple((str(name), str(value)) for name, value in event.headers)
    fields = dict(headers)
    # CONNECT has no :path, only the authority (RFC 9113, 8.5).
    target = fields.get(":path") or fields.get(":authority", "")
    return RequestHead(fields[":method"], target, "2", headers)


def _fields_of(reply: Reply, has_body: bool) -> list[tuple[str, str]]:
    given = [(name.lower(), value) for name, value in reply.headers]
    fields = [(name, value) for name, value in given if name not in _OF_CONNECTIONS]
    if has_body and reply.framing is BodyFraming.LENGTH and "content-length" not in dict(fields):
        fields.append(("content-length", str(reply.size)))
    return [(":status", str(reply.status)), *fields]
