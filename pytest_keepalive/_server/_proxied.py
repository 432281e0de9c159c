"""One connection of a proxy: tunnels and forwarded requests.

Rules
1. What a tunnel carries is none of the proxy's business (RFC 9110, 9.3.6).
2. A forwarded request goes on in origin form, without what is meant for the proxy
   (RFC 9112, 3.2; RFC 9110, 7.6.1); its response comes back byte by byte.
3. Connections upstream are kept for the requests of the same client connection, never longer.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import NoReturn

from pytest_keepalive._origin import split_authority
from pytest_keepalive._server._framing import MessageEnd, PeerClosed, ResponseFraming
from pytest_keepalive._server._messages import (
    Headers,
    RequestHead,
    ResponseHead,
    encode_request_head,
    encode_response_head,
    header_of,
    options_of,
    reason_of,
)
from pytest_keepalive._server._recorder import Entry
from pytest_keepalive._server._records import Side
from pytest_keepalive._server._request_reader import RequestReader
from pytest_keepalive._server._service import Service
from pytest_keepalive._server._wire import Ended, Manner, Wire

Connect = Callable[[str, int], Wire]

_FOR_THE_PROXY = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ]
)
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ProxiedConnection:
    """What one client asks of the proxy over one connection.

    Args:
        wire: The accepted socket.
        entry: Where the recorder keeps what is seen.
        service: What the proxy's connections share.
        connect: Opens a connection upstream.
        authorization: What Proxy-Authorization must say; ``None`` for nothing.
    """

    def __init__(
        self,
        wire: Wire,
        entry: Entry,
        service: Service,
        connect: Connect,
        authorization: str | None,
    ) -> None:
        self._wire = wire
        self._entry = entry
        self._service = service
        self._connect = connect
        self._authorization = authorization
        self._reader = RequestReader(wire, service.terms.idle_timeout)
        self._upstreams: dict[str, Wire] = {}

    def run(self) -> NoReturn:
        """Do what the client asks until the connection is over.

        Raises:
            Ended: Always.
        """
        while True:
            head = self._reader.read_head()
            request = self._service.recorder.record(self._entry, head, not head.has_body)
            body = self._reader.read_body()
            if head.has_body:
                self._service.recorder.complete(self._entry, request, body)
            self._serve(head, body)
            self._reader.start_next()

    def leave(self) -> tuple[Wire, ...]:
        """Close every connection upstream, and give them back."""
        for upstream in self._upstreams.values():
            upstream.leave(Manner.CLOSE)
        return tuple(self._upstreams.values())

    def _serve(self, head: RequestHead, body: bytes) -> None:
        if not self._is_authorized(head):
            self._answer(407, (("Proxy-Authenticate", 'Basic realm="proxy"'),))
        elif head.method == "CONNECT":
            self._tunnel(head.target)
        elif head.target.startswith("http://"):
            self._forward(head, body)
        else:
            self._answer(400)

    def _is_authorized(self, head: RequestHead) -> bool:
        given = header_of(head.headers, "proxy-authorization")
        return self._authorization in (None, given)

    def _answer(self, status: int, fields: Headers = ()) -> None:
        fields = (*fields, ("Content-Length", "0"))
        head = ResponseHead(status, reason_of(status), "1.1", fields)
        self._wire.send(encode_response_head(head))

    def _reach(self, authority: str, default_port: int) -> Wire | None:
        upstream = self._upstreams.get(authority)
        if upstream is None:
            try:
                host, port = split_authority(authority)
                upstream = self._connect(host, default_port if port is None else port)
            except (OSError, ValueError):
                self._answer(502)
                return None
            self._upstreams[authority] = upstream
        return upstream

    def _tunnel(self, authority: str) -> None:
        upstream = self._reach(authority, 443)
        if upstream is not None:
            self._wire.send(_ESTABLISHED)
            if self._reader.leftover:
                upstream.send(self._reader.leftover)
            by = relay(self._wire, upstream)
            raise Ended(by, "end of the tunnel")

    def _forward(self, head: RequestHead, body: bytes) -> None:
        upstream = self._reach(head.target.split("/", 3)[2].rpartition("@")[2], 80)
        if upstream is not None:
            upstream.send(encode_request_head(_onward(head, len(body))) + body)
            self._bring_back(upstream, head.method)

    def _bring_back(self, upstream: Wire, method: str) -> None:
        framing, keeps_alive = ResponseFraming(method), False
        while not isinstance(event := framing.next_event(), MessageEnd):
            if event is None:
                data = upstream.receive()
                framing.receive(data)
                self._wire.send(data)
            elif isinstance(event, ResponseHead):
                keeps_alive = event.keeps_alive
            elif isinstance(event, PeerClosed):
                raise Ended("server", "upstream closed")
        if not keeps_alive or framing.peer_closed:
            raise Ended("server", "upstream closes after its response")


def relay(client: Wire, upstream: Wire) -> Side:
    """Carry bytes both ways until both sides have ended, and tell which one ended first."""
    left: list[Side] = []
    back = Thread(target=_pump, args=(upstream, client, ("server", "client"), left), daemon=True)
    back.start()
    _pump(client, upstream, ("client", "server"), left)
    back.join()
    return left[0]


def _pump(source: Wire, sink: Wire, sides: tuple[Side, Side], left: list[Side]) -> None:
    talking, listening = sides
    leaver = talking
    try:
        while data := source.receive():
            leaver = listening
            sink.send(data)
            leaver = talking
    except Ended:
        # Noted before the other direction is woken: it would otherwise name itself.
        left.append(leaver)
        source.abort()
        sink.abort()
    else:
        left.append(leaver)
        sink.finish_sending()


def _onward(head: RequestHead, size: int) -> RequestHead:
    left_out = _FOR_THE_PROXY | options_of(head.headers)
    fields = tuple(pair for pair in head.headers if pair[0].lower() not in left_out)
    if head.has_body:
        fields = (*fields, ("Content-Length", str(size)))
    path = "/" + head.target.split("/", 3)[3] if head.target.count("/") > 2 else "/"
    return RequestHead(head.method, path, "1.1", fields)
