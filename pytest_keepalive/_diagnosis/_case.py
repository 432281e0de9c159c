"""What was known of the other connections when one was opened.

Rules
1. A case is a connection that was opened in the window though its origin had another before;
   or though its client had another to the same address under another name, or was redirected.
2. What counts is the state at the moment of the request, not at the end of the recording.
3. The predecessor is the nearest relative that came before: of the same pool, else of the same
   client, else of the same origin.
4. One pass over a recording gives all its cases; what a connection is compared with is kept by
   origin and by pool, so that ten thousand connections take no longer than they must.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pytest_keepalive._connection import Connection
from pytest_keepalive._diagnosis._pattern import Habits, Pattern, Redirect
from pytest_keepalive._diagnosis._pool import NOTHING_SEEN, Need, Pool, Seen
from pytest_keepalive._events import Adopted
from pytest_keepalive._origin import Address, Origin, Pair
from pytest_keepalive._recording import Recording

_NOBODY = Adopted(Pair(("", 0), ("", 0)), 0.0, "", Origin("tcp", "", 0))
# What a pool tells connections apart by: the pool, its key, and the event loop.
_Key = tuple[int, tuple[tuple[str, str], ...], int]


class Case(NamedTuple):
    """A connection that has to be explained.

    Args:
        connection: The one.
        need: When it was wanted, and by whom.
        predecessor: The connection before it that it is compared with.
        pool: What the same pool had at that moment; nothing where it is the first of its pool.
        habits: What the connections to the origin have in common.
        now: Who uses the connection.
        before: Who used the predecessor.
        redirect: What led to the origin, where it is the first one there; or ``None``.
    """

    connection: Connection
    need: Need
    predecessor: Connection
    pool: Seen
    habits: Habits
    now: Adopted
    before: Adopted
    redirect: Redirect | None = None

    @property
    def at(self) -> float:
        """When its connect began, in seconds."""
        return self.need.at

    @property
    def is_first_there(self) -> bool:
        """Whether its origin had no connection before."""
        return self.connection.origin != self.predecessor.origin

    @property
    def is_of_same_client(self) -> bool:
        """Whether the client object is that of the predecessor."""
        return is_same_client(self.now, self.before)

    @property
    def is_of_same_pool(self) -> bool:
        """Whether a connection of the predecessor's pool might have served here."""
        return self.pool.newest is not None


def cases_of(recording: Recording) -> Iterator[Case]:
    """Find the connections that have to be explained, in their order."""
    pattern = Pattern(recording)
    past = _Past()
    for connection in recording.connections:
        need = need_of(connection)
        redirect = pattern.redirect_to(connection.origin, need.asked_at)
        predecessor = past.nearest_to(connection, redirect)
        if connection.opened_here and predecessor is not None:
            seen = past.look(connection, need)
            habits = pattern.habits_of(connection.origin)
            users = adoption_of(connection), adoption_of(predecessor)
            yield Case(connection, need, predecessor, seen, habits, *users, redirect)
        past.add(connection)


class _Past:
    """The connections that came before, by what later ones are compared by."""

    def __init__(self) -> None:
        self._by_origin: dict[Origin, _Group] = {}
        self._by_peer: dict[tuple[Address, int], Connection] = {}

    def add(self, connection: Connection) -> None:
        adopted = adoption_of(connection)
        self._by_origin.setdefault(connection.origin, _Group()).add(connection, adopted)
        for number in _numbers_of(adopted):
            self._by_peer[connection.peer, number] = connection

    def look(self, connection: Connection, need: Need) -> Seen:
        group = self._by_origin.get(connection.origin)
        return NOTHING_SEEN if group is None else group.look(adoption_of(connection), need)

    def nearest_to(self, connection: Connection, redirect: Redirect | None) -> Connection | None:
        adopted = adoption_of(connection)
        group = self._by_origin.get(connection.origin)
        if group is not None:
            return group.nearest_to(adopted)
        if redirect is not None:
            return redirect.connection
        mates = (self._by_peer.get((connection.peer, each)) for each in _numbers_of(adopted))
        return next((mate for mate in mates if mate is not None), None)


class _Group:
    """The connections to one origin so far."""

    def __init__(self) -> None:
        self._latest: Connection | None = None
        self._latest_of: dict[int, Connection] = {}
        self._pools: dict[_Key, Pool] = {}

    def add(self, connection: Connection, adopted: Adopted) -> None:
        self._latest = connection
        if adopted.pool:
            self._pools.setdefault(_key_of(adopted), Pool()).add(connection)
        for number in _numbers_of(adopted):
            self._latest_of[number] = connection

    def look(self, adopted: Adopted, need: Need) -> Seen:
        pool = self._pools.get(_key_of(adopted)) if adopted.pool else None
        return NOTHING_SEEN if pool is None else pool.look(need)

    def nearest_to(self, adopted: Adopted) -> Connection | None:
        pool = self._pools.get(_key_of(adopted)) if adopted.pool else None
        if pool is not None:
            return pool.newest
        mates = (self._latest_of.get(number) for number in _numbers_of(adopted))
        return next((mate for mate in mates if mate is not None), self._latest)


def adoption_of(connection: Connection) -> Adopted:
    """Give who uses a connection; nobody, where no probe told."""
    return connection.adoption or _NOBODY


def is_same_client(one: Adopted, other: Adopted) -> bool:
    """Tell whether two connections belong to one client object: to its pool, or to its owner."""
    if one.pool and one.pool == other.pool:
        return True
    return one.owner != 0 and one.owner == other.owner


def need_of(connection: Connection) -> Need:
    """Tell when and for whom a connection was opened."""
    first = connection.exchanges[0] if connection.exchanges else connection.unsent
    until = connection.opened_at
    if until is None:
        until = first.started_at if first is not None else 0.0
    at = until - (connection.connect_seconds or 0.0)
    asked_at = min(at, first.started_at) if first is not None else at
    return Need(asked_at, at, until, first.worker if first is not None else 0)


def _numbers_of(adopted: Adopted) -> tuple[int, ...]:
    pool, owner = adopted.pool, adopted.owner
    if pool and owner:
        return pool, owner
    return (pool or owner,) if pool or owner else ()


def _key_of(adopted: Adopted) -> _Key:
    return adopted.pool, adopted.pool_key, adopted.loop
