"""The connection of the same pool whose place the new one takes, and what its end shows.

Every rule of groups D to G reads the same few facts; they are named here once.
"""

from __future__ import annotations

from typing import NamedTuple

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Connection, Exchange
from pytest_keepalive._diagnosis import _ending
from pytest_keepalive._diagnosis._case import Case
from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._pool import closed_at, speaks_http2
from pytest_keepalive._diagnosis._proof import Proof
from pytest_keepalive._events import CloseTrigger, Ending

_CANCELLATIONS = ("Timeout", "Cancelled", "timeout")
_DISCONNECTIONS = frozenset(
    (
        "BrokenPipeError",
        "ClientConnectionResetError",
        "ClientOSError",
        "ConnectionAbortedError",
        "ConnectionClosedError",
        "ConnectionResetError",
        "ProtocolError",
        "ReadError",
        "RemoteDisconnected",
        "RemoteProtocolError",
        "SSLEOFError",
        "SSLZeroReturnError",
        "ServerDisconnectedError",
        "WriteError",
    )
)


class Closed(NamedTuple):
    """A connection that could have served, had it not been closed.

    Args:
        connection: It.
        last: Its last exchange, a request that could not be sent among them.
        case: What has to be explained.
    """

    connection: Connection
    last: Exchange | None
    case: Case

    @property
    def trigger(self) -> CloseTrigger | None:
        """What made its client close it."""
        return self.connection.closing.trigger if self.connection.closing else None

    @property
    def detail(self) -> str:
        """The figures that its client gave."""
        return self.connection.closing.detail if self.connection.closing else ""

    @property
    def by_peer(self) -> bool:
        """Whether the peer closed it first."""
        return _ending.closed_by_peer(self.connection)

    @property
    def hung_up(self) -> bool:
        """Whether the peer closed right behind the last response."""
        return _ending.hung_up(self.connection)

    @property
    def hung_up_unsaid(self) -> bool:
        """Whether it did so without a word; over HTTP/2 that may be a GOAWAY left unread."""
        return self.hung_up and not speaks_http2(self.connection)

    @property
    def silence(self) -> float | None:
        """How long after its last response the peer closed it, in seconds, where seen."""
        return _ending.silence_of(self.connection)

    @property
    def idle_for(self) -> float | None:
        """How long after its last response the next request came, in seconds."""
        if self.last is None or self.last.ended_at is None:
            return None
        return max(0.0, self.case.need.asked_at - self.last.ended_at)

    @property
    def failed(self) -> bool:
        """Whether its last exchange failed."""
        return self.last is not None and self.last.ending in (Ending.FAILED, Ending.UNSENT)

    @property
    def timed_out(self) -> bool:
        """Whether its last exchange ended by a timeout or a cancellation."""
        error = (self.last.error or "") if self.last else ""
        return self.failed and any(name in error for name in _CANCELLATIONS)

    @property
    def was_disconnected(self) -> bool:
        """Whether its last exchange ended because the peer was gone."""
        error = (self.last.error or "") if self.last else ""
        return self.failed and error in _DISCONNECTIONS

    def proof(
        self,
        cause: Cause,
        story: str,
        *evidence: str,
        call_site: CallSite | None = None,
    ) -> Proof:
        """State a cause with its evidence; empty sentences are left out."""
        site = call_site or (self.last.call_site if self.last else None)
        told = tuple(sentence for sentence in evidence if sentence)
        return Proof(cause, self.connection, told, story, site or self.case.now.call_site)


def closed_before(case: Case) -> Closed | None:
    """Give the connection whose place the new one takes, if there is one."""
    connection = case.pool.lost
    if connection is None and not case.is_of_same_pool and case.is_of_same_client:
        # A client with a new pool for the same: its old connection might have served as well.
        ended = closed_at(case.predecessor)
        connection = case.predecessor if ended is not None and ended <= case.at else None
    if connection is None or case.is_first_there:
        return None
    return Closed(connection, _ending.last_exchange(connection), case)


def told(exchange: Exchange) -> str:
    """Tell which exchange is meant."""
    return f"{exchange.method} {exchange.url} (#{exchange.connection_index}/{exchange.index})"
