"""Clients of httpx on our transport: TLS, HTTP/2, proxies and Unix sockets."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

import httpx
import pytest

from pytest_keepalive._connection import State
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._server import ConnectProxy, KeepaliveServer
from tests.transports.side_by_side import run, run_both


def test_tls_is_measured() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        transport = seen.httpx_transport(verify=server.client_context())
        with httpx.Client(transport=transport) as client:
            client.get(server.url)
            client.get(server.url)

    seen = run_both(scenario, tls=True)

    (connection,) = seen.recording.connections
    assert connection.origin.scheme == "https"
    assert connection.handshake_seconds is not None
    assert seen.places == list(seen.exchanges)


def test_a_handshake_that_fails_is_a_connection_that_carried_nothing() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> tuple[str, int]:
        with (
            httpx.Client(transport=seen.httpx_transport(verify=ssl.create_default_context())) as c,
            pytest.raises(httpx.ConnectError) as raised,
        ):
            c.get(server.url)
        return type(raised.value).__name__, len(seen.connections)

    patched = run(scenario, KeepaliveServer(tls=True), patch=True)
    unpatched = run(scenario, KeepaliveServer(tls=True), patch=False)

    assert unpatched.result == patched.result == ("ConnectError", 1)
    (connection,) = unpatched.recording.connections
    assert connection.exchanges == 0
    assert connection.state is State.CLOSED


@pytest.mark.parametrize("tls", [True, False], ids=["by ALPN", "by prior knowledge"])
def test_http_2_is_one_connection(tls: bool) -> None:
    pytest.importorskip("h2")

    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        verify = server.client_context() if tls else True
        transport = seen.httpx_transport(verify=verify, http1=tls, http2=True)
        with httpx.Client(transport=transport) as client:
            for _ in range(3):
                client.post(server.url, content=b"x" * 100)

    seen = run_both(scenario, tls=tls, http2=True)

    assert seen.accepted == 1
    assert seen.recording.connections[0].http_version == "HTTP/2"
    assert seen.places == list(seen.exchanges) == [(0, 0), (0, 1), (0, 2)]


def test_requests_through_a_forward_proxy_are_on_the_proxys_connection() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with ConnectProxy() as proxy:
            transport = seen.httpx_transport(proxy=httpx.Proxy(proxy.url))
            with httpx.Client(transport=transport) as client:
                client.get(server.url_for("/a"))
                client.get(server.url_for("/b"))

    seen = run_both(scenario)

    assert [each.reused for each in seen.recording.exchanges] == [False, True]


def test_a_connect_to_a_proxy_is_no_exchange() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with ConnectProxy() as proxy:
            transport = seen.httpx_transport(
                proxy=httpx.Proxy(proxy.url), verify=server.client_context()
            )
            with httpx.Client(transport=transport) as client:
                client.get(server.url_for("/a"))
                client.get(server.url_for("/b"))

    seen = run_both(scenario, tls=True)

    assert [each.method for each in seen.recording.exchanges] == ["GET", "GET"]
    assert seen.recording.count == seen.accepted == 1


def test_a_refused_connect_to_a_proxy_leaves_no_exchange() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> str:
        with ConnectProxy(credentials="user:password") as proxy:
            transport = seen.httpx_transport(proxy=httpx.Proxy(proxy.url))
            with httpx.Client(transport=transport) as client, pytest.raises(httpx.ProxyError) as e:
                client.get(server.url)
        return repr(e.value)

    seen = run_both(scenario, tls=True)

    assert seen.recording.count == 1
    assert seen.recording.exchanges == 0


def test_a_unix_socket_does_not_count(unpatched: ConnectionCounter, tmp_path: Any) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("no Unix sockets here")
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        answering = threading.Thread(target=_answer_once, args=(listener,))
        answering.start()
        with httpx.Client(transport=unpatched.httpx_transport(uds=path)) as client:
            assert client.get("http://there/").status_code == 204
        answering.join()

    assert unpatched.connections == unpatched.attempts == 0


def _answer_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
