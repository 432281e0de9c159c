"""What clients told of their calls, put to what a server of ours received of them.

Rules
1. What was asked, and on which connection, is the server's to tell. A call adds who asked, and what
   became of it.
2. A call that was answered was received. Where one request alone, of that method and target, came
   while it was under way, it is that call's, and its connection is the pool's.
3. On a pool's connection, whatever came while one call alone of that pool was under way is that
   call's too: its redirects.
4. A connection whose requests are not all told so is nobody's: half a story misleads.
5. The last request of a call was answered as the call was; those before were redirects. Where
   somebody's request followed that is nobody's call, it may have been the last one.
6. A call to a server of ours is what that server received of it, and nothing besides.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from pytest_keepalive._connection import Connection, Exchange, Tally
from pytest_keepalive._events import Ending
from pytest_keepalive._origin import Origin, Pair, origin_of
from pytest_keepalive._recording import Recording, Unplaced

Key = tuple[str, int, str]
Told = dict[Exchange, Unplaced]


class Redirects(NamedTuple):
    """How the requests of a call follow each other.

    Args:
        followed: By which request one was followed.
        following: Those that followed upon another one.
        lost: The calls that may have gone on where nobody tells.
    """

    followed: Mapping[Exchange, Exchange]
    following: Collection[Exchange]
    lost: Collection[Unplaced]


def with_calls(
    recording: Recording, received: Mapping[int, Connection], origins: Iterable[Origin]
) -> Recording:
    """Put into a recording what servers received, with what calls tell of that.

    Args:
        recording: Any.
        received: Its connections to servers of ours, by index, as these tell them.
        origins: Those of the servers.
    """
    calls = [*recording.unplaced, *_placed(recording, received)]
    told = _told(calls, received)
    redirects = _redirects_in(told, received)
    connections = (
        _completed(received.get(each.index, each), each, told, redirects)
        for each in recording.connections
    )
    ports = {origin.port: origin.host for origin in origins}
    elsewhere = (each for each in recording.unplaced if not _is_to(each, ports))
    return replace(recording, connections=Tally(connections), unplaced=Tally(elsewhere))


def _placed(recording: Recording, received: Mapping[int, Connection]) -> list[Unplaced]:
    """Give the calls that were put on connections of which a server tells better."""
    return [
        Unplaced(exchange, each.adoption)
        for each in recording.connections
        if each.index in received and each.adoption is not None
        for exchange in each.exchanges
    ]


def _told(calls: list[Unplaced], received: Mapping[int, Connection]) -> Told:
    """Tell whose call each request is, where that is proved (rules 2 and 3)."""
    told = _alone(calls, received)
    pools = {each.connection_index: call.adoption.pool for each, call in told.items()}
    spans: dict[int, list[Unplaced]] = defaultdict(list)
    for call in calls:
        spans[call.adoption.pool].append(call)
    for index, pool in pools.items():
        assert index is not None
        for exchange in received[index].exchanges:
            under_way = [each for each in spans[pool] if _covers(each, exchange.started_at)]
            if exchange not in told and len(under_way) == 1:
                told[exchange] = under_way[0]
    return told


def _alone(calls: Iterable[Unplaced], received: Mapping[int, Connection]) -> Told:
    """Give the requests that alone can be those of a call."""
    asked: dict[Key, list[Exchange]] = defaultdict(list)
    for connection in received.values():
        for exchange in connection.exchanges:
            asked[_key(exchange)].append(exchange)
    for exchanges in asked.values():
        exchanges.sort(key=_started_at)
    told: Told = {}
    claimed: set[Exchange] = set()
    for call in calls:
        found = _between(asked.get(_key(call.exchange), []), call.exchange)
        if call.exchange.status is None or len(found) != 1 or not call.adoption.pool:
            continue
        if found[0] in claimed:
            # Two calls cannot be one request: another client asked there, too.
            told.pop(found[0], None)
        else:
            claimed.add(found[0])
            told[found[0]] = call
    return told


def _between(exchanges: list[Exchange], call: Exchange) -> list[Exchange]:
    begin = bisect_left(exchanges, call.started_at, key=_started_at)
    if call.ended_at is None:
        return exchanges[begin:]
    return exchanges[begin : bisect_right(exchanges, call.ended_at, key=_started_at)]


def _redirects_in(told: Told, received: Mapping[int, Connection]) -> Redirects:
    latest: dict[Unplaced, Exchange] = {}
    followed: dict[Exchange, Exchange] = {}
    for exchange in sorted(told, key=_started_at):
        before = latest.get(told[exchange])
        if before is not None:
            followed[before] = exchange
        latest[told[exchange]] = exchange
    everything = (each for connection in received.values() for each in connection.exchanges)
    nobodys = sorted(each.started_at for each in everything if each not in told)
    lost = {call for call, last in latest.items() if _may_go_on(call, last, nobodys)}
    return Redirects(followed, frozenset(followed.values()), lost)


def _may_go_on(call: Unplaced, last: Exchange, nobodys: list[float]) -> bool:
    index = bisect_left(nobodys, last.started_at)
    return call.adoption.partly and index < len(nobodys) and _covers(call, nobodys[index])


def _completed(
    connection: Connection, before: Connection, told: Told, redirects: Redirects
) -> Connection:
    """Add what calls tell, where they tell of every request (rule 4)."""
    if connection is before:
        return connection
    exchanges = connection.exchanges
    if not exchanges or not all(each in told for each in exchanges):
        return replace(connection, adoption=None, client=None)
    first = told[exchanges[0]]
    assert connection.local is not None
    pair = Pair(connection.local, connection.peer)
    return replace(
        connection,
        client=first.adoption.client,
        call_site=first.exchange.call_site,
        origin=first.adoption.origin,
        adoption=first.adoption._replace(pair=pair, partly=False),
        exchanges=Tally(_answered(each, told[each], redirects) for each in exchanges),
    )


def _answered(exchange: Exchange, call: Unplaced, redirects: Redirects) -> Exchange:
    """Add to a request what its call tells (rule 5)."""
    made, redirected = call.exchange, redirects.followed.get(exchange)
    begun = exchange.started_at if exchange in redirects.following else made.started_at
    mine = replace(exchange, call_site=made.call_site, worker=made.worker, started_at=begun)
    if redirected is not None:
        return replace(mine, ended_at=redirected.started_at, ending=Ending.COMPLETE)
    if call in redirects.lost:
        return replace(mine, ended_at=made.ended_at, ending=made.ending)
    return replace(
        mine,
        status=made.status,
        head_at=made.head_at,
        ended_at=made.ended_at,
        ending=made.ending,
        error=made.error,
        missing=made.missing,
        will_close=made.will_close,
        headers=made.headers,
    )


def _covers(call: Unplaced, moment: float) -> bool:
    made = call.exchange
    return made.started_at <= moment and (made.ended_at is None or moment <= made.ended_at)


def _is_to(call: Unplaced, ports: Mapping[int, str]) -> bool:
    """Tell whether a call went to a server of ours: a name may lead anywhere."""
    host, port = call.adoption.origin.host, call.adoption.origin.port
    return port in ports and (host == ports[port] or not host[-1:].isdigit())


def _key(exchange: Exchange) -> Key:
    origin = origin_of(exchange.url)
    port = 0 if origin is None else origin.port
    return exchange.method, port, exchange.url.partition("://")[2].partition("/")[2]


def _started_at(exchange: Exchange) -> float:
    return exchange.started_at
