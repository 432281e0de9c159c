"""Plain sockets that connect to the server of a test, and are let go of."""

from __future__ import annotations

import gc
import socket

from pytest_keepalive._server import KeepaliveServer

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def address_of(server: KeepaliveServer) -> tuple[str, int]:
    return "127.0.0.1", server.port


def connect(server: KeepaliveServer) -> socket.socket:
    return socket.create_connection(address_of(server), timeout=5)


def drop(client: object) -> None:
    del client
    gc.collect()
