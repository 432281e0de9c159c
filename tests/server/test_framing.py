"""Framing without I/O: bytes in, events out."""

from __future__ import annotations

import pytest

from pytest_keepalive._server._framing import (
    BodyData,
    Broken,
    Event,
    MessageEnd,
    PeerClosed,
    RequestFraming,
    ResponseFraming,
)
from pytest_keepalive._server._messages import (
    RequestHead,
    ResponseHead,
    encode_request_head,
    encode_response_head,
    keeps_alive,
    path_of,
)

OK = b"HTTP/1.1 200 OK\r\n"


def _events(framing: RequestFraming | ResponseFraming, *pieces: bytes) -> list[Event]:
    events = []
    for piece in pieces:
        framing.receive(piece)
        while (event := framing.next_event()) is not None:
            events.append(event)
            if isinstance(event, (MessageEnd, PeerClosed, Broken)):
                return events
    return events


def test_a_request_is_a_head_a_body_and_an_end() -> None:
    framing = RequestFraming()
    assert RequestFraming().between_messages
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
    assert _events(framing, head[:10]) == []
    assert not framing.between_messages
    assert _events(framing, head[10:] + b"abc") == [
        RequestHead("POST", "/a", "1.1", (("Host", "x"), ("Content-Length", "3"))),
        BodyData(b"abc"),
        MessageEnd(),
    ]


def test_what_follows_a_request_is_kept_for_the_next() -> None:
    framing = RequestFraming()
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert len(_events(framing, request * 2 + b"GE")) == 2
    assert framing.leftover == request + b"GE"
    framing.start_next()
    assert not framing.between_messages
    assert len(_events(framing, b"")) == 2
    framing.start_next()
    assert _events(framing, b"") == [PeerClosed(mid_message=True)]


def test_an_end_between_requests_is_told_from_one_within() -> None:
    assert _events(RequestFraming(), b"") == [PeerClosed(mid_message=False)]
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
    assert _events(RequestFraming(), head + b"a", b"")[-1] == PeerClosed(mid_message=True)


def test_a_tunnel_s_bytes_are_left_over() -> None:
    framing = RequestFraming()
    events = _events(framing, b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\x16\x03")
    assert isinstance(events[0], RequestHead)
    assert (events[0].target, events[1:]) == ("a:1", [MessageEnd()])
    assert framing.leftover == b"\x16\x03"


def test_what_is_not_a_request_is_broken() -> None:
    (event,) = _events(RequestFraming(), b"\x16\x03\x01\x00\r\n\r\n")
    assert isinstance(event, Broken)
    assert event.status == 400


def test_a_response_is_a_head_a_body_and_an_end() -> None:
    framing = ResponseFraming("GET")
    events = _events(framing, OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nHTTP")
    assert events == [
        ResponseHead(200, "OK", "1.1", (("Transfer-Encoding", "chunked"),)),
        BodyData(b"a"),
        MessageEnd(),
    ]
    framing.start_next("GET")
    assert framing.leftover == b"HTTP"


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("HEAD", OK + b"Content-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("CONNECT", b"HTTP/1.1 200 Connection established\r\n\r\n"),
        ("GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
    ],
)
def test_the_method_and_the_status_decide_whether_a_body_follows(method: str, data: bytes) -> None:
    events = _events(ResponseFraming(method), data + b"after")
    assert [type(event) for event in events] == [ResponseHead, MessageEnd]


def test_an_interim_response_comes_before_the_final_one() -> None:
    data = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"
    events = _events(ResponseFraming("GET"), data)
    statuses = [event.status for event in events if isinstance(event, ResponseHead)]
    assert (statuses, events[-1]) == ([103, 200], MessageEnd())


def test_a_response_without_framing_ends_with_the_connection() -> None:
    framing = ResponseFraming("GET")
    assert _events(framing, OK + b"\r\nabc")[1:] == [BodyData(b"abc")]
    assert not framing.peer_closed
    assert _events(framing, b"") == [MessageEnd()]
    assert framing.peer_closed


def test_a_response_that_is_cut_short_is_no_end() -> None:
    framing = ResponseFraming("GET")
    events = _events(framing, OK + b"Content-Length: 5\r\n\r\nabc", b"")
    assert events[1:] == [BodyData(b"abc"), PeerClosed(mid_message=True)]
    assert _events(ResponseFraming("GET"), b"") == [PeerClosed(mid_message=True)]


def test_what_is_not_a_response_is_broken() -> None:
    (event,) = _events(ResponseFraming("GET"), b"nonsense\r\n\r\n")
    assert isinstance(event, Broken)


@pytest.mark.parametrize(
    ("version", "value", "kept"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "x, CLOSE", False),
        ("1.1", "keep-alive", True),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_persistence_is_read_from_the_version_and_connection(
    version: str, value: str | None, kept: bool
) -> None:
    headers = () if value is None else (("connection", value),)
    assert keeps_alive(version, headers) is kept
    assert RequestHead("GET", "/", version, headers).keeps_alive is kept
    assert ResponseHead(200, "OK", version, headers).keeps_alive is kept


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a/b?c=http://d", "/a/b"),
        ("http://host/a?b", "/a"),
        ("http://host", "/"),
        ("http://host?b", "/"),
        ("*", "*"),
        ("host:443", "host:443"),
    ],
)
def test_the_path_is_taken_from_any_form_of_target(target: str, path: str) -> None:
    assert path_of(target) == path


def test_heads_are_written_as_they_are_read() -> None:
    request = RequestHead("GET", "/\xe9", "1.1", (("X", "\xff"),))
    assert encode_request_head(request) == b"GET /\xe9 HTTP/1.1\r\nX: \xff\r\n\r\n"
    response = ResponseHead(299, "", "1.0", ())
    assert encode_response_head(response) == b"HTTP/1.0 299 \r\n\r\n"
    assert not response.keeps_alive
