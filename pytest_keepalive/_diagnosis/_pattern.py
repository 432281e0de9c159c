"""What the connections of a recording have in common: read by rules that need more than one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from pytest_keepalive._connection import Connection, Exchange
from pytest_keepalive._diagnosis._ending import hung_up, last_exchange
from pytest_keepalive._events import CloseTrigger
from pytest_keepalive._origin import Origin, origin_of
from pytest_keepalive._recording import Recording

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_ERRORS = 400
_REPEATED = 2


class Redirect(NamedTuple):
    """A response that led to another origin.

    Args:
        connection: It came on.
        exchange: It answered.
    """

    connection: Connection
    exchange: Exchange


class Limit(NamedTuple):
    """A number of requests behind which the server closes each connection.

    Args:
        requests: That number.
        seen: On how many connections that was seen.
    """

    requests: int
    seen: int


class Pattern:
    """All connections of a recording.

    Args:
        recording: It is only read.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def habits_of(self, origin: Origin) -> Habits:
        """Give what the connections to an origin have in common."""
        return self._habits[origin]

    def redirect_to(self, origin: Origin, at: float) -> Redirect | None:
        """Give the first redirect to an origin from another one, if it came before a moment."""
        redirect = self._redirects.get(origin)
        if redirect is None or (redirect.exchange.head_at or 0.0) > at:
            return None
        return redirect

    @cached_property
    def _habits(self) -> dict[Origin, Habits]:
        groups: dict[Origin, list[Connection]] = defaultdict(list)
        for each in self._recording.connections:
            groups[each.origin].append(each)
        return {origin: Habits(group) for origin, group in groups.items()}

    @cached_property
    def _redirects(self) -> dict[Origin, Redirect]:
        found: dict[Origin, Redirect] = {}
        for exchange, connection in _redirects_in(self._recording.connections):
            target = target_of_redirect(exchange, connection.origin)
            if target is None or target == connection.origin:
                continue
            known = found.get(target)
            if known is None or (exchange.head_at or 0.0) < (known.exchange.head_at or 0.0):
                found[target] = Redirect(connection, exchange)
        return found


class Habits:
    """What the connections to one origin have in common.

    Args:
        connections: All of them, in their order.
    """

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    @cached_property
    def clients(self) -> int:
        """How many client objects were used."""
        return len({_client_of(each) for each in self._connections})

    @cached_property
    def exchanges(self) -> int:
        """How many exchanges there were."""
        return sum(len(each.exchanges) for each in self._connections)

    @cached_property
    def threads(self) -> int:
        """How many threads each kept a client object of their own, which others did not use.

        Two at the least, else 0. A client that its user closes behind one request is not kept.
        """
        clients_of: dict[int, set[int]] = defaultdict(set)
        threads_of: dict[int, set[int]] = defaultdict(set)
        for each in self._connections:
            thread, client = each.adoption.thread if each.adoption else 0, _client_of(each)
            clients_of[thread].add(client)
            threads_of[client].add(thread)
        one_to_one = all(len(each) == 1 for each in (*clients_of.values(), *threads_of.values()))
        kept = one_to_one and len(clients_of) > 1 and self._keeps_clients()
        return len(clients_of) if kept else 0

    def _keeps_clients(self) -> bool:
        exchanges: dict[int, int] = defaultdict(int)
        closed = set()
        for each in self._connections:
            exchanges[_client_of(each)] += len(each.exchanges)
            if each.closing is not None and each.closing.trigger is CloseTrigger.CLIENT_CLOSED:
                closed.add(_client_of(each) if each.closing.call_site else 0)
        reused = any(count > 1 for count in exchanges.values())
        return reused or not closed & exchanges.keys()

    @cached_property
    def peak(self) -> int:
        """The most exchanges that were under way at once."""
        changes = []
        for each in self._connections:
            for exchange in each.exchanges:
                changes.append((exchange.started_at, 1))
                if exchange.ended_at is not None:
                    changes.append((exchange.ended_at, -1))
        return max(_running_totals(sorted(changes)), default=0)

    @cached_property
    def announced_limit(self) -> Limit | None:
        """Behind how many requests the server said close, where it is the number that counts."""
        said = [each for each in self._connections if _last_of(each, said_close=True)]
        return self._limit_in(said)

    @cached_property
    def silent_limit(self) -> Limit | None:
        """Behind how many requests the server closed unsaid, where it is the number that counts."""
        unsaid = [each for each in self._connections if _last_of(each) and hung_up(each)]
        return self._limit_in(unsaid)

    @cached_property
    def closes_behind_all(self) -> bool:
        """Whether the server said close behind other requests than uploads that it refused."""
        return any(
            exchange.will_close and not (exchange.has_body and (exchange.status or 0) >= _ERRORS)
            for each in self._connections
            for exchange in each.exchanges
        )

    def _limit_in(self, closed: list[Connection]) -> Limit | None:
        lasts = [last for last in map(last_exchange, closed) if last is not None]
        indexes = {exchange.index for exchange in lasts}
        if len(lasts) < _REPEATED or len(indexes) != 1 or indexes == {0}:
            return None
        asked = {(exchange.method, exchange.url) for exchange in lasts}
        if len(asked) == 1 and not asked & self._kept_open:
            # It may be what was asked for that is closed behind, and not the number of requests.
            return None
        return Limit(indexes.pop() + 1, len(lasts))

    @cached_property
    def _kept_open(self) -> set[tuple[str, str]]:
        """What was asked for and answered without a close behind it."""
        return {
            (exchange.method, exchange.url)
            for each in self._connections
            for exchange in each.exchanges[:-1]
        }


def target_of_redirect(exchange: Exchange, base: Origin) -> Origin | None:
    """Give the origin that a response redirects to (RFC 9110, section 15.4).

    Args:
        exchange: With its response, or without.
        base: Who was asked.
    """
    location = exchange.header("location")
    if exchange.status not in _REDIRECTS or not location:
        return None
    # A network-path reference keeps the scheme (RFC 3986, section 4.2).
    return origin_of(f"{base.scheme}:{location}" if location.startswith("//") else location)


def _redirects_in(connections: Iterable[Connection]) -> Iterator[tuple[Exchange, Connection]]:
    for each in connections:
        for exchange in each.exchanges:
            if exchange.status in _REDIRECTS:
                yield exchange, each


def _last_of(connection: Connection, said_close: bool = False) -> Exchange | None:
    """Give the last exchange, if it ended with or without the server's word that it closes."""
    last = last_exchange(connection)
    return last if last is not None and bool(last.will_close) is said_close else None


def _client_of(connection: Connection) -> int:
    adopted = connection.adoption
    return 0 if adopted is None else adopted.owner or adopted.pool


def _running_totals(changes: list[tuple[float, int]]) -> Iterator[int]:
    return accumulate(change for _, change in changes)
