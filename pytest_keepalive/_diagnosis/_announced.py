"""Groups D7, D10, E and G2: one side had said that the connection would close (RFC 9112, 9.6)."""

from __future__ import annotations

import re

from pytest_keepalive._amount import count_of
from pytest_keepalive._connection import Exchange
from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._closed import Closed, told
from pytest_keepalive._diagnosis._proof import Proof
from pytest_keepalive._events import CloseTrigger

_CONNECTION_BOUND = ("ntlm", "negotiate")
_CHALLENGES = frozenset((401, 407))
_CLIENT_ERRORS = range(400, 500)
_MAX = re.compile(r"max\s*=\s*(\d+)")


def client_asked_to_close(closed: Closed) -> Proof | None:
    """The request said ``Connection: close``, or the client keeps nothing."""
    last = closed.last
    if last is not None and last.closing and _ends_there(closed):
        evidence = f"{told(last)} says Connection: close"
        story = "the request asks for a close"
        return closed.proof(Cause.CLIENT_ASKED_TO_CLOSE, story, evidence)
    if closed.trigger is CloseTrigger.KEEPALIVE_OFF and not _is_http_1_0(last):
        story = "the client keeps no connection"
        return closed.proof(Cause.CLIENT_ASKED_TO_CLOSE, story, closed.detail)
    return None


def connection_bound_auth(closed: Closed) -> Proof | None:
    """The server asked for an authentication that belongs to a connection (RFC 4559)."""
    last = closed.last
    if last is None or last.status not in _CHALLENGES or not _ends_there(closed):
        return None
    field = "www-authenticate" if last.status == 401 else "proxy-authenticate"
    schemes = last.header(field) or ""
    if not any(scheme in schemes.lower() for scheme in _CONNECTION_BOUND):
        return None
    evidence = f"{told(last)} was answered {last.status}, asking for {schemes}, and then closed"
    return closed.proof(Cause.CONNECTION_BOUND_AUTH, f"authentication by {schemes}", evidence)


def upload_rejected(closed: Closed) -> Proof | None:
    """The server answered with an error before it had read the request (RFC 9112, 9.6)."""
    last = closed.last
    if last is None or last.status not in _CLIENT_ERRORS or not last.has_body or last.expecting:
        return None
    if closed.case.habits.closes_behind_all or not (_ends_there(closed) or closed.failed):
        return None
    evidence = f"{told(last)} carried a body, was answered {last.status}, and the server closed"
    return closed.proof(Cause.UPLOAD_REJECTED, f"an upload answered {last.status}", evidence)


def expect_continue(closed: Closed) -> Proof | None:
    """The request waited for 100 Continue and got a final status (RFC 9110, 10.1.1)."""
    last = closed.last
    if last is None or not last.expecting or last.status not in _CLIENT_ERRORS:
        return None
    if not (_ends_there(closed) or closed.failed):
        return None
    evidence = f"{told(last)} said Expect: 100-continue and was answered {last.status}"
    return closed.proof(Cause.EXPECT_CONTINUE, "Expect: 100-continue was refused", evidence)


def goaway(closed: Closed) -> Proof | None:
    """The server sent GOAWAY (RFC 9113, section 6.8)."""
    last = closed.last
    if last is None or "goaway" not in closed.detail.lower():
        return None
    carried = count_of(len(closed.connection.exchanges), "exchange")
    evidence = f"{closed.detail}, after {carried} on #{closed.connection.index}"
    return closed.proof(Cause.GOAWAY, "the server sent GOAWAY", evidence, _server(last))


def request_limit(closed: Closed) -> Proof | None:
    """The server closes each connection behind the same number of exchanges."""
    last, habits = closed.last, closed.case.habits
    if last is None or closed.failed:
        return None
    limit = habits.announced_limit if last.will_close else habits.silent_limit
    counted = limit is not None and limit.requests == last.index + 1
    evidence = ""
    if limit is not None and counted and (last.will_close or closed.hung_up_unsaid):
        evidence = (
            f"the server closed {limit.seen} connections after {limit.requests} requests each"
        )
    elif last.will_close and _max_of(closed) == last.index:
        evidence = f"the server counted down with Keep-Alive: max to {told(last)}"
    if not evidence:
        return None
    story = f"the server allows {last.index + 1} requests a connection"
    return closed.proof(Cause.REQUEST_LIMIT, story, evidence, _server(last))


def http_1_0(closed: Closed) -> Proof | None:
    """HTTP/1.0 closes unless both sides say otherwise (RFC 9112, appendix C.2.2)."""
    last = closed.last
    if last is None or not _is_http_1_0(last) or _says_close(last):
        return None
    if not (last.will_close or closed.trigger is CloseTrigger.KEEPALIVE_OFF):
        return None
    evidence = f"{told(last)} was answered with {last.http_version}"
    kept = "keep-alive" in (last.header("connection") or "").lower()
    return closed.proof(
        Cause.HTTP_1_0,
        "the client keeps no HTTP/1.0 connection" if kept else "the server speaks HTTP/1.0",
        evidence if kept else f"{evidence} and no keep-alive",
        _server(last),
    )


def no_framing(closed: Closed) -> Proof | None:
    """Only the close told where the body ended (RFC 9112, section 6.3, rule 8)."""
    last = closed.last
    if last is None or last.framed is not False or _says_close(last) or not last.will_close:
        return None
    evidence = f"{told(last)} was answered with neither Content-Length nor chunks"
    return closed.proof(Cause.NO_FRAMING, "a response without a length", evidence, _server(last))


def server_asked_to_close(closed: Closed) -> Proof | None:
    """The response said ``Connection: close``."""
    last = closed.last
    if last is None or not last.will_close or closed.failed or last.status == 101:
        return None
    evidence = f"{told(last)} was answered {last.status} with Connection: close"
    story = "the server says Connection: close"
    return closed.proof(Cause.SERVER_ASKED_TO_CLOSE, story, evidence, _server(last))


def _ends_there(closed: Closed) -> bool:
    """Tell whether it was closed for its last exchange, and not for what came later."""
    said = closed.last is not None and bool(closed.last.will_close)
    return said or closed.hung_up or closed.trigger is CloseTrigger.KEEPALIVE_OFF


def _is_http_1_0(exchange: Exchange | None) -> bool:
    return exchange is not None and exchange.http_version in ("HTTP/1.0", "HTTP/0.9")


def _says_close(exchange: Exchange) -> bool:
    return "close" in (exchange.header("connection") or "").lower()


def _max_of(closed: Closed) -> int | None:
    """Give the index of the last exchange, as the server counts down to it, or ``None``."""
    for exchange in closed.connection.exchanges:
        found = _MAX.search(exchange.header("keep-alive") or "")
        if found:
            return exchange.index + int(found[1])
    return None


def _server(exchange: Exchange) -> str:
    name = exchange.header("server")
    return f"the server calls itself {name}" if name else ""
