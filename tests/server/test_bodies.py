"""Bodies: their sizes, their framing, and how they are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pytest_keepalive._server import KeepaliveServer, Reply

from .raw_client import RawClient


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_of_any_size_leaves_the_connection_usable(
    server: KeepaliveServer, client: RawClient, size: int, framing: str
) -> None:
    body = bytes(index % 251 for index in range(997)) * (size // 997 + 1)
    server.reply("/body", body=body[:size], framing=framing)
    response = client.get("/body")
    assert response.body == body[:size]
    assert (response.header("Content-Length") is None) is (framing == "chunked")
    assert response.header("Transfer-Encoding") == (None if framing == "length" else "chunked")
    assert client.get("/body").body == body[:size]
    assert server.exchanges == ((0, 0), (0, 1))


def test_a_body_without_framing_ends_with_the_connection(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/eof", body="all of it", framing="eof")
    client.ask("/eof")
    data = client.read_to_end()
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b"all of it"
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8"
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "server"
    assert server.connections[0].close_reason == "end of a body without framing"


def test_a_head_request_for_a_body_without_framing_keeps_the_connection(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/eof", framing="eof")
    assert client.get("/eof", method="HEAD").body == b""
    assert client.get().status == 200


def test_to_an_http_1_0_client_chunks_become_the_end_of_the_connection(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/pieces", body=["a", "b"])
    client.ask("/pieces", "Connection: keep-alive", version="1.0")
    assert client.read_to_end().endswith(b"\r\n\r\nab")


def test_several_pieces_are_chunks_of_their_own(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/pieces", body=["one", b"two", ""])
    client.ask("/pieces", "Connection: close")
    assert client.read_to_end().endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_several_pieces_may_have_a_length(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/pieces", body=["one", "two"], framing="length")
    response = client.get("/pieces")
    assert (response.header("Content-Length"), response.body) == ("6", b"onetwo")


def test_piece_size_cuts_a_body(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/cut", body="abcde", piece_size=2, framing="chunked")
    client.ask("/cut", "Connection: close")
    assert client.read_to_end().endswith(b"2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n")


def test_a_pause_passes_between_two_pieces_only(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/slow", body=["a", "b", "c"], pause=0.03)
    server.reply("/one", body=["a"], pause=30)
    begin = time.monotonic()
    assert client.get("/slow").body == b"abc"
    assert 0.06 <= time.monotonic() - begin < 3
    assert client.get("/one").body == b"a"


def test_a_function_makes_the_pieces_of_each_response_anew(
    server: KeepaliveServer, client: RawClient
) -> None:
    calls = []

    def pieces() -> Iterator[bytes]:
        calls.append(1)
        yield b"call "
        yield b"%d" % len(calls)

    server.reply("/made", body=pieces)
    response = client.get("/made")
    assert (response.body, response.header("Transfer-Encoding")) == (b"call 1", "chunked")
    assert client.get("/made").body == b"call 2"


def test_a_function_may_give_text_and_nothing(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/made", body=lambda: iter(("text", b"", b"!")))
    assert client.get("/made").body == b"text!"


def test_what_a_function_made_is_seen_before_it_makes_more(
    server: KeepaliveServer, client: RawClient
) -> None:
    seen = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"first"
        assert seen.wait(5)
        yield b"last"

    server.reply("/stream", body=pieces)
    client.ask("/stream")
    received = b""
    while not received.endswith(b"5\r\nfirst\r\n"):
        received += client.sock.recv(65536)
    seen.set()
    assert client.read_to_chunk_end() == b"4\r\nlast\r\n0\r\n\r\n"


def test_the_head_of_a_stream_does_not_wait_for_its_first_piece(
    server: KeepaliveServer, client: RawClient
) -> None:
    seen = threading.Event()

    def pieces() -> Iterator[bytes]:
        assert seen.wait(5)
        yield b"late"

    server.reply("/stream", body=pieces)
    client.ask("/stream")
    assert client.sock.recv(65536).endswith(b"\r\n\r\n")
    seen.set()
    assert client.read_to_chunk_end().endswith(b"late\r\n0\r\n\r\n")


def test_a_function_that_fails_midway_ends_the_connection(
    server: KeepaliveServer, client: RawClient
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"good"
        raise OSError("no more")

    server.reply("/broken", body=pieces)
    client.ask("/broken")
    assert client.read_to_end().endswith(b"4\r\ngood\r\n")
    server.wait_until_closed(1)
    assert server.connections[0].close_reason == "OSError: no more"
    assert server.connections[0].closed_by == "server"
    assert [str(error) for error in server.errors] == ["no more"]


def test_server_sent_events_are_a_stream(server: KeepaliveServer, client: RawClient) -> None:
    server.route("/events", Reply.events(["a", "[DONE]"], pause=0.001))
    response = client.get("/events")
    assert response.header("Content-Type") == "text/event-stream"
    assert response.body == b"data: a\n\ndata: [DONE]\n\n"
    assert client.get().status == 200


def test_json_has_its_type(server: KeepaliveServer, client: RawClient) -> None:
    server.route("/json", Reply.json({"a": [1, None]}, status=201))
    response = client.get("/json")
    assert (response.status, response.header("Content-Type")) == (201, "application/json")
    assert response.body == b'{"a": [1, null]}'


def test_a_body_of_bytes_says_so(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/bytes", body=b"\x00")
    server.reply("/own", headers={"content-type": "x/y"})
    server.reply("/empty", body="")
    assert client.get("/bytes").header("Content-Type") == "application/octet-stream"
    assert client.get("/own").headers.get_all("Content-Type") == ["x/y"]
    assert client.get("/empty").header("Content-Type") is None


def test_an_echo_carries_the_body_of_the_request(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.route("/echo", Reply.echoing())
    server.route("/cut", Reply.echoing(piece_size=2, framing="chunked", headers={"X": "1"}))
    response = client.get("/echo", "Content-Type: x/y", method="POST", body=b"hello")
    assert (response.body, response.header("Content-Type")) == (b"hello", "x/y")
    response = client.get("/cut", method="POST", body=b"hello")
    assert (response.body, response.header("X")) == (b"hello", "1")
    assert response.header("Content-Type") == "application/octet-stream"
    assert client.get("/echo").body == b""


def test_an_echo_reads_chunks_too(server: KeepaliveServer, client: RawClient) -> None:
    server.route("/echo", Reply.echoing())
    client.ask("/echo", "Transfer-Encoding: chunked", method="POST")
    client.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert client.read().body == b"abcde"
    assert server.requests[0].body == b"abcde"


def test_a_large_upload_is_received_whole(server: KeepaliveServer, client: RawClient) -> None:
    body = b"0123456789" * 200_000
    assert client.get("/", method="PUT", body=body).status == 200
    assert server.requests[0].body == body


def test_a_length_that_lies_is_sent_as_it_was_given(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/lie", body="short", headers={"Content-Length": "50"}, keep_alive=False)
    client.ask("/lie")
    data = client.read_to_end()
    assert data.count(b"Content-Length") == 1
    assert b"Content-Length: 50\r\n" in data


def test_redirects_and_challenges_have_their_fields(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.route("/moved", Reply.redirect("/new"))
    server.route("/away", Reply.redirect("http://example.test/", status=308))
    server.route("/private", Reply.challenge("Negotiate", 'Basic realm="x"'))
    server.route("/proxy", Reply.challenge("NTLM", status=407))
    moved, away = client.get("/moved"), client.get("/away")
    assert (moved.status, moved.header("Location")) == (302, "/new")
    assert (away.status, away.header("Location")) == (308, "http://example.test/")
    private = client.get("/private")
    schemes = private.headers.get_all("WWW-Authenticate")
    assert (private.status, schemes) == (401, ["Negotiate", 'Basic realm="x"'])
    assert client.get("/proxy").header("Proxy-Authenticate") == "NTLM"
    assert server.count == 1


def test_status_and_reason_are_those_that_were_given(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/a", 299)
    server.reply("/b", 200, reason="Fine")
    server.reply("/c", 200, reason="")
    reasons = [(r.status, r.reason) for r in map(client.get, ("/a", "/b", "/c"))]
    assert reasons == [(299, ""), (200, "Fine"), (200, "")]
