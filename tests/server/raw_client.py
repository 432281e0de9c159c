"""A client on a bare socket: one connection, and nothing done that the test did not write."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from typing import IO, Any, NamedTuple, cast

from pytest_keepalive._server import ConnectProxy, KeepaliveServer

TIMEOUT = 5.0


class Response(NamedTuple):
    status: int
    version: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str | None:
        return self.headers.get(name)


class _Borrowed:
    """Lends the reader of a connection to a response, which would otherwise make its own."""

    def __init__(self, reader: IO[bytes]) -> None:
        self._reader = reader

    def makefile(self, *args: object, **kwargs: object) -> _Borrowed:
        return self

    def close(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class RawClient:
    def __init__(
        self, server: KeepaliveServer | ConnectProxy, context: ssl.SSLContext | None = None
    ) -> None:
        self.sock: socket.socket = socket.create_connection((server.host, server.port), TIMEOUT)
        self.local = self.sock.getsockname()[:2]
        if context is not None:
            self.sock = self._wrap(context, server.host)
        self.reader: io.BufferedReader = self.sock.makefile("rb")

    def _wrap(self, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
        try:
            # An end that was not notified is an error, so that a polite close can be told.
            return context.wrap_socket(self.sock, server_hostname=host, suppress_ragged_eofs=False)
        except OSError:
            self.sock.close()
            raise

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(
        self,
        target: str = "/",
        *fields: str,
        method: str = "GET",
        version: str = "1.1",
        body: bytes | None = None,
    ) -> None:
        lines = [f"{method} {target} HTTP/{version}", "Host: test", *fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    def read(self, method: str = "GET") -> Response:
        with http.client.HTTPResponse(cast(Any, _Borrowed(self.reader)), method=method) as response:
            response.begin()
            body = response.read()
        headers = response.headers
        return Response(response.status, response.version, response.reason, headers, body)

    def get(
        self,
        target: str = "/",
        *fields: str,
        method: str = "GET",
        version: str = "1.1",
        body: bytes | None = None,
    ) -> Response:
        self.ask(target, *fields, method=method, version=version, body=body)
        return self.read(method)

    def at_eof(self) -> bool:
        """Whether the server closed politely, having sent nothing more."""
        return self.reader.read(1) == b""

    def read_to_end(self) -> bytes:
        return self.reader.read()

    def read_to_chunk_end(self) -> bytes:
        """Read up to the last chunk of a body."""
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += self.sock.recv(65536)
        return received

    def close(self) -> None:
        self.reader.close()
        self.sock.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
