"""TLS: real handshakes against a certificate that is verified."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Iterator

import pytest

from pytest_keepalive._server import Fault, KeepaliveServer

from .raw_client import RawClient


@pytest.fixture
def server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer(tls=True) as server:
        yield server


@pytest.fixture
def client(server: KeepaliveServer) -> Iterator[RawClient]:
    with RawClient(server, server.client_context()) as client:
        yield client


def test_requests_go_over_one_handshake(server: KeepaliveServer, client: RawClient) -> None:
    assert server.url == f"https://127.0.0.1:{server.port}"
    assert [client.get().body for _ in range(3)] == [b"ok"] * 3
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))
    assert server.connections[0].handshaken is True


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2"])
def test_the_certificate_is_for_the_host(host: str) -> None:
    if host == "127.0.0.2" and sys.platform != "linux":
        pytest.skip("only Linux has all of 127/8")
    with KeepaliveServer(tls=True, host=host) as server:
        context = server.client_context()
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        with RawClient(server, context) as client:
            assert client.get().status == 200


def test_one_authority_vouches_for_every_server(server: KeepaliveServer) -> None:
    with KeepaliveServer(tls=True) as other, RawClient(other, server.client_context()) as client:
        assert client.get().status == 200
    assert other.authority_pem == server.authority_pem


def test_the_authority_can_be_had_as_a_file_until_close() -> None:
    with KeepaliveServer(tls=True) as server:
        assert server.ca_file == server.ca_file
        with open(server.ca_file) as file:
            assert file.read() == server.authority_pem
        context = ssl.create_default_context(cafile=server.ca_file)
        with RawClient(server, context) as client:
            assert client.get().status == 200
        path = server.ca_file
    assert not os.path.exists(path)
    with pytest.raises(RuntimeError, match="the authority's file is gone"):
        _ = server.ca_file
    server.close()


def test_a_client_that_trusts_others_counts_but_does_not_shake_hands(
    server: KeepaliveServer,
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        RawClient(server, ssl.create_default_context())
    server.wait_until_closed(1)
    (connection,) = server.connections
    assert (connection.handshaken, connection.closed_by) == (False, "client")
    assert connection.close_reason.startswith("TLS handshake failed: ")
    assert ", no TLS handshake, closed by client" in repr(connection)


def test_plain_text_to_a_tls_server_counts_but_is_no_exchange(server: KeepaliveServer) -> None:
    with RawClient(server) as client:
        client.ask()
        server.wait_until_closed(1)
    assert (server.accepted, len(server.exchanges)) == (1, 0)
    assert server.connections[0].handshaken is False


def test_a_close_is_notified_so_that_truncation_can_be_told(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/eof", framing="eof")
    client.ask("/eof")
    assert client.read_to_end().endswith(b"ok")


def test_a_reset_is_not_notified(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/reset", reset="before_head")
    client.ask("/reset")
    # OpenSSL 3 tells Python of a reset as of an end without notice.
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        client.sock.recv(1)


def test_an_early_rejection_lingers_over_tls_too(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/upload", 413, read_body=False)
    client.ask("/upload", "Content-Length: 1000000", method="POST")
    assert client.read().status == 413
    client.send(b"x" * 300_000)
    client.close()
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "server"


def test_idle_connections_are_dropped_over_tls_too(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.get()
    assert server.drop_idle() == 1
    assert client.at_eof()


def test_a_fault_on_accept_comes_before_the_handshake(server: KeepaliveServer) -> None:
    server.on_accept(Fault("close", "on_accept"))
    with pytest.raises(OSError, match=r"EOF|reset"):
        RawClient(server, server.client_context())
    server.wait_until_closed(1)
    assert server.connections[0].handshaken is False


def test_closing_ends_a_handshake_that_never_came() -> None:
    with KeepaliveServer(tls=True) as server:
        sock = socket.create_connection((server.host, server.port))
        server.wait_for_connections(1)
    with sock:
        assert server.connections[0].close_reason == "the server was closed"


def test_without_tls_there_is_no_authority() -> None:
    server = KeepaliveServer()
    for ask in (
        lambda: server.authority_pem,
        lambda: server.ca_file,
        server.client_context,
    ):
        with pytest.raises(RuntimeError, match="speaks no TLS: make it with tls=True"):
            ask()


def test_without_trustme_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_keepalive._server import _authority

    monkeypatch.setattr(_authority, "_authority", _authority._authority.__wrapped__)
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match=r"pip install pytest-keepalive\[tls\]"):
        KeepaliveServer(tls=True)


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the system holds nothing back")
def test_who_reads_the_end_of_tls_has_the_end_of_the_connection_too(
    server: KeepaliveServer,
) -> None:
    server.reply("/", framing="eof")
    context = server.client_context()
    for _ in range(100):
        raw = socket.create_connection((server.host, server.port))
        with context.wrap_socket(raw, server_hostname=server.host) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n")
            while tls.recv(4096):
                pass
            tls.setblocking(False)
            assert socket.SocketType.recv(tls, 1, socket.MSG_PEEK) == b""
