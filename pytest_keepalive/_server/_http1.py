"""HTTP/1.0 and HTTP/1.1 over one accepted connection: requests read, scripts performed.

Rules
1. One exchange after the other, in the order of the requests (RFC 9112, 9.3.2).
2. What is small goes in one segment: head, body and end are sent together unless told apart.
3. Every way out is an ``Ended`` that says who closed first and why.
"""

from __future__ import annotations

from typing import NoReturn

from pytest_keepalive._server._faults import Fault, Moment
from pytest_keepalive._server._messages import (
    LAST_CHUNK,
    RequestHead,
    encode_chunk,
    encode_response_head,
)
from pytest_keepalive._server._recorder import Entry
from pytest_keepalive._server._reply import BodyFraming, Reply
from pytest_keepalive._server._request_reader import RequestReader
from pytest_keepalive._server._response import (
    Circumstances,
    Flush,
    Plan,
    SendEnd,
    SendHead,
    SendPiece,
    Step,
    Wait,
    plan_response,
    script,
)
from pytest_keepalive._server._service import Service
from pytest_keepalive._server._wire import Ended, Manner, Wire

# Larger pieces are sent as they are rather than copied beside others.
_KEEP_AT_MOST = 65536


class Http1Connection:
    """The exchanges of one connection.

    Args:
        wire: The accepted socket, after any TLS handshake.
        entry: Where the recorder keeps what is seen.
        service: What the server's connections share.
    """

    def __init__(self, wire: Wire, entry: Entry, service: Service) -> None:
        self.wire = wire
        self.entry = entry
        self.service = service

    def run(self, received: bytes = b"") -> NoReturn:
        """Answer requests until the connection is over.

        Args:
            received: Bytes that were read already.

        Raises:
            Ended: Always.
        """
        reader = RequestReader(self.wire, self.service.terms.idle_timeout, received)
        while True:
            _Exchange(self, reader, reader.read_head()).run()
            reader.start_next()


class _Exchange:
    """One request and its response."""

    def __init__(
        self, connection: Http1Connection, reader: RequestReader, head: RequestHead
    ) -> None:
        self._wire = connection.wire
        self._entry = connection.entry
        self._service = connection.service
        self._wire.mark_busy()
        self._reader = reader
        self._head = head
        self._has_body = head.has_body
        self._request = self._service.recorder.record(self._entry, head, not self._has_body)
        self._turn = self._service.routes.choose(head.method, self._request.path)
        self._outbox = bytearray()
        self._ends_with_response = True

    def run(self) -> None:
        answer = self._turn.answer
        if isinstance(answer, Reply):
            self._strike_on_request(answer)
            self._answer(answer)
        else:
            self._read_body(says_continue=True)
            reply = self._service.ask(answer, self._request)
            self._strike_on_request(reply)
            self._respond(reply)

    def _answer(self, reply: Reply) -> None:
        if reply.read_body:
            self._read_body(reply.says_continue)
            self._respond(reply)
            return
        self._respond(reply, unread=self._has_body)
        # A client that was refused before it sent its body will not send it (RFC 9110, 10.1.1).
        if not self._reader.awaits_continue:
            self._read_body(says_continue=False)

    def _read_body(self, says_continue: bool) -> None:
        body = self._reader.read_body(says_continue)
        if self._has_body:
            recorder = self._service.recorder
            self._request = recorder.complete(self._entry, self._request, body)

    def _respond(self, reply: Reply, unread: bool = False) -> None:
        if reply.echo:
            reply = reply.carrying(self._request.body, self._request.header("content-type"))
        index = self._request.exchange_index
        about = Circumstances(self._head, index, self._service.terms, unread)
        plan = plan_response(reply, about)
        self._ends_with_response = not (unread or reply.faults_at(Moment.AFTER_RESPONSE))
        for step in script(reply, has_body=plan.framing is not None):
            self._perform(step, plan)
        if plan.close_reason:
            raise Ended("server", plan.close_reason, Manner.LINGER if unread else Manner.CLOSE)

    def _perform(self, step: Step, plan: Plan) -> None:
        if isinstance(step, SendHead):
            self._outbox += encode_response_head(plan.head)
        elif isinstance(step, SendPiece):
            self._send_piece(step.data, plan.framing)
        elif isinstance(step, SendEnd):
            self._outbox += LAST_CHUNK if plan.framing is BodyFraming.CHUNKED else b""
            if self._ends_with_response:
                self._wire.mark_idle()
        elif isinstance(step, Flush):
            self._flush()
        elif isinstance(step, Wait):
            self._flush()
            self._service.sleep(step.seconds)
        else:
            self._strike(step.fault)

    def _send_piece(self, data: bytes, framing: BodyFraming | None) -> None:
        if framing is BodyFraming.CHUNKED:
            data = encode_chunk(data)
        if len(data) <= _KEEP_AT_MOST:
            self._outbox += data
        else:
            self._flush()
            self._wire.send(data)

    def _flush(self) -> None:
        if self._outbox:
            self._wire.send(self._outbox)
            self._outbox.clear()

    def _strike_on_request(self, reply: Reply) -> None:
        for fault in reply.faults_at(Moment.ON_REQUEST):
            self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        self._flush()
        self._service.strike(fault, self._wire, self._turn.gate)
