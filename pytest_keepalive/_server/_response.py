"""From a reply to what is done, step by step: decisions only, no I/O.

Rules
1. A response never says that the connection persists when its framing forbids it (RFC 9112, 6.3).
2. Chunks are for HTTP/1.1 alone (RFC 9112, 6.1): to a 1.0 client the body ends at EOF.
3. A server that says it closes, closes (RFC 9112, 9.6). One that closes unsaid was told to.
4. There is no Date: the referee is an origin without a clock (RFC 9110, 6.6.1), so that its
   bytes are the same each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_keepalive._server._faults import Fault, Moment
from pytest_keepalive._server._messages import (
    Headers,
    RequestHead,
    ResponseHead,
    names_of,
    never_has_body,
    options_of,
    reason_of,
)
from pytest_keepalive._server._reply import BodyFraming, Reply
from pytest_keepalive._server._terms import Terms


class SendHead(NamedTuple):
    """Send the head, now or with what follows."""


class SendPiece(NamedTuple):
    """Send some of the body, now or with what follows."""

    data: bytes


class SendEnd(NamedTuple):
    """Send the end of the body, where its framing has one."""


class Flush(NamedTuple):
    """Send at once whatever was kept to go with what follows."""


class Wait(NamedTuple):
    """Send what there is, then wait for some seconds."""

    seconds: float


class Strike(NamedTuple):
    """Send what there is, then perform a fault."""

    fault: Fault


Step = SendHead | SendPiece | SendEnd | Flush | Wait | Strike


class Plan(NamedTuple):
    """How a response goes over an HTTP/1 connection.

    Args:
        head: Its status line and fields.
        framing: How its body is framed; ``None`` when it has none.
        close_reason: Why the server closes after it; empty when the connection persists.
    """

    head: ResponseHead
    framing: BodyFraming | None
    close_reason: str


class Circumstances(NamedTuple):
    """What a response depends on besides its reply.

    Args:
        request: What it answers.
        exchange_index: The position of the exchange on its connection.
        terms: Of the server.
        unread: Whether the body of the request is left unread.
    """

    request: RequestHead
    exchange_index: int
    terms: Terms
    unread: bool = False


def script(reply: Reply, has_body: bool) -> Iterator[Step]:
    """Give the steps of a response in order.

    Args:
        reply: What to answer.
        has_body: Whether the method and the status allow a body.
    """
    yield from map(Strike, reply.faults_at(Moment.BEFORE_HEAD))
    yield SendHead()
    if has_body:
        yield from _body(reply)
    yield SendEnd()
    yield Flush()
    yield from map(Strike, reply.faults_at(Moment.AFTER_RESPONSE))


def plan_response(reply: Reply, about: Circumstances) -> Plan:
    """Decide on the head, the framing, and whether the connection persists."""
    version = http_version(reply, about.terms)
    framing = _framing(reply, about.request, version)
    reason = _close_reason(reply, about, version, framing)
    fields = (*reply.headers, *_framing_fields(reply, framing, about.request.method))
    fields = (*fields, *_connection_fields(reply, about, version, reason))
    phrase = reason_of(reply.status) if reply.reason is None else reply.reason
    has_body = not never_has_body(about.request.method, reply.status)
    head = ResponseHead(reply.status, phrase, version, fields)
    return Plan(head, framing if has_body else None, reason)


def http_version(reply: Reply, terms: Terms) -> str:
    """Give the version of a response."""
    return reply.http_version or terms.http_version


def _body(reply: Reply) -> Iterator[Step]:
    faults = list(reply.faults_at(Moment.IN_BODY))
    sent = 0
    if callable(reply.pieces):
        # A function may wait before its first piece: its client should have the head by then.
        yield Flush()
    for number, piece in enumerate(_pieces(reply)):
        if number and reply.pause:
            yield Wait(reply.pause)
        yield from _cut(piece, sent, faults)
        sent += len(piece)
        if reply.streams:
            yield Flush()
    # A body shorter than a fault asked for ends where the fault would have struck.
    yield from map(Strike, faults)


def _pieces(reply: Reply) -> Iterator[bytes]:
    pieces: Iterable[bytes | str] = reply.pieces() if callable(reply.pieces) else reply.pieces
    for piece in pieces:
        yield piece.encode() if isinstance(piece, str) else piece


def _cut(piece: bytes, sent: int, faults: list[Fault]) -> Iterator[Step]:
    begin = 0
    while faults and faults[0].after <= sent + len(piece):
        fault = faults.pop(0)
        yield SendPiece(piece[begin : fault.after - sent])
        yield Strike(fault)
        begin = fault.after - sent
    if begin < len(piece):
        yield SendPiece(piece[begin:])


def _framing(reply: Reply, request: RequestHead, version: str) -> BodyFraming:
    if reply.framing is BodyFraming.CHUNKED and "1.0" in (request.http_version, version):
        return BodyFraming.EOF
    return reply.framing


def _close_reason(reply: Reply, about: Circumstances, version: str, framing: BodyFraming) -> str:
    options = options_of(reply.headers)
    if reply.keep_alive is False or "close" in options:
        return "said Connection: close"
    if framing is BodyFraming.EOF and not never_has_body(about.request.method, reply.status):
        return "end of a body without framing"
    if about.terms.is_last(about.exchange_index):
        return f"limit of {about.terms.requests_per_connection} requests"
    if reply.keep_alive:
        return ""
    if about.unread:
        return "request body left unread"
    if not about.request.keeps_alive:
        return "client did not ask to keep alive"
    return "HTTP/1.0" if version == "1.0" and "keep-alive" not in options else ""


def _framing_fields(reply: Reply, framing: BodyFraming, method: str) -> Headers:
    # RFC 9110, 8.6: no Content-Length in a 204; in a 304 it would tell of another response.
    given = names_of(reply.headers) & {"content-length", "transfer-encoding"}
    if given or framing is BodyFraming.EOF or reply.status in (204, 304):
        return ()
    if framing is BodyFraming.CHUNKED:
        return (("Transfer-Encoding", "chunked"),)
    return (("Content-Length", str(reply.size)),)


def _connection_fields(
    reply: Reply, about: Circumstances, version: str, close_reason: str
) -> Headers:
    if "connection" in names_of(reply.headers):
        return ()
    if close_reason:
        return (("Connection", "close"),) if _says_close(reply, about, version) else ()
    fields: Headers = ()
    if "1.0" in (version, about.request.http_version):
        fields = (("Connection", "keep-alive"),)
    value = about.terms.keep_alive_field(about.exchange_index)
    return fields if value is None else (*fields, ("Keep-Alive", value))


def _says_close(reply: Reply, about: Circumstances, version: str) -> bool:
    # To HTTP/1.0 closing is what happens anyway; the end of a body without framing says it.
    if reply.keep_alive is False:
        return True
    if version == "1.0" or reply.framing is BodyFraming.EOF:
        return False
    return about.terms.announce_close or not about.terms.is_last(about.exchange_index)
