"""A client that pytest-keepalive has never heard of: it speaks HTTP over a socket of its own."""

from __future__ import annotations

import socket


class ToyClient:
    """Sends requests over one connection.

    Args:
        host: A name or an address.
        port: A TCP port.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.socket = socket.create_connection((host, port), timeout=5)

    def get(self, path: str) -> int:
        """Ask for a path, and give the status of the answer."""
        request = f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n"
        self.socket.sendall(request.encode("ascii"))
        answer = self.socket.makefile("rb")
        status = int(answer.readline().split()[1])
        length = 0
        while (line := answer.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        answer.read(length)
        answer.close()
        return status

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
