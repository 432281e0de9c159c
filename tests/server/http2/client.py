"""An HTTP/2 client on a bare socket, by prior knowledge, that shows each event."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import h2.events

from pytest_keepalive._server import KeepaliveServer

from ..raw_client import RawClient

Event = h2.events.Event


class Http2Client:
    def __init__(self, server: KeepaliveServer) -> None:
        self.raw = RawClient(server)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()
        self._kept: list[Event] = []

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.raw.send(data)

    def ask(
        self, path: str = "/", *, method: str = "GET", end: bool = True, flush: bool = True
    ) -> int:
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":authority", "test"), (":scheme", "http"), (":path", path)]
        self.h2.send_headers(stream, head, end)
        if flush:
            self.flush()
        return int(stream)

    def send(self, stream: int, data: bytes, *, end: bool = True) -> None:
        self.h2.send_data(stream, data, end)
        self.flush()

    def wait_for(self, kind: type[Event], stream: int | None = None) -> Any:
        """Read until an event of a kind comes, on a stream if one is given."""
        while True:
            for event in self._kept:
                if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                    self._kept.remove(event)
                    return event
            data = self.raw.sock.recv(65536)
            assert data, f"closed before {kind.__name__}"
            self._kept += self.h2.receive_data(data)
            self.flush()

    def read(self, stream: int) -> tuple[dict[str, str], bytes]:
        headers = dict(self.wait_for(h2.events.ResponseReceived, stream).headers)
        body = b""
        self.wait_for(h2.events.StreamEnded, stream)
        for event in list(self._kept):
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                body += event.data
                self._kept.remove(event)
        return headers, body

    def at_eof(self) -> bool:
        while data := self.raw.sock.recv(65536):
            self._kept += self.h2.receive_data(data)
        return True

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.raw.close()
