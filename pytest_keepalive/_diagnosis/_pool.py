"""What a pool had to one origin when it opened a connection: in use, idle, or lost.

Rules
1. A connection is in use from the begin of an exchange to its end, or for good when that never
   comes; a new one from the begin of its connect, since a request waited for it.
2. One that was taken for another request before the connect was done counts as in use, and so
   does one that another thread or task was just putting back, or had taken and not yet begun to
   use: no pool gives out any of them.
3. One that was closed is lost until another takes its place: each explains one new connection,
   the latest first.
4. One that was thrown away is forgotten when the pool loses an idle one by time: it would have
   gone the same way.
5. One that was in use for the very thread or task that asks, and is closed behind that use, is
   as good as lost: whoever asks again has had the response.
6. Moments are asked for in their order, but for a few that threads mix up; what has ended is not
   looked at again, so that a pool of ten thousand is as quick as one of ten.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import islice
from math import inf
from typing import NamedTuple

from pytest_keepalive._connection import Connection, Exchange
from pytest_keepalive._events import CloseTrigger, Ending, Side

# How long it may take to put a connection back behind its exchange, or to begin one on what was
# taken, on a machine under load.
_PUTTING_BACK = _BEGINNING = 0.1
# How many of the responses that one thread or task holds are looked at.
_MOST_HELD = 8
_BEHIND_A_RESPONSE = frozenset((CloseTrigger.SERVER_SAID_CLOSE, CloseTrigger.FAILED))
_BY_TIME = frozenset((CloseTrigger.DROPPED, CloseTrigger.EXPIRED))


class Need(NamedTuple):
    """Why and when a pool opened a connection.

    Args:
        asked_at: When the request began, in seconds.
        at: When the connect began.
        until: When the connection was established.
        worker: The thread or task of the request, 0 where not seen.
    """

    asked_at: float
    at: float
    until: float
    worker: int


class Seen(NamedTuple):
    """What a pool had at one moment.

    Args:
        newest: The connection that it opened last.
        spare: One that was open, idle, and there to be used.
        in_use: How many were in use.
        latest_use: The one of them that was put to use last, and its exchange.
        held: One of them whose response had come, and which the same thread or task that asked
            for another connection never read to its end.
        lost: The one that was closed last, unless another took its place before.
        shareable: The open one that was the first to have agreed on HTTP/2, or will be.
    """

    newest: Connection | None = None
    spare: Connection | None = None
    in_use: int = 0
    latest_use: tuple[Connection, Exchange] | None = None
    held: tuple[Connection, Exchange] | None = None
    lost: Connection | None = None
    shareable: Connection | None = None


NOTHING_SEEN = Seen()
Use = tuple[Connection, Exchange]


class _Member:
    """A connection of the pool, and how far its story was followed."""

    __slots__ = ("connection", "gone", "idle_since", "position", "use")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.position = 0
        self.use: Exchange | None = None
        self.idle_since = -inf
        self.gone = False

    @property
    def next_use(self) -> Exchange | None:
        """The exchange that follows."""
        exchanges = self.connection.exchanges
        return exchanges[self.position] if self.position < len(exchanges) else None

    def is_being_put_back(self, need: Need) -> bool:
        """Tell whether its exchange had only just ended, for another thread or task (rule 2)."""
        if self.position == 0 or need.asked_at - self.idle_since > _PUTTING_BACK:
            return False
        return self.connection.exchanges[self.position - 1].worker != need.worker


class Pool:
    """The connections of one pool to one origin, in the order in which they were opened.

    Attributes:
        newest: The one that was opened last.
    """

    def __init__(self) -> None:
        self.newest: Connection | None = None
        self._open = 0
        self._busy: dict[_Member, None] = {}
        self._changes: list[tuple[float, int, _Member]] = []
        self._closes: list[tuple[float, int, _Member]] = []
        self._idle: list[tuple[float, int, int, _Member]] = []
        self._held: dict[int, list[tuple[_Member, Exchange]]] = {}
        self._lost: list[Connection] = []
        self._shareable: list[tuple[float, int, _Member]] = []

    def add(self, connection: Connection) -> None:
        """Note that it has opened another one, or that another one was there before."""
        self.newest = connection
        member = _Member(connection)
        closed = closed_at(connection)
        if closed is not None:
            heappush(self._closes, (closed, connection.index, member))
        if not connection.exchanges:
            # It waits for nothing that could be seen, and nothing could be sent on it.
            return
        if speaks_http2(connection):
            heappush(self._shareable, (ready_at(connection), connection.index, member))
        self._open += 1
        if connection.opened_here and not connection.exchanges[0].reused:
            self._use(member)
        else:
            self._rest(member)

    def look(self, need: Need) -> Seen:
        """Tell what it had when a connection was opened."""
        self._advance(need)
        spare, taken = self._spare_for(need)
        held = self._held_by(need)
        lost = None
        if held is None:
            lost = self._lost.pop() if self._lost else self._leaving(need)
        latest = next(reversed(self._busy), None)
        use = None if latest is None or latest.use is None else (latest.connection, latest.use)
        in_use = self._open if spare is None else len(self._busy)
        return Seen(self.newest, spare, in_use, use or taken, held, lost, self._first_shareable())

    def _first_shareable(self) -> Connection | None:
        while self._shareable and self._shareable[0][2].gone:
            heappop(self._shareable)
        return self._shareable[0][2].connection if self._shareable else None

    def _advance(self, need: Need) -> None:
        while self._closes and self._closes[0][0] <= need.at:
            self._close(heappop(self._closes)[2])
        while self._changes and self._changes[0][0] <= need.asked_at:
            at, _, member = heappop(self._changes)
            if member.gone:
                continue
            if member.use is None:
                self._use(member)
            else:
                member.idle_since = at
                self._rest(member)

    def _use(self, member: _Member) -> None:
        exchange = member.use = member.next_use
        assert exchange is not None
        member.position += 1
        self._busy[member] = None
        self._change(member, exchange.ended_at)
        if exchange.ending is not Ending.COMPLETE and exchange.error is None:
            self._held.setdefault(exchange.worker, []).append((member, exchange))

    def _rest(self, member: _Member) -> None:
        member.use = None
        self._busy.pop(member, None)
        following = member.next_use
        starts_at = inf if following is None else following.started_at
        self._change(member, starts_at)
        heappush(self._idle, (-starts_at, member.connection.index, member.position, member))

    def _change(self, member: _Member, at: float | None) -> None:
        if at is not None and at != inf:
            heappush(self._changes, (at, member.connection.index, member))

    def _leaving(self, need: Need) -> Connection | None:
        for member in islice(reversed(self._busy), _MOST_HELD):
            if need.worker and _has_served(member, need):
                self._close(member)
                return self._lost.pop()
        return None

    def _close(self, member: _Member) -> None:
        if member.gone:
            return
        member.gone = True
        self._busy.pop(member, None)
        if member.connection.exchanges:
            self._open -= 1
        if lost_by_time(member.connection):
            self._lost = [each for each in self._lost if not was_evicted(each)]
        self._lost.append(member.connection)

    def _spare_for(self, need: Need) -> tuple[Connection | None, Use | None]:
        """Give one that nobody else was using or about to use, and one that somebody was."""
        passed: list[tuple[float, int, int, _Member]] = []
        spare: Connection | None = None
        taken: Use | None = None
        while self._idle and spare is None:
            _, _, position, member = entry = heappop(self._idle)
            if member.gone or member.use is not None or member.position != position:
                continue
            passed.append(entry)
            exchange = member.next_use
            if exchange is not None and _was_taken(exchange, need):
                taken = member.connection, exchange
                # All the others are taken even sooner.
                break
            if member.is_being_put_back(need):
                taken = member.connection, member.connection.exchanges[position - 1]
            else:
                spare = member.connection
        for entry in passed:
            heappush(self._idle, entry)
        return spare, taken

    def _held_by(self, need: Need) -> Use | None:
        held = self._held.get(need.worker, [])
        while held and (held[-1][0].gone or held[-1][0].use is not held[-1][1]):
            held.pop()
        for member, exchange in reversed(held[-_MOST_HELD:]):
            answered = exchange.head_at is not None and exchange.head_at <= need.asked_at
            if answered and member.use is exchange and not member.gone and not _is_shared(exchange):
                return member.connection, exchange
        return None


def _was_taken(exchange: Exchange, need: Need) -> bool:
    """Tell whether what began on an idle connection had the connection already (rule 2)."""
    slack = _BEGINNING if exchange.worker != need.worker else 0.0
    return exchange.started_at < need.until + slack


def _has_served(member: _Member, need: Need) -> bool:
    """Tell whether a connection's last response was the asking worker's (rule 5)."""
    exchange, closing = member.use, member.connection.closing
    if exchange is None or exchange.worker != need.worker or closing is None:
        return False
    answered = exchange.head_at is not None and exchange.head_at <= need.asked_at
    is_last = exchange.ending is Ending.COMPLETE and member.next_use is None
    return answered and is_last and closing.trigger in _BEHIND_A_RESPONSE


def speaks_http2(connection: Connection) -> bool:
    """Tell whether it carried HTTP/2."""
    return connection.http_version == "HTTP/2"


def ready_at(connection: Connection) -> float:
    """Tell when it was established, and TLS on it, in seconds; 0 where that was before."""
    return (connection.opened_at or 0.0) + (connection.handshake_seconds or 0.0)


def closed_at(connection: Connection) -> float | None:
    """Tell when a connection was given up by its client, or closed."""
    times = [connection.closed_at, connection.closing.at if connection.closing else None]
    return min((time for time in times if time is not None), default=None)


def was_evicted(connection: Connection) -> bool:
    """Tell whether its pool threw it away for want of room."""
    return connection.closing is not None and connection.closing.trigger is CloseTrigger.EVICTED


def lost_by_time(connection: Connection) -> bool:
    """Tell whether it was given up since it had been idle."""
    if connection.closing is None:
        return connection.closed_by is Side.PEER
    return connection.closing.trigger in _BY_TIME


def _is_shared(exchange: Exchange) -> bool:
    # Over HTTP/2 a response that is held keeps nobody from the connection.
    return exchange.http_version == "HTTP/2"
