"""Connections and exchanges, as they are shown to users: frozen values.

The states of a connection

| state  | means                                          | next           |
|--------|------------------------------------------------|----------------|
| NEW    | established, has carried nothing               | ACTIVE, CLOSED |
| ACTIVE | an exchange is not over                        | IDLE, CLOSED   |
| IDLE   | every exchange on it is over                   | ACTIVE, CLOSED |
| CLOSED | its socket was closed                          |                |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from pytest_keepalive._amount import count_of
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._events import Adopted, ClosedBy, Ending, Side
from pytest_keepalive._origin import Address, Origin

Item = TypeVar("Item")


class Tally(tuple[Item, ...]):
    """A tuple that also compares with a number, as its length.

    ``seen.opened == 1`` and ``len(seen.opened) == 1`` both say what they read like, and
    ``for connection in seen.opened`` works too.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return len(self) == other if isinstance(other, int) else tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    def __lt__(self, other: Any) -> bool:
        return len(self) < other if isinstance(other, int) else tuple.__lt__(self, other)

    def __le__(self, other: Any) -> bool:
        return len(self) <= other if isinstance(other, int) else tuple.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        return len(self) > other if isinstance(other, int) else tuple.__gt__(self, other)

    def __ge__(self, other: Any) -> bool:
        return len(self) >= other if isinstance(other, int) else tuple.__ge__(self, other)

    def __int__(self) -> int:
        return len(self)


