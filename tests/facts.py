"""Facts, connections and recordings to test with: each is whole, and a test says what matters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Connection, Exchange, Tally
from pytest_keepalive._events import (
    Adopted,
    Answered,
    Attempted,
    Closed,
    ClosedBy,
    CloseTrigger,
    Ended,
    Ending,
    Outcome,
    Requested,
    Side,
)
from pytest_keepalive._origin import Address, Origin, Pair
from pytest_keepalive._recording import Recording

PEER = ("127.0.0.1", 8080)
ORIGIN = Origin("http", "127.0.0.1", 8080)
SITE = CallSite("tests/test_api.py", 41, "test_api")


def local(port: int = 50000) -> Address:
    return "127.0.0.1", port


def pair(port: int = 50000, peer: Address = PEER) -> Pair:
    return Pair(local(port), peer)


def attempted(
    attempt: int = 1,
    at: float = 1.0,
    outcome: Outcome = Outcome.ESTABLISHED,
    port: int = 50000,
    **fields: Any,
) -> Attempted:
    ended_at = None if outcome is Outcome.PENDING else at + 0.5
    known: dict[str, Any] = {"local": local(port), "peer": PEER, "call_site": SITE, **fields}
    return Attempted(attempt, at, ended_at, outcome, **known)


def adopted(port: int = 50000, at: float = 2.0, **fields: Any) -> Adopted:
    known: dict[str, Any] = {"client": "requests", "origin": ORIGIN, "call_site": SITE, **fields}
    return Adopted(pair(port), at, **known)


def requested(exchange: int = 10, at: float = 2.0, port: int = 50000, **fields: Any) -> Requested:
    known: dict[str, Any] = {"method": "GET", "url": f"{ORIGIN}/", "call_site": SITE, **fields}
    return Requested(exchange, pair(port), at, **known)


def answered(exchange: int = 10, at: float = 3.0, **fields: Any) -> Answered:
    known: dict[str, Any] = {"status": 200, "http_version": "HTTP/1.1", **fields}
    return Answered(exchange, at, **known)


def ended(
    exchange: int = 10, at: float = 4.0, ending: Ending = Ending.COMPLETE, **fields: Any
) -> Ended:
    return Ended(exchange, at, ending, **fields)


def closed(
    port: int = 50000, at: float = 9.0, by: Side | None = Side.CLIENT, **fields: Any
) -> Closed:
    return Closed(pair(port), at, by, **fields)


def closed_by(
    port: int = 50000,
    at: float = 9.0,
    trigger: CloseTrigger = CloseTrigger.CLIENT_CLOSED,
    **fields: Any,
) -> ClosedBy:
    return ClosedBy(pair(port), at, trigger, **fields)


def exchange(index: int = 0, connection_index: int = 0, at: float = 2.0, **fields: Any) -> Exchange:
    known: dict[str, Any] = {
        "method": "GET",
        "url": f"{ORIGIN}/",
        "status": 200,
        "http_version": "HTTP/1.1",
        "idle_before": 0.1 if index else None,
        "call_site": SITE,
        "head_at": at + 0.1,
        "ended_at": at + 0.2,
        "ending": Ending.COMPLETE,
        **fields,
    }
    return Exchange(index, connection_index, started_at=at, **known)


def connection(
    index: int = 0, exchanges: int | Iterable[Exchange] = 1, **fields: Any
) -> Connection:
    """Make a connection; a number of exchanges makes as many ordinary ones."""
    if isinstance(exchanges, int):
        url = f"{fields.get('origin', ORIGIN)}/"
        exchanges = [
            exchange(number, index, at=index + number / 100, url=url) for number in range(exchanges)
        ]
    known: dict[str, Any] = {
        "origin": ORIGIN,
        "local": local(50000 + index),
        "peer": PEER,
        "client": "requests",
        "call_site": SITE,
        "opened_at": float(index),
        **fields,
    }
    return Connection(index, exchanges=Tally(exchanges), **known)


def recording(*connections: Connection, **fields: Any) -> Recording:
    return Recording(Tally(connections), **fields)


def opened(count: int, exchanges: int = 1, **fields: Any) -> Recording:
    """Make a recording of some connections that are alike."""
    return recording(*(connection(index, exchanges, **fields) for index in range(count)))
