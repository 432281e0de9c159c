"""Requests that are handed to one connection of HTTP/1.1 at the same time: it takes one of them."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_keepalive._events import Ended, Ending, Requested, Stated, discard
from pytest_keepalive._origin import Origin
from pytest_keepalive._probes._httpcore_adoption import Adoption
from pytest_keepalive._probes._httpcore_connections import Connections, Known
from pytest_keepalive._probes._httpcore_http1 import SingleExchanges
from pytest_keepalive._probes._httpcore_pool import Pools
from pytest_keepalive._unfolding import unfold
from tests.facts import pair


class ConnectionNotAvailable(Exception):
    """Named as httpcore names what a connection raises that refuses a request."""


class Connection:
    """As much of a connection of httpcore as is looked at."""

    _done = SimpleNamespace(__name__="DONE")
    _h11_state = SimpleNamespace(our_state=_done, their_state=_done)


class Crowd:
    """Requests by name, on their way to the same connection."""

    def __init__(self) -> None:
        self.stated: list[Stated] = []
        connections = Connections(lambda sock: None)
        adoption = Adoption("httpcore", discard, lambda _: None, connections, Pools("httpcore"))
        self.exchanges = SingleExchanges(self.stated.append, adoption)
        self.connection = Connection()
        reference: weakref.ref[Any] = weakref.ref(self.connection)
        known = Known(reference, pair(), Origin("http", "api", 80), None)
        connections.known[id(self.connection)] = known

    def begin(self, path: str) -> Any:
        """Hand a request to the connection."""
        request = SimpleNamespace(
            method=b"GET", url=SimpleNamespace(target=path.encode()), headers=[]
        )
        return self.exchanges.begun(self.connection, request)

    def answer(self, exchange: Any) -> None:
        """Let the connection answer it, and let go of it."""
        response = SimpleNamespace(
            status=200,
            extensions={"http_version": b"HTTP/1.1"},
            headers=[(b"content-length", b"0")],
        )
        self.exchanges.answered(self.connection, exchange, response)
        self.exchanges.let_go(self.connection, (), {})

    def refuse(self, exchange: Any) -> None:
        """Let the connection refuse it."""
        self.exchanges.failed(self.connection, exchange, ConnectionNotAvailable())

    def seen(self) -> list[tuple[str, Ending]]:
        """Give the exchanges that have been stated since, and how each ended."""
        events, _ = unfold(self.stated)
        endings = {each.exchange: each.ending for each in events if isinstance(each, Ended)}
        asked = [each for each in events if isinstance(each, Requested)]
        return [(each.url.removeprefix("http://api"), endings[each.exchange]) for each in asked]


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


def test_the_first_is_taken_and_the_second_was_never_there(crowd: Crowd) -> None:
    first, second = crowd.begin("/first"), crowd.begin("/second")
    crowd.refuse(second)
    crowd.answer(first)
    assert crowd.seen() == [("/first", Ending.COMPLETE)]


def test_the_second_is_taken_when_it_overtakes_the_first(crowd: Crowd) -> None:
    first, second = crowd.begin("/first"), crowd.begin("/second")
    crowd.answer(second)
    crowd.refuse(first)
    assert crowd.seen() == [("/second", Ending.COMPLETE)]


def test_the_first_was_never_there_when_it_is_refused_before_the_second_is_answered(
    crowd: Crowd,
) -> None:
    first, second = crowd.begin("/first"), crowd.begin("/second")
    crowd.refuse(first)
    crowd.answer(second)
    assert crowd.seen() == [("/second", Ending.COMPLETE)]


def test_one_that_overtakes_and_fails_is_told_of(crowd: Crowd) -> None:
    _, second = crowd.begin("/first"), crowd.begin("/second")
    crowd.exchanges.failed(crowd.connection, second, OSError())
    assert crowd.seen() == [("/second", Ending.FAILED)]


def test_one_that_was_told_of_before_it_is_refused_is_taken_back(crowd: Crowd) -> None:
    first = crowd.begin("/first")
    (told,), _ = unfold(crowd.stated)
    assert isinstance(told, Requested)
    crowd.refuse(first)
    (ended,), _ = unfold(crowd.stated)
    assert isinstance(ended, Ended)
    assert (ended.exchange, ended.ending) == (told.exchange, Ending.UNSENT)


def test_one_that_is_refused_leaves_the_ending_of_the_one_before(crowd: Crowd) -> None:
    crowd.answer(crowd.begin("/before"))
    known = crowd.exchanges._known[id(crowd.connection)]
    before = known.ended, known.ended_at
    crowd.refuse(crowd.begin("/refused"))
    assert (known.ended, known.ended_at) == before
    assert crowd.seen() == [("/before", Ending.COMPLETE)]


def test_one_that_is_answered_when_all_was_forgotten_is_left_alone(crowd: Crowd) -> None:
    exchange = crowd.begin("/forgotten")
    crowd.exchanges._known.clear()
    crowd.answer(exchange)
    crowd.refuse(exchange)
    (told,), _ = unfold(crowd.stated)
    assert isinstance(told, Requested)
