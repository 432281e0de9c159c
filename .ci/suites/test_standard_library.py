"""What works where no client library is installed: the standard library's client is measured.

The server is not the plugin's own, which needs httpx's parser.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pytest_keepalive import ConnectionCounter, ConnectionLimitExceeded


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def get(client: http.client.HTTPConnection) -> None:
    client.request("GET", "/")
    assert client.getresponse().read() == b"ok"


@pytest.mark.single_connection(requests=3)
def test_one_client_has_one_connection(port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(3):
        get(client)
    client.close()


@pytest.mark.xfail(raises=ConnectionLimitExceeded, strict=True)
@pytest.mark.single_connection
def test_a_client_per_call_is_caught(port: int) -> None:
    for _ in range(3):
        client = http.client.HTTPConnection("127.0.0.1", port)
        get(client)
        client.close()


def test_the_counter_counts(port: int, connection_counter: ConnectionCounter) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port)
    get(client)
    client.close()
    connection_counter.assert_single(requests=1)
