"""http.client: TLS, proxies, and Unix sockets."""

from __future__ import annotations

import http.client
import socket

import pytest

from pytest_keepalive import measure
from pytest_keepalive._server import ConnectProxy, KeepaliveServer
from tests.probes.agreement import assert_agreement
from tests.probes.http_client import get
from tests.probes.view import only


def test_tls_is_seen_with_its_handshake() -> None:
    with KeepaliveServer(tls=True, host="localhost") as server, measure() as seen:
        client = http.client.HTTPSConnection(
            server.host, server.port, context=server.client_context()
        )
        for _ in range(3):
            get(client)
        client.close()
    assert_agreement(seen, server)
    connection = only(seen)
    assert connection.origin == server.url
    assert connection.origin.scheme == "https"
    assert connection.handshake_seconds is not None
    assert connection.handshake_seconds > 0
    assert connection.closed_at is not None


def test_a_handshake_that_fails_is_a_connection_that_carried_nothing() -> None:
    with KeepaliveServer(tls=True, host="localhost") as server, measure() as seen:
        client = http.client.HTTPSConnection(server.host, server.port)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            client.request("GET", "/")
        client.close()
        server.wait_for_connections(1)
    assert seen.count == server.accepted == 1
    assert seen.exchanges == 0
    assert seen.recording.notes == ()


def test_a_tunnel_is_one_connection_to_the_origin_behind_it() -> None:
    with ConnectProxy() as proxy, KeepaliveServer(tls=True, host="localhost") as server:
        with measure() as seen:
            client = http.client.HTTPSConnection(
                proxy.host, proxy.port, context=server.client_context()
            )
            client.set_tunnel(server.host, server.port)
            for _ in range(3):
                get(client)
            client.close()
        assert server.exchanges == ((0, 0), (0, 1), (0, 2))
    assert seen.count == proxy.accepted == 1
    assert seen.exchanges == 3
    connection = only(seen)
    assert connection.origin == server.url
    assert connection.peer == ("127.0.0.1", proxy.port)
    assert seen.to(server.url).count == seen.to(proxy.url.replace("http", "https")).count == 1


def test_a_tunnel_that_is_refused_carried_nothing() -> None:
    with ConnectProxy(credentials="user:password") as proxy, measure() as seen:
        client = http.client.HTTPSConnection(proxy.host, proxy.port)
        client.set_tunnel("api.example.com", 443)
        with pytest.raises(OSError, match="407"):
            client.request("GET", "/")
    assert seen.count == proxy.accepted == 1
    assert seen.exchanges == 0
    assert seen.recording.notes == ()


def test_a_forward_proxy_carries_exchanges_of_many_origins() -> None:
    with ConnectProxy() as proxy, KeepaliveServer() as first, KeepaliveServer() as second:
        with measure() as seen:
            client = http.client.HTTPConnection(proxy.host, proxy.port)
            for server in (first, second, first):
                get(client, server.url_for("/x?key=secret"))
            client.close()
        assert (len(first.requests), len(second.requests)) == (2, 1)
    assert seen.count == proxy.accepted == 1
    assert [exchange.url for exchange in seen.exchanges] == [
        f"{first.url}/x?key=...",
        f"{second.url}/x?key=...",
        f"{first.url}/x?key=...",
    ]
    assert only(seen).origin == proxy.url
    assert seen.to(second.url).count == 1


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_requests_over_a_unix_socket_do_not_count(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = str(tmp_path_factory.mktemp("s") / "u")

    class Unix(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(path)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with measure() as seen:
            client = Unix("localhost")
            client.request("GET", "/")
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"HTTP/1.1 204 \r\n\r\n")
                assert client.getresponse().status == 204
            client.close()
    assert (seen.count, len(seen.exchanges)) == (0, 0)
    assert seen.recording.notes == ()
