"""A server that takes every connection to WebSocket (RFC 6455), and counts what it accepts."""

from __future__ import annotations

import socket
from base64 import b64encode
from contextlib import suppress
from hashlib import sha1
from threading import Thread

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE = 8


class UpgradingServer:
    """Answers each connection with 101, then gives every frame back, the closing one too."""

    def __init__(self) -> None:
        self.accepted = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._run, daemon=True)
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}/"

    def __enter__(self) -> UpgradingServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            with connection, suppress(ConnectionError, EOFError):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            key = b""
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                key = value.strip() if name.lower() == b"sec-websocket-key" else key
            accept = b64encode(sha1(key + _GUID).digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            while len(head := stream.read(2)) == 2:
                mask, size = stream.read(4), head[1] & 127
                data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(stream.read(size)))
                connection.sendall(bytes((head[0], size)) + data)
                if head[0] & 15 == _CLOSE:
                    return
