"""A proxy on loopback: tunnels by CONNECT, and requests in absolute form."""

from __future__ import annotations

from base64 import b64encode
from threading import Lock
from typing import NoReturn

from pytest_keepalive._origin import Address
from pytest_keepalive._server import _arguments
from pytest_keepalive._server._loopback_server import LoopbackServer
from pytest_keepalive._server._recorder import Entry
from pytest_keepalive._server._service import Service
from pytest_keepalive._server._terms import Terms, checked_terms
from pytest_keepalive._server._upstream import connect_upstream
from pytest_keepalive._server._wire import Wire


class ConnectProxy(LoopbackServer):
    """A forward proxy that counts what it accepts.

    Its own connections go past the probes, so that only the client's are counted.

    Args:
        host: ``localhost`` (listening on 127.0.0.1) or a loopback address.
        port: 0 takes a free one.
        upstream: Connect to this host and port whatever the client asked for; any name can
            then be asked for without a resolver.
        credentials: ``user:password`` that a client must send (Basic, RFC 7617); without them
            it is answered 407.
        idle_timeout: Close a connection on which no request came for so many seconds; a tunnel
            is never idle.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A value makes no sense.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        upstream: tuple[str, int] | None = None,
        credentials: str | None = None,
        idle_timeout: float | None = None,
    ) -> None:
        from pytest_keepalive._server._proxied import ProxiedConnection

        service = Service(checked_terms(Terms(idle_timeout=idle_timeout)))
        super().__init__(host, port, tls=False, service=service)
        self._proxied = ProxiedConnection
        self._upstream = _checked_upstream(upstream)
        self._authorization = _authorization_of(credentials)
        self._upstream_lock = Lock()
        self._upstream_wires: set[Wire] = set()

    def _converse(self, wire: Wire, entry: Entry) -> NoReturn:
        connection = self._proxied(wire, entry, self._service, self._connect, self._authorization)
        try:
            connection.run()
        finally:
            for upstream in connection.leave():
                with self._upstream_lock:
                    self._upstream_wires.discard(upstream)

    def _connect(self, host: str, port: int) -> Wire:
        """Connect upstream.

        Raises:
            OSError: It failed.
        """
        wire = Wire(connect_upstream(*(self._upstream or (host, port))))
        with self._upstream_lock:
            self._upstream_wires.add(wire)
        return wire

    def _open_wires(self) -> list[Wire]:
        with self._upstream_lock:
            return [*super()._open_wires(), *self._upstream_wires]


def _checked_upstream(upstream: object) -> Address | None:
    if upstream is None:
        return None
    if not (isinstance(upstream, tuple) and len(upstream) == 2 and isinstance(upstream[0], str)):
        raise TypeError(f"upstream must be a pair of host and port, not {upstream!r}")
    return upstream[0], _arguments.count("the port of upstream", upstream[1], 1, 65535)


def _authorization_of(credentials: object) -> str | None:
    if credentials is None:
        return None
    if not isinstance(credentials, str):
        raise TypeError(f"credentials must be text, not {credentials!r}")
    if ":" not in credentials:
        raise ValueError("credentials must be 'user:password' (RFC 7617, 2)")
    return f"Basic {b64encode(credentials.encode()).decode()}"
