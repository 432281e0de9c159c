"""What the server saw: accepted connections, and the requests that each of them carried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from pytest_keepalive._origin import Address
from pytest_keepalive._server._messages import Headers, header_of

Side = Literal["client", "server"]


class RecordedRequest(NamedTuple):
    """One request as it was received.

    Args:
        connection_index: The position of its connection in order of accept.
        exchange_index: Its position on that connection; above 0, the connection was reused.
        method: Such as ``GET``.
        target: As sent, with the query.
        path: The target without the query.
        headers: Pairs in the order and case of the wire.
        body: Empty until it was read to its end.
        http_version: ``1.0``, ``1.1`` or ``2``.
        peer: The client's address.
        received_at: When its head had come, in seconds of ``time.monotonic``.
        complete: Whether its body was read to its end.
    """

    connection_index: int
    exchange_index: int
    method: str
    target: str
    path: str
    headers: Headers
    body: bytes
    http_version: str
    peer: Address
    received_at: float
    complete: bool

    @property
    def reused(self) -> bool:
        """Whether an earlier exchange went over the same connection."""
        return self.exchange_index > 0

    def header(self, name: str) -> str | None:
        """Give the value of the first field of a name, in whatever case."""
        return header_of(self.headers, name.lower())

    def __repr__(self) -> str:
        place = f"connection {self.connection_index}, exchange {self.exchange_index}"
        size = f", {len(self.body)} bytes" if self.body else ""
        state = "" if self.complete else ", incomplete"
        return f"<RecordedRequest {self.method} {self.target}: {place}{size}{state}>"


@dataclass(frozen=True, slots=True, repr=False)
class AcceptedConnection:
    """One accepted connection.

    Args:
        index: Its position in order of accept.
        peer: The client's address.
        accepted_at: In seconds of ``time.monotonic``.
        requests: What it carried, in order.
        closed_at: In seconds of ``time.monotonic``; ``None`` while open.
        closed_by: Who closed first, ``client`` or ``server``; ``None`` while open.
        close_reason: Why, in words; empty while open.
        handshaken: Whether the TLS handshake succeeded; ``None`` without TLS.
    """

    index: int
    peer: Address
    accepted_at: float
    requests: tuple[RecordedRequest, ...]
    closed_at: float | None
    closed_by: Side | None
    close_reason: str
    handshaken: bool | None

    @property
    def is_open(self) -> bool:
        """Whether neither side is known to have closed it."""
        return self.closed_at is None

    def __repr__(self) -> str:
        carried = len(self.requests)
        noun = "exchange" if carried == 1 else "exchanges"
        ending = "open" if self.is_open else f"closed by {self.closed_by} ({self.close_reason})"
        handshake = "" if self.handshaken is not False else ", no TLS handshake"
        host, port = self.peer
        return (
            f"<AcceptedConnection {self.index} from {host}:{port}: "
            f"{carried} {noun}{handshake}, {ending}>"
        )
