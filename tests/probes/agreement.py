"""Whether what the probes saw is what the server accepted."""

from __future__ import annotations

from pytest_keepalive._origin import Address, without_secrets
from pytest_keepalive._server import ConnectProxy, KeepaliveServer
from pytest_keepalive._view import View

Carried = dict[Address, list[tuple[int, str, str]]]


def assert_agreement(seen: View, server: KeepaliveServer | ConnectProxy) -> None:
    """Compare each connection, found by the client's address, and what it carried, in order."""
    assert seen.recording.notes == ()
    # A server may still be about to read what its client has left behind.
    server.wait_for_connections(len(seen.opened))
    server.wait_for_requests(len(seen.exchanges))
    assert _seen(seen) == _accepted(server)
    assert len(seen.opened) == server.accepted


def agreed(seen: View, server: KeepaliveServer) -> int:
    """Give the number of connections, on which the server must agree."""
    # It may accept a connection some time after the client's connect has returned.
    server.wait_for_connections(seen.count)
    assert seen.count == server.accepted
    return seen.count


def accepted_requests(server: KeepaliveServer | ConnectProxy) -> list[int]:
    """Give the number of requests on each accepted connection, in order of accept."""
    return [len(connection.requests) for connection in server.connections]


def _seen(seen: View) -> Carried:
    return {
        each.local: [
            (exchange.index, exchange.method, _path_of(exchange.url)) for exchange in each.exchanges
        ]
        for each in seen.connections
        if each.local is not None
    }


def _accepted(server: KeepaliveServer | ConnectProxy) -> Carried:
    return {
        each.peer: [
            (request.exchange_index, request.method, _path_of(request.target))
            for request in each.requests
        ]
        for each in server.connections
    }


def _path_of(target: str) -> str:
    """Reduce a path, or a URL, to its path and the names of its query."""
    _, separator, rest = target.partition("://")
    path = "/" + rest.partition("/")[2] if separator else target
    return without_secrets(path)