class State(str, Enum):
    """Where a connection is in its life."""

    NEW = "NEW"
    ACTIVE = "ACTIVE"
    IDLE = "IDLE"
    CLOSED = "CLOSED"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """One request and its response; over HTTP/2, one stream.

    Args:
        index: Position on its connection, from 0, counted over the connection's whole life.
        connection_index: The connection's position in the recording; ``None`` where it was not
            seen which connection carried it, and ``index`` tells nothing.
        method: Such as ``GET``.
        url: Absolute, without credentials and the values of the query.
        status: Such as 200; ``None`` when no response head was seen.
        http_version: Such as ``HTTP/1.1``; ``None`` when no response head was seen.
        idle_before: How long the connection had been idle, in seconds; ``None`` for the first
            exchange, and for one that began while another was under way.
        call_site: The user's line that made the request.
        started_at: When the request began, in seconds of ``time.perf_counter``.
        head_at: When the response head came; ``None`` when it was not seen.
        ended_at: When the response had been read or was given up; ``None`` while under way.
        ending: Whether it was complete, abandoned or failed; ``None`` while under way.
        error: The name of the exception that ended it, or ``None``.
        missing: Bytes of the body that were never read, where the client can tell.
        closing: Whether the request itself said ``Connection: close``.
        expecting: Whether it said ``Expect: 100-continue``.
        has_body: Whether the request carried a body; ``None`` where not seen.
        worker: A number for the thread or the task that made it; 0 where not seen.
        will_close: Whether the response head forbade reuse; ``None`` where not seen.
        framed: Whether the head told the length of the body; ``None`` where not seen.
        headers: The few response fields that a diagnosis reads.
    """

    index: int
    connection_index: int | None
    method: str
    url: str
    status: int | None
    http_version: str | None
    idle_before: float | None
    call_site: CallSite | None
    started_at: float
    head_at: float | None = None
    ended_at: float | None = None
    ending: Ending | None = None
    error: str | None = None
    missing: int | None = None
    closing: bool = False
    expecting: bool = False
    has_body: bool | None = None
    will_close: bool | None = None
    framed: bool | None = None
    headers: tuple[tuple[str, str], ...] = ()
    worker: int = 0

    @property
    def reused(self) -> bool:
        """Whether an earlier exchange had used the connection."""
        return self.index > 0

    def header(self, name: str) -> str | None:
        """Give a response field that was kept, or ``None``.

        Args:
            name: In lower case.
        """
        return next((value for key, value in self.headers if key == name), None)

    def __repr__(self) -> str:
        answer = self.error or self.status or "no response"
        where = f"#{self.connection_index}/{self.index}"
        if self.connection_index is None:
            where = "connection not seen"
        return f"<Exchange {where} {self.method} {self.url} {answer}>"


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """One TCP connection, from connect to close, as one recording shows it.

    Args:
        index: Position in the recording, from 0.
        origin: Who the client asked for; its scheme is ``tcp`` where no client probe told.
        local: The client's end, (host, port); ``None`` where not seen.
        peer: The other end; a proxy's where one is used.
        client: The library whose API made the first request, such as ``requests``; ``None``
            where no client probe saw one.
        call_site: The user's line that made the first request, or connected.
        exchanges: What it carried in the window.
        opened_at: When it was established, in seconds of ``time.perf_counter``; ``None`` when
            that was before anybody looked.
        closed_at: When its socket was closed; ``None`` while open, or where not seen.
        closed_by: ``client`` or ``peer``, whoever closed first; ``None`` where not seen.
        close_reason: Why it ended, in words; ``None`` where not seen.
        connect_seconds: How long TCP took; ``None`` where not seen.
        handshake_seconds: How long TLS took; ``None`` where not seen.
        opened_here: Whether it was established in the recording's window.
        inherited: Whether the process that this one was forked from had opened it.
        exchanges_seen: Whether a probe watches the exchanges of this connection; when not, there
            may be more than ``exchanges``.
        asked_for: The host name that was resolved for it, or ``None``.
        observer: Who saw it connect.
        sent: Bytes of payload sent, where the kernel tells.
        received: Bytes of payload received, where the kernel tells.
        peer_closed_at: When the peer's FIN came, where the kernel tells and it was the first.
        silence: How long the peer had sent nothing when its FIN came, in seconds, where the
            kernel tells.
        resent: How often the kernel sent again what was never acknowledged, where it tells.
        heard_at: When the peer's last segment came that was no reset, where the kernel tells.
        thread: The thread that connected, 0 where not seen.
        process: The process that opened it, 0 for this one.
        process_name: That process's name, such as ``node``; empty for this one.
        adoption: The facts that the client probe stated about it, or ``None``.
        closing: The facts that the client probe stated about its close, or ``None``.
        unsent: The last request that could not be sent whole on it, or ``None``.
    """

    index: int
    origin: Origin
    local: Address | None
    peer: Address
    client: str | None = None
    call_site: CallSite | None = None
    exchanges: Tally[Exchange] = field(default_factory=Tally)
    opened_at: float | None = None
    closed_at: float | None = None
    closed_by: Side | None = None
    close_reason: str | None = None
    connect_seconds: float | None = None
    handshake_seconds: float | None = None
    opened_here: bool = True
    inherited: bool = False
    exchanges_seen: bool = True
    asked_for: str | None = None
    observer: str = "socket"
    sent: int | None = None
    received: int | None = None
    peer_closed_at: float | None = None
    silence: float | None = None
    resent: int | None = None
    heard_at: float | None = None
    thread: int = 0
    process: int = 0
    process_name: str = ""
    adoption: Adopted | None = None
    closing: ClosedBy | None = None
    unsent: Exchange | None = None

    @property
    def state(self) -> State:
        """Where it is in its life."""
        if self.closed_at is not None:
            return State.CLOSED
        if not self.exchanges:
            return State.NEW if self.opened_here else State.IDLE
        under_way = any(exchange.ended_at is None for exchange in self.exchanges)
        return State.ACTIVE if under_way else State.IDLE

    @property
    def http_version(self) -> str | None:
        """What was spoken on it, such as ``HTTP/1.1``; ``None`` before a response head."""
        versions = (exchange.http_version for exchange in reversed(self.exchanges))
        return next((version for version in versions if version), None)

    @property
    def carried_nothing(self) -> bool:
        """Whether it is known to have carried nothing at all."""
        if self.exchanges or not self.opened_here:
            return False
        return self.exchanges_seen or (self.sent == 0 and self.received == 0)

    def __repr__(self) -> str:
        spoken = self.http_version or "TCP"
        carried = count_of(len(self.exchanges), "exchange")
        if not self.exchanges_seen:
            carried = "exchanges not seen"
        return f"<Connection #{self.index} {self.origin} {spoken} {self.state} {carried}>"
