from __future__ import annotations

import socket

import pytest

from pytest_keepalive._origin import Address
from pytest_keepalive._watch._by_destination import destination_of, match
from pytest_keepalive._watch._record import Record
from pytest_keepalive._watch._ring import BY_NAME, CONNECT, LET_GO
from pytest_keepalive._watch._sock_diag import CLOSE, TIME_WAIT, Socket

HERE = ("127.0.0.1", 80)
THERE = ("127.0.0.1", 81)


def record(sequence: int, peer: Address = HERE, at: float = 5.0) -> Record:
    host, port = peer
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.inet_pton(family, host).ljust(16, b"\0")
    place = (sequence, sequence, at, 0, 100 + sequence, 1, 1, 0, 3, 0, int(family), port)
    return Record(*place, CONNECT, BY_NAME, LET_GO, address, b"", b"")


def entry(cookie: int, peer: Address = HERE, waits_since: float = 0.0) -> Socket:
    state = TIME_WAIT if waits_since else CLOSE
    return Socket(cookie, state, ("127.0.0.1", 40000 + cookie), peer, 0, None, waits_since)


def test_as_many_sockets_as_connects_are_taken_for_them_in_their_order() -> None:
    made = [record(1), record(2)]
    found = match(made, [entry(7, waits_since=9.0), entry(8, waits_since=8.0)])
    assert {key: each.cookie for key, each in found.items()} == {1: 8, 2: 7}


def test_each_destination_has_its_own() -> None:
    made = [record(1, HERE), record(2, THERE)]
    found = match(made, [entry(7, THERE), entry(8, HERE)])
    assert {key: each.cookie for key, each in found.items()} == {1: 8, 2: 7}


def test_more_sockets_than_connects_are_taken_for_none() -> None:
    assert match([record(1)], [entry(7), entry(8)]) == {}


def test_fewer_leave_some_without() -> None:
    assert set(match([record(1), record(2)], [entry(7)])) == {1}


def test_a_socket_that_waited_before_is_an_older_one() -> None:
    found = match([record(1, at=5.0)], [entry(7, waits_since=4.0), entry(8, waits_since=6.0)])
    assert found[1].cookie == 8


@pytest.mark.parametrize(
    ("given", "real"),
    [
        (("0.0.0.0", 80), ("127.0.0.1", 80)),
        (("::", 80), ("::1", 80)),
        (("::ffff:10.0.0.1", 80), ("10.0.0.1", 80)),
        (("10.0.0.1", 80), ("10.0.0.1", 80)),
    ],
)
def test_where_a_connect_goes(given: Address, real: Address) -> None:
    assert destination_of(record(1, given)) == real


def test_a_destination_that_could_not_be_read_is_none() -> None:
    assert destination_of(record(1)._replace(family=0)) == ("", 0)
