"""Courses: what is told of an exchange under way, each fact once, whenever somebody takes it in."""

from __future__ import annotations

import socket
import urllib.request
from http.client import HTTPConnection
from typing import Any

import pytest

from pytest_keepalive import KeepaliveServer, Reply, measure
from pytest_keepalive._blind_spots import Sight
from pytest_keepalive._events import (
    Answered,
    Course,
    Ended,
    Ending,
    Event,
    Requested,
    Stated,
    Trouble,
)
from pytest_keepalive._probes._course import end_course, reader_of
from pytest_keepalive._probes._http_client import HttpClientProbe
from pytest_keepalive._recorder import Recorder
from pytest_keepalive._unfolding import unfold
from tests.facts import adopted, attempted, requested

BEGINNING = "/items", 7, 2.0
ANSWERED = 2.5, 200
ENDED = 3.0


def _requested(exchange: int, at: float, asked: Any) -> Event:
    return requested(exchange, at=at)


def _answered(exchange: int, facts: tuple[Any, ...]) -> Event:
    at, status = facts
    return Answered(exchange, at, status, "HTTP/1.1")


def _unreadable(*facts: Any) -> Event:
    raise ValueError("no such head")


def begun() -> Course:
    return [reader_of(_requested, _answered), 0, *BEGINNING]


def kinds(stated: list[Stated]) -> list[type]:
    return [type(event) for event in unfold(stated)[0]]


def test_each_fact_is_told_once_and_in_its_order() -> None:
    course = begun()
    assert kinds([course]) == [Requested]
    assert kinds([course]) == []
    course.append(ANSWERED)
    course.append(ENDED)
    assert kinds([course]) == [Answered, Ended]


def test_a_course_stays_until_it_is_over() -> None:
    course = begun()
    assert unfold([course])[1] == [course]
    end_course(course, (3.0, Ending.ABANDONED))
    assert unfold([course])[1] == []


def test_a_course_that_was_never_answered_has_an_end_all_the_same() -> None:
    course = begun()
    end_course(course, (3.0, Ending.FAILED, "TimeoutError"))
    assert kinds([course]) == [Requested, Ended]


def test_a_course_may_be_over_without_anybody_having_seen_its_end() -> None:
    course = begun()
    end_course(course, None)
    events, under_way = unfold([course])
    assert [type(event) for event in events] == [Requested]
    assert not under_way


def test_what_cannot_be_read_is_a_trouble_and_the_rest_is_told() -> None:
    course: Course = [reader_of(_unreadable, _answered), 0, *BEGINNING]
    later = (_unreadable, 1, ())
    events, under_way = unfold([course, attempted(), later])
    assert [type(event) for event in events] == [Trouble, type(attempted()), Trouble]
    assert isinstance(events[0], Trouble)
    assert "no such head" in events[0].what
    assert not under_way


def test_a_recorder_keeps_a_course_for_the_next_window() -> None:
    recorder = Recorder(lambda: None, lambda: Sight(None, 0, (), 0))
    recorder.sink(attempted(port=50000))
    recorder.sink(adopted(50000))
    first, course = recorder.open_window(), begun()
    recorder.sink(course)
    (exchange,) = first.recording().exchanges
    assert exchange.ended_at is None
    second = recorder.open_window()
    course.append(ANSWERED)
    course.append(ENDED)
    assert second.close().exchanges == 0
    (exchange,) = first.close().exchanges
    assert (exchange.status, exchange.ended_at) == (200, 3.0)


def test_an_exchange_is_seen_as_far_as_it_has_come(server: KeepaliveServer) -> None:
    server.route("/", Reply(body=b"0123456789"))
    with measure() as seen:
        connection = HTTPConnection(server.host, server.port)
        connection.request("GET", "/")
        (exchange,) = seen.exchanges
        assert (exchange.status, exchange.ended_at) == (None, None)
        response = connection.getresponse()
        response.read(4)
        (exchange,) = seen.exchanges
        assert (exchange.status, exchange.ended_at) == (200, None)
        response.read()
        (exchange,) = seen.exchanges
        assert exchange.ending is Ending.COMPLETE
        connection.close()
    assert server.exchanges == ((0, 0),)


def test_a_probe_that_is_uninstalled_leaves_no_course_behind(server: KeepaliveServer) -> None:
    import http.client

    server.route("/", Reply(body=b"0123456789"))
    stated: list[Stated] = []
    probe = HttpClientProbe(stated.append, lambda _: None, lambda _: None)
    probe.install(http.client)
    awaited = HTTPConnection(server.host, server.port)
    awaited.request("GET", "/")
    response = urllib.request.urlopen(server.url)
    assert len(unfold(stated)[1]) == 2
    probe.uninstall()
    assert unfold(stated)[1] == []
    response.read()
    response.close()
    awaited.close()


class Port:
    """What the system takes for a port, and is no ``int``."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __index__(self) -> int:
        return self._port


@pytest.mark.usefixtures("_sockets_alone")
def test_a_port_may_be_anything_that_the_system_takes(server: KeepaliveServer) -> None:
    with measure() as seen:
        # The address is a resolved one from here on.
        socket.create_connection((server.host, server.port)).close()
        with socket.socket() as client:
            client.connect((server.host, Port(server.port)))
    assert seen.opened == 2
    assert {connection.peer for connection in seen.opened} == {(server.host, server.port)}
    assert not seen.recording.notes
