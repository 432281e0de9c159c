"""The proxy: tunnels, forwarded requests, and what it counts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest

from pytest_keepalive import measure
from pytest_keepalive._instruments import instruments
from pytest_keepalive._own_connects import own_connects
from pytest_keepalive._server import ConnectProxy, Fault, KeepaliveServer, Reply

from .raw_client import RawClient


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy() as proxy:
        yield proxy


@pytest.fixture
def client(proxy: ConnectProxy) -> Iterator[RawClient]:
    with RawClient(proxy) as client:
        yield client


def _authority(server: KeepaliveServer) -> str:
    return f"{server.host}:{server.port}"


def _tunnel(client: RawClient, server: KeepaliveServer) -> None:
    client.ask(_authority(server), method="CONNECT")
    line = client.reader.readline()
    assert line == b"HTTP/1.1 200 Connection established\r\n"
    assert client.reader.readline() == b"\r\n"


def test_a_tunnel_is_one_connection_at_both_ends(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    _tunnel(client, server)
    assert [client.get().body for _ in range(3)] == [b"ok"] * 3
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))
    assert proxy.exchanges == ((0, 0),)
    assert (proxy.requests[0].method, proxy.requests[0].target) == ("CONNECT", _authority(server))
    client.close()
    proxy.wait_until_closed(1)
    server.wait_until_closed(1)
    assert proxy.connections[0].closed_by == "client"
    assert proxy.connections[0].close_reason == "end of the tunnel"


def test_what_the_proxy_connects_is_accounted_for_and_no_clients(
    proxy: ConnectProxy, server: KeepaliveServer
) -> None:
    with measure() as seen:
        before = instruments._readings.look().attributed
        with RawClient(proxy) as client:
            _tunnel(client, server)
            assert client.get().body == b"ok"
        assert instruments._readings.look().attributed == before + 2
    assert (seen.count, proxy.accepted, server.accepted) == (1, 1, 1)


def test_a_connect_of_the_proxy_is_told_by_its_thread_and_its_time(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    _tunnel(client, server)
    (own,) = tuple(own_connects._made)[-1:]
    server.wait_for_connections(1)
    assert own.local == server.connections[0].peer
    assert own.called_at < own.returned_at < perf_counter()
    assert own_connects.include(own.thread, own.called_at)
    assert not own_connects.include(own.thread, own.returned_at + 1e-6)
    assert not own_connects.include(own.thread + 1, own.called_at)


def test_a_tunnel_carries_tls(proxy: ConnectProxy, client: RawClient) -> None:
    with KeepaliveServer(tls=True) as server:
        _tunnel(client, server)
        context = server.client_context()
        with context.wrap_socket(client.sock, server_hostname=server.host) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert tls.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_what_came_with_the_connect_goes_into_the_tunnel(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    connect = f"CONNECT {_authority(server)} HTTP/1.1\r\nHost: x\r\n\r\n"
    client.send(connect.encode() + b"GET /early HTTP/1.1\r\nHost: x\r\n\r\n")
    server.wait_for_requests(1)
    assert server.requests[0].path == "/early"


def test_the_server_may_end_a_tunnel(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    _tunnel(client, server)
    assert client.get("/", "Connection: close").status == 200
    assert client.at_eof()
    client.close()
    proxy.wait_until_closed(1)
    assert proxy.connections[0].closed_by == "server"


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_ends_a_tunnel(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient, who: str
) -> None:
    server.reply("/reset", reset="before_head")
    server.reply("/large", body=b"x" * 5_000_000)
    _tunnel(client, server)
    client.ask("/reset" if who == "server" else "/large")
    server.wait_for_requests(1)
    if who == "server":
        assert client.sock.recv(1) == b""
    client.close()
    proxy.wait_until_closed(1)
    server.wait_until_closed(1)
    assert proxy.connections[0].closed_by == who
    assert proxy.connections[0].close_reason == "end of the tunnel"


def test_forwarded_requests_share_a_connection_upstream(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    for _ in range(2):
        response = client.get(f"{server.url}/path?q", "Proxy-Connection: x", "X: 1")
        assert response.body == b"ok"
    assert proxy.exchanges == server.exchanges == ((0, 0), (0, 1))
    assert proxy.requests[0].target == f"{server.url}/path?q"
    assert server.requests[0].target == "/path?q"
    assert server.requests[0].headers == (("Host", "test"), ("X", "1"))


def test_forwarded_bodies_arrive_at_both_ends(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    server.route("/echo", Reply.echoing(framing="chunked"))
    url = f"{server.url}/echo"
    assert client.get(url, method="POST", body=b"hello").body == b"hello"
    client.ask(url, "Transfer-Encoding: chunked", "Expect: 100-continue", method="POST")
    assert client.reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert client.reader.readline() == b"\r\n"
    client.send(b"2\r\nhi\r\n0\r\n\r\n")
    assert client.read().body == b"hi"
    assert [request.body for request in proxy.requests] == [b"hello", b"hi"]
    assert server.requests[1].header("Content-Length") == "2"


@pytest.mark.parametrize("framing", ["length", "eof"])
def test_when_upstream_closes_after_its_response_so_does_the_proxy(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient, framing: str
) -> None:
    server.reply("/last", framing=framing, keep_alive=False)
    assert client.get(f"{server.url}/last").body == b"ok"
    assert client.at_eof()
    proxy.wait_until_closed(1)
    assert proxy.connections[0].close_reason == "upstream closes after its response"


def test_when_upstream_answers_nothing_the_proxy_closes(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/none", close="before_head")
    client.ask(f"{server.url}/none")
    assert client.at_eof()
    proxy.wait_until_closed(1)
    assert proxy.connections[0].close_reason == "upstream closed"


def test_a_url_without_a_path_asks_for_the_root(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient
) -> None:
    assert client.get(server.url).status == 200
    assert server.requests[0].target == "/"


def test_what_is_no_request_to_a_proxy_is_refused(proxy: ConnectProxy, client: RawClient) -> None:
    assert client.get("/").status == 400
    assert client.get("/", method="POST", body=b"x").status == 400
    assert proxy.exchanges == ((0, 0), (0, 1))


def test_an_upstream_that_cannot_be_reached_is_502(proxy: ConnectProxy, client: RawClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert client.get(f"http://127.0.0.1:{port}/").status == 502
    assert client.get(f"127.0.0.1:{port}", method="PUT").status == 400
    client.ask("127.0.0.1:port", method="CONNECT")
    assert client.read().status == 502


def test_credentials_may_be_asked_for(server: KeepaliveServer) -> None:
    with ConnectProxy(credentials="user:secret") as proxy, RawClient(proxy) as client:
        refused = client.get(f"{server.url}/")
        assert refused.status == 407
        assert refused.header("Proxy-Authenticate") == 'Basic realm="proxy"'
        field = "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ="
        assert client.get(f"{server.url}/", field).status == 200
    assert server.requests[0].header("Proxy-Authorization") is None
    assert proxy.exchanges == ((0, 0), (0, 1))


def test_every_name_may_lead_to_one_upstream(server: KeepaliveServer) -> None:
    upstream = (server.host, server.port)
    with ConnectProxy(upstream=upstream) as proxy, RawClient(proxy) as client:
        assert client.get("http://api.example.test/a").status == 200
        assert client.get("http://www.example.test:8080/b").status == 200
    assert server.exchanges == ((0, 0), (1, 0))


def test_an_idle_connection_to_the_proxy_is_closed() -> None:
    with ConnectProxy(idle_timeout=0.02) as proxy, RawClient(proxy) as client:
        assert client.at_eof()


def test_faults_strike_on_accept_here_too(proxy: ConnectProxy) -> None:
    proxy.on_accept(Fault("close", "on_accept"))
    with RawClient(proxy) as client:
        assert client.at_eof()


@pytest.mark.parametrize("path", ["/stall", "/large"])
def test_closing_the_proxy_ends_its_tunnels(
    proxy: ConnectProxy, server: KeepaliveServer, client: RawClient, path: str
) -> None:
    server.reply("/stall", stall="before_head")
    server.reply("/large", body=b"x" * 20_000_000)
    _tunnel(client, server)
    client.ask(path)
    server.wait_for_requests(1)
    proxy.close()
    server.wait_until_closed(1)
    assert proxy.connections[0].close_reason == "the server was closed"


def test_closing_the_proxy_ends_what_upstream_will_not_take(proxy: ConnectProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        with RawClient(proxy) as client:
            client.ask(f"127.0.0.1:{port}", method="CONNECT")
            assert client.sock.recv(65536).startswith(b"HTTP/1.1 200 ")
            client.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.send(b"x" * 50_000_000)
            proxy.close()


def test_the_proxy_s_own_connections_go_past_the_probes(
    proxy: ConnectProxy,
    server: KeepaliveServer,
    client: RawClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected: list[str] = []

    def connect(self: socket.socket, address: Any) -> None:
        connected.append(threading.current_thread().name)
        socket.SocketType.connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect, raising=False)
    assert client.get(f"{server.url}/").status == 200
    assert connected == []
    RawClient(proxy).close()
    assert len(connected) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"upstream": "host:1"}, TypeError, "upstream must be a pair of host and port"),
        ({"upstream": (1, 2)}, TypeError, "upstream must be a pair of host and port"),
        ({"upstream": ("host", 0)}, ValueError, "the port of upstream must be from 1 to 65535"),
        ({"credentials": 1}, TypeError, "credentials must be text, not 1"),
        ({"credentials": "user"}, ValueError, "credentials must be 'user:password'"),
        ({"host": "example.test"}, ValueError, "a loopback address"),
        ({"idle_timeout": 0}, ValueError, "idle_timeout must be above zero"),
    ],
)
def test_a_proxy_checks_its_arguments(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ConnectProxy(**arguments)
