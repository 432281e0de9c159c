"""Arguments that make no sense are refused where they are written, by name."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from pytest_keepalive._server import BodyFraming, Fault, KeepaliveServer, Reply


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tls": 1}, TypeError, "tls must be True or False, not 1"),
        ({"host": None}, TypeError, "host must be text, not None"),
        ({"host": "example.com"}, ValueError, "a loopback address, not 'example.com'"),
        ({"host": "0.0.0.0"}, ValueError, "a loopback address, not '0.0.0.0'"),
        ({"port": "80"}, TypeError, "port must be a whole number, not '80'"),
        ({"port": True}, TypeError, "port must be a whole number, not True"),
        ({"port": -1}, ValueError, "port must be from 0 to 65535, not -1"),
        ({"port": 65536}, ValueError, "port must be from 0 to 65535"),
        ({"idle_timeout": "5"}, TypeError, "idle_timeout must be a number of seconds, not '5'"),
        ({"idle_timeout": True}, TypeError, "idle_timeout must be a number"),
        ({"idle_timeout": 0}, ValueError, "idle_timeout must be above zero, not 0"),
        ({"idle_timeout": math.inf}, ValueError, "idle_timeout must be above zero"),
        ({"requests_per_connection": 0}, ValueError, "requests_per_connection must be 1 or more"),
        ({"requests_per_connection": 1.5}, TypeError, "must be a whole number, not 1.5"),
        ({"http_version": "2"}, ValueError, "http_version must be '1.0' or '1.1', not '2'"),
        ({"http_version": 1.1}, ValueError, "http_version must be '1.0' or '1.1', not 1.1"),
        ({"http2": None}, TypeError, "http2 must be True or False"),
        ({"http2": True, "http_version": "1.0"}, ValueError, "exclude each other"),
        ({"announce_keep_alive": 1}, TypeError, "announce_keep_alive must be True or False"),
        ({"announce_close": "no"}, TypeError, "announce_close must be True or False"),
        ({"max_concurrent_streams": 0}, ValueError, "max_concurrent_streams must be 1 or more"),
    ],
)
def test_a_server_checks_its_arguments(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        KeepaliveServer(**arguments)


def test_a_server_takes_keywords_only() -> None:
    kind: Any = KeepaliveServer
    with pytest.raises(TypeError, match="positional argument"):
        kind(True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"status": 100}, ValueError, "status must be from 200 to 599, not 100"),
        ({"status": "200"}, TypeError, "status must be a whole number"),
        ({"body": 5}, TypeError, "body must be bytes, text, pieces of them or a function, not 5"),
        ({"body": [1]}, TypeError, "a piece of a body must be bytes or text, not 1"),
        ({"body": iter([b"once"])}, TypeError, "body must be bytes"),
        ({"headers": "X: 1"}, TypeError, "headers must be a mapping or pairs, not 'X: 1'"),
        ({"headers": {"X": 1}}, TypeError, "X must be text, not 1"),
        ({"headers": {1: "X"}}, TypeError, "a field name must be text, not 1"),
        ({"headers": {"X": "a\r\nY: b"}}, ValueError, "X must be one line of ISO-8859-1 text"),
        ({"headers": {"X": "\u20ac"}}, ValueError, "X must be one line of ISO-8859-1 text"),
        ({"headers": {"X Y": "a"}}, ValueError, "'X Y' is not the name of a field"),
        ({"reason": "a\nb"}, ValueError, "reason must be one line"),
        ({"framing": "none"}, ValueError, "'none' is not a framing; they are length, chunked, eof"),
        ({"framing": "length", "body": list}, ValueError, "has no length: use chunked or eof"),
        ({"framing": "eof", "keep_alive": True}, ValueError, "cannot keep it alive"),
        ({"keep_alive": "yes"}, TypeError, "keep_alive must be True or False"),
        ({"http_version": "3"}, ValueError, "http_version must be"),
        ({"piece_size": 0}, ValueError, "piece_size must be 1 or more"),
        ({"piece_size": 1, "body": list}, ValueError, "a function makes pieces of its own"),
        ({"pause": -1}, ValueError, "pause must be zero or more, not -1"),
        ({"echo": 1}, TypeError, "echo must be True or False"),
        ({"echo": True, "read_body": False}, ValueError, "not read cannot be echoed"),
        ({"read_body": 0}, TypeError, "read_body must be True or False"),
        ({"says_continue": 0}, TypeError, "says_continue must be True or False"),
        ({"delay": "1"}, TypeError, "delay must be a number of seconds"),
        ({"hold": 1}, TypeError, "hold must be True or False"),
        ({"close": True}, TypeError, "close must be a moment or a count of bytes of the body"),
        ({"reset": 1.5}, TypeError, "reset must be a moment or a count of bytes of the body"),
        ({"stall": -1}, ValueError, "after must be 0 or more"),
        ({"half_close": "soon"}, ValueError, "'soon' is not a moment"),
        ({"close": "in_body", "faults": "x"}, TypeError, "faults must be Fault values, not 'x'"),
        ({"close": "on_accept"}, ValueError, "give such faults to on_accept"),
    ],
)
def test_a_reply_checks_its_arguments(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Reply(**arguments)


def test_a_reply_is_frozen_and_says_what_it_does() -> None:
    reply: Any = Reply(404, b"none", reset=2, delay=0.5, hold=threading.Event())
    with pytest.raises(AttributeError):
        reply.status = 200
    assert repr(reply) == (
        "<Reply 404, 4 bytes, length, delay of 0.5 s before head, hold before head,"
        " reset after 2 bytes of the body>"
    )
    assert repr(Reply(body=list)) == "<Reply 200, streamed, chunked>"
    assert repr(Reply.echoing()) == "<Reply 200, echo, length>"


def test_equal_replies_are_equal() -> None:
    assert Reply(headers={"X": "1"}) == Reply(headers=[("X", "1")])
    assert Reply(framing=BodyFraming.CHUNKED) == Reply(framing="chunked")
    assert Reply(close=1) == Reply(faults=Fault("close", "in_body", after=1))
    assert Reply() != Reply(body=b"ok")
