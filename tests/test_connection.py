from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from pytest_keepalive._connection import Connection, State, Tally
from pytest_keepalive._events import Ending
from pytest_keepalive._origin import Origin

from . import facts

UNDER_WAY = facts.exchange(0, ended_at=None, ending=None)
OVER = facts.exchange(0)


def test_a_tally_compares_with_a_number_as_its_length() -> None:
    tally = Tally("ab")
    assert tally == 2
    assert 2 == tally  # noqa: SIM300 - the reflected comparison is what is tested
    assert tally != 3
    assert not tally != 2  # noqa: SIM202 - as above
    assert tally > 1
    assert not tally > 2
    assert tally >= 2
    assert not tally >= 3
    assert tally < 3
    assert not tally < 2
    assert tally <= 2
    assert not tally <= 1
    assert int(tally) == 2


def test_a_tally_is_still_a_tuple() -> None:
    tally = Tally("ab")
    assert tally == ("a", "b")
    assert tally != ("a",)
    assert ("a", "b") < Tally("ac") <= ("b",)
    assert Tally("b") > ("a",)
    assert Tally("b") >= ("b",)
    assert list(tally) == ["a", "b"]
    assert tally[0] == "a"
    assert "a" in tally
    assert hash(tally) == hash(("a", "b"))
    assert not Tally()
    assert pickle.loads(pickle.dumps(tally)) == tally


def test_a_tally_does_not_compare_with_what_is_neither() -> None:
    assert Tally("ab") != "ab"
    with pytest.raises(TypeError):
        assert Tally("ab") < "abc"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"exchanges": 0}, State.NEW),
        ({"exchanges": [UNDER_WAY]}, State.ACTIVE),
        ({"exchanges": [OVER]}, State.IDLE),
        ({"exchanges": [OVER, UNDER_WAY]}, State.ACTIVE),
        ({"exchanges": 0, "opened_here": False}, State.IDLE),
        ({"exchanges": 0, "closed_at": 9.0}, State.CLOSED),
        ({"exchanges": [UNDER_WAY], "closed_at": 9.0}, State.CLOSED),
        ({"exchanges": [OVER], "closed_at": 9.0}, State.CLOSED),
    ],
)
def test_the_state_of_a_connection_follows_the_table(fields: dict[str, Any], state: State) -> None:
    assert facts.connection(**fields).state is state


@pytest.mark.parametrize(
    ("fields", "carried_nothing"),
    [
        ({"exchanges": 0}, True),
        ({"exchanges": 1}, False),
        ({"exchanges": 0, "opened_here": False}, False),
        ({"exchanges": 0, "exchanges_seen": False}, False),
        ({"exchanges": 0, "exchanges_seen": False, "sent": 0, "received": 0}, True),
        ({"exchanges": 0, "exchanges_seen": False, "sent": 1, "received": 0}, False),
        ({"exchanges": 0, "exchanges_seen": False, "sent": 0, "received": 1}, False),
    ],
)
def test_a_connection_carried_nothing_only_where_that_is_known(
    fields: dict[str, Any], carried_nothing: bool
) -> None:
    assert facts.connection(**fields).carried_nothing is carried_nothing


@pytest.mark.parametrize(
    ("connection", "shown"),
    [
        (
            facts.connection(0, 3),
            "<Connection #0 http://127.0.0.1:8080 HTTP/1.1 IDLE 3 exchanges>",
        ),
        (
            facts.connection(1, 1, closed_at=9.0),
            "<Connection #1 http://127.0.0.1:8080 HTTP/1.1 CLOSED 1 exchange>",
        ),
        (
            facts.connection(2, 0, origin=Origin("tcp", "127.0.0.1", 6379), exchanges_seen=False),
            "<Connection #2 tcp://127.0.0.1:6379 TCP NEW exchanges not seen>",
        ),
    ],
)
def test_the_repr_of_a_connection_is_worth_reading(connection: Connection, shown: str) -> None:
    assert repr(connection) == shown


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "<Exchange #2/1 GET http://127.0.0.1:8080/ 200>"),
        ({"status": None}, "<Exchange #2/1 GET http://127.0.0.1:8080/ no response>"),
        (
            {"error": "TimeoutError", "ending": Ending.FAILED},
            "<Exchange #2/1 GET http://127.0.0.1:8080/ TimeoutError>",
        ),
    ],
)
def test_the_repr_of_an_exchange_is_worth_reading(fields: dict[str, Any], shown: str) -> None:
    assert repr(facts.exchange(1, 2, **fields)) == shown


def test_only_the_first_exchange_of_a_connection_is_not_reused() -> None:
    assert not facts.exchange(0).reused
    assert facts.exchange(1).reused


def test_a_kept_field_of_a_response_is_found_by_name() -> None:
    exchange = facts.exchange(headers=(("server", "nginx"), ("connection", "close")))
    assert exchange.header("connection") == "close"
    assert exchange.header("keep-alive") is None


def test_what_was_spoken_is_told_by_the_last_head_that_came() -> None:
    silent = facts.exchange(1, http_version=None, status=None)
    assert facts.connection(exchanges=[facts.exchange(0), silent]).http_version == "HTTP/1.1"
    assert facts.connection(exchanges=[silent]).http_version is None
    assert facts.connection(exchanges=0).http_version is None


@pytest.mark.parametrize("value", [facts.connection(0, 2), facts.exchange(1)])
def test_a_value_cannot_be_changed_and_can_be_copied(value: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        value.index = 7
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
