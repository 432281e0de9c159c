"""Where the server listens, and what it calls itself."""

from __future__ import annotations

import socket

import pytest

from pytest_keepalive._server import KeepaliveServer

from .raw_client import RawClient


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 loopback here")


def test_by_default_it_is_an_ipv4_address_and_a_free_port(server: KeepaliveServer) -> None:
    assert server.host == "127.0.0.1"
    assert server.port > 0
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.url_for("/a?b") == f"{server.url}/a?b"


@needs_ipv6
def test_an_ipv6_address_is_in_brackets() -> None:
    with KeepaliveServer(host="::1") as server, RawClient(server) as client:
        assert server.url == f"http://[::1]:{server.port}"
        assert client.get().status == 200
        assert server.connections[0].peer == ("::1", client.local[1])


@needs_ipv6
def test_tls_goes_over_ipv6() -> None:
    server = KeepaliveServer(host="::1", tls=True)
    with server, RawClient(server, server.client_context()) as client:
        assert client.get().status == 200


def test_localhost_is_a_name_for_the_ipv4_address() -> None:
    with KeepaliveServer(host="localhost") as server:
        assert server.url == f"http://localhost:{server.port}"
        with socket.create_connection(("127.0.0.1", server.port)):
            server.wait_for_connections(1)


@needs_ipv6
def test_localhost_does_not_listen_on_ipv6() -> None:
    with KeepaliveServer(host="localhost") as server, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("::1", server.port))


def test_a_port_may_be_asked_for() -> None:
    with KeepaliveServer() as server:
        port = server.port
    with KeepaliveServer(port=port) as again:
        assert again.port == port


def test_a_port_that_is_taken_is_an_error(server: KeepaliveServer) -> None:
    other = KeepaliveServer(port=server.port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    other.close()


def test_a_server_that_was_not_started_has_no_url() -> None:
    with pytest.raises(RuntimeError, match="start it first, or use it in a with statement"):
        _ = KeepaliveServer().url


@pytest.mark.parametrize("path", ["here", "", None])
def test_a_url_is_for_a_path(server: KeepaliveServer, path: str) -> None:
    with pytest.raises(ValueError, match="path must begin with '/'"):
        server.url_for(path)
