"""The origin that a test author scripts: the referee."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

from pytest_keepalive._server import _arguments
from pytest_keepalive._server._loopback_server import LoopbackServer
from pytest_keepalive._server._recorder import Entry
from pytest_keepalive._server._reply import Body, Reply
from pytest_keepalive._server._routes import Answer
from pytest_keepalive._server._service import Service
from pytest_keepalive._server._terms import Terms, checked_terms
from pytest_keepalive._server._wire import Wire

if TYPE_CHECKING:
    import ssl

    from pytest_keepalive._server._authority import Identity
    from pytest_keepalive._server._http1 import Http1Connection
    from pytest_keepalive._server._http2 import Http2Connection

# Those of this process that anybody still holds: they know what clients elsewhere asked for.
running: WeakSet[KeepaliveServer] = WeakSet()

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class KeepaliveServer(LoopbackServer):
    """A scriptable HTTP origin on loopback that counts what it accepts.

    Every path answers 200 with the text ``ok`` until it is told otherwise. ``start`` or a
    ``with`` statement makes it listen; its threads are its own.

    Args:
        tls: Speak TLS, with a certificate for ``localhost``, 127.0.0.1, ::1 and the host.
        host: ``localhost`` (listening on 127.0.0.1) or a loopback address.
        port: 0 takes a free one.
        idle_timeout: Close a connection on which no request came for so many seconds.
        requests_per_connection: Close a connection after so many exchanges.
        http_version: Of the responses, ``1.1`` or ``1.0``.
        http2: Speak HTTP/2 too: by ALPN over TLS, else by prior knowledge (RFC 9113, 3).
        announce_keep_alive: Send ``Keep-Alive: timeout=N, max=M`` with each response.
        announce_close: Say ``Connection: close`` (HTTP/2: send GOAWAY) where the limit of
            requests is reached, rather than close unsaid.
        max_concurrent_streams: How many streams a client may have open at once over HTTP/2.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A value makes no sense.
        ImportError: ``tls`` or ``http2`` needs an extra that is not installed.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        idle_timeout: float | None = None,
        requests_per_connection: int | None = None,
        http_version: str = "1.1",
        http2: bool = False,
        announce_keep_alive: bool = False,
        announce_close: bool = True,
        max_concurrent_streams: int = 100,
    ) -> None:
        terms = Terms(
            idle_timeout,
            requests_per_connection,
            http_version,
            announce_keep_alive,
            announce_close,
            http2,
            max_concurrent_streams,
        )
        service = Service(checked_terms(terms))
        super().__init__(host, port, _arguments.flag("tls", tls), service)
        self._identity = self._make_identity() if tls else None
        self._http1, self._http2 = _load_http1(), _load_http2() if http2 else None

    def start(self) -> KeepaliveServer:
        """Begin to listen.

        Raises:
            RuntimeError: It was started before.
            OSError: The address cannot be listened on.
        """
        super().start()
        running.add(self)
        return self

    def close(self) -> None:
        """Close every connection and stop listening; what was recorded can still be read."""
        super().close()
        if self._identity is not None:
            self._identity.close()

    def url_for(self, path: str) -> str:
        """Give the URL of a path, which may have a query.

        Raises:
            ValueError: The path does not begin with a slash.
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"path must begin with '/', not {path!r}")
        return self.url + path

    def route(
        self, path: str, replies: Answer | Sequence[Answer], *, method: str | None = None
    ) -> None:
        """Set what answers a path, in place of what did.

        Args:
            path: Without a query; ``*`` is every path without a route of its own.
            replies: A reply; or a function that makes one from the ``RecordedRequest``, called
                when its body was read; or several of these, used in turn, the last one again
                and again.
            method: Only requests with this method; any other one by default.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: The path is none, or there is no reply.
        """
        self._service.routes.add(path, replies, method)

    def reply(
        self,
        path: str,
        status: int = 200,
        body: Body = "ok",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        method: str | None = None,
        **fields: Any,
    ) -> None:
        """Set the one reply that answers a path; the fields are those of ``Reply``."""
        self.route(path, Reply(status, body, headers, **fields), method=method)

    def release(self, path: str | None = None) -> None:
        """Let go what ``hold=True`` holds back on a path, or on every path, now and later.

        Raises:
            ValueError: The path has no route.
        """
        self._service.routes.release(path)

    @property
    def authority_pem(self) -> str:
        """The certificate of the authority that vouches for this server, as PEM text.

        Raises:
            RuntimeError: The server speaks no TLS.
        """
        return self._tls_identity().authority_pem

    @property
    def ca_file(self) -> str:
        """The path of a file with the authority's certificate, there until ``close``.

        Raises:
            RuntimeError: The server speaks no TLS, or is closed.
        """
        return self._tls_identity().ca_file

    def client_context(self) -> ssl.SSLContext:
        """Make a client's context that trusts the authority, and nothing else.

        Raises:
            RuntimeError: The server speaks no TLS.
        """
        return self._tls_identity().client_context()

    def _converse(self, wire: Wire, entry: Entry) -> NoReturn:
        if self._identity is not None:
            wire.handshake(self._identity.server_context)
            self._service.recorder.handshake(entry)
        if self._http2 is None:
            self._http1(wire, entry, self._service).run()
        received = b"" if wire.alpn else self._opening(wire)
        if wire.alpn == "h2" or received.startswith(_PREFACE):
            self._http2(wire, entry, self._service).run(received)
        self._http1(wire, entry, self._service).run(received)

    def _opening(self, wire: Wire) -> bytes:
        """Read until HTTP/2's preface (RFC 9113, 3.4) can be told from anything else."""
        received = b""
        while _PREFACE.startswith(received) and received != _PREFACE:
            more = wire.await_request(self._service.terms.idle_timeout)
            if not more:
                break
            received += more
        return received

    def _tls_identity(self) -> Identity:
        if self._identity is None:
            raise RuntimeError(f"{self!r} speaks no TLS: make it with tls=True")
        return self._identity

    def _make_identity(self) -> Identity:
        from pytest_keepalive._server._authority import Identity

        hosts = tuple(dict.fromkeys(("localhost", "127.0.0.1", "::1", self.host)))
        protocols = ("h2", "http/1.1") if self._service.terms.http2 else ("http/1.1",)
        return Identity(hosts, protocols)


def _load_http1() -> type[Http1Connection]:
    from pytest_keepalive._server._http1 import Http1Connection

    return Http1Connection


def _load_http2() -> type[Http2Connection]:
    try:
        from pytest_keepalive._server._http2 import Http2Connection
    except ImportError:
        message = "an HTTP/2 server needs h2: pip install pytest-keepalive[http2]"
        raise ImportError(message) from None
    return Http2Connection
