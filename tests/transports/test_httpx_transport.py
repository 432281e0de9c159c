"""Clients of httpx on our transport: what is recorded, for how long, and in which threads."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from pytest_keepalive import ConnectionLimitExceeded
from pytest_keepalive._connection import State
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._events import Ending
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.transports.side_by_side import counter, run_both


def test_one_client_gives_the_same_records_patched_or_not() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/chunked", body=["a", "b"], framing="chunked")
        server.reply("/nothing", 204, body="")
        with httpx.Client(transport=seen.httpx_transport()) as client:
            client.get(server.url_for("/?token=secret"))
            client.post(server.url_for("/form"), data={"a": "b"})
            client.head(server.url_for("/"))
            client.get(server.url_for("/chunked"))
            client.get(server.url_for("/nothing"))

    seen = run_both(scenario)

    assert seen.accepted == 1
    assert seen.places == list(seen.exchanges) == [(0, index) for index in range(5)]
    assert [exchange.reused for exchange in seen.recording.exchanges] == [False] + 4 * [True]
    assert {exchange.ending for exchange in seen.recording.exchanges} == {Ending.COMPLETE}
    assert "secret" not in repr(seen.recording.exchanges)
    assert seen.recording.connections[0].close_reason == "the client was closed"


def test_a_client_for_each_request_is_counted_as_many() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        for _ in range(3):
            with httpx.Client(transport=seen.httpx_transport()) as client:
                client.get(server.url)

    seen = run_both(scenario)

    assert seen.recording.count == seen.accepted == 3
    assert seen.recording.reused == 0


def test_a_broken_promise_fails_with_nothing_patched(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    for _ in range(2):
        with httpx.Client(transport=unpatched.httpx_transport()) as client:
            client.get(server.url)

    with pytest.raises(ConnectionLimitExceeded, match="opened 2 connections"):
        unpatched.assert_single()


def test_the_call_site_is_the_line_of_the_request(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with httpx.Client(transport=unpatched.httpx_transport()) as client:
        client.get(server.url)

    (exchange,) = unpatched.exchanges
    assert exchange.call_site is not None
    assert exchange.call_site.source == "client.get(server.url)"
    assert unpatched.connections[0].call_site == exchange.call_site


def test_both_requests_of_a_redirect_are_seen() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.route("/from", Reply.redirect("/to"))
        with httpx.Client(transport=seen.httpx_transport(), follow_redirects=True) as client:
            client.get(server.url_for("/from"))

    seen = run_both(scenario)

    assert [exchange.status for exchange in seen.recording.exchanges] == [302, 200]
    assert seen.places == list(seen.exchanges) == [(0, 0), (0, 1)]


def test_the_response_has_what_a_plain_one_has(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with httpx.Client() as plain, httpx.Client(transport=unpatched.httpx_transport()) as client:
        expected, response = plain.get(server.url), client.get(server.url)

    assert response.content == expected.content
    assert response.headers.keys() == expected.headers.keys()
    assert response.extensions.keys() == expected.extensions.keys()
    network_stream: Any = response.extensions["network_stream"]
    base = type(expected.extensions["network_stream"]).__mro__[1]
    assert issubclass(type(network_stream), base)
    assert network_stream.get_extra_info("ssl_object") is None


def test_every_argument_reaches_the_real_transport(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    transport = unpatched.httpx_transport(True, local_address="127.0.0.2")
    assert isinstance(transport, httpx.HTTPTransport)
    with httpx.Client(transport=transport) as client:
        client.get(server.url)

    local = unpatched.connections[0].local
    assert local is not None
    assert local[0] == server.connections[0].peer[0] == "127.0.0.2"
    with pytest.raises(TypeError, match="no_such_argument"):
        unpatched.httpx_transport(no_such_argument=1)


def test_threads_that_share_a_client_are_told_apart(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    server.reply("/", hold=True)
    with httpx.Client(transport=unpatched.httpx_transport()) as client:
        threads = [threading.Thread(target=client.get, args=(server.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.wait_for_requests(3)
        server.release()
        for thread in threads:
            thread.join()

    assert unpatched.count == server.accepted == 3
    assert [exchange.index for exchange in unpatched.exchanges] == [0, 0, 0]


def test_patches_of_an_inner_measurement_count_nothing_twice(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with httpx.Client(transport=unpatched.httpx_transport()) as client:
        client.get(server.url)
        with measure() as inner:
            client.get(server.url)
            assert inner.count == inner.exchanges == 1
        client.get(server.url)
        with measure(), httpx.Client(transport=unpatched.httpx_transport()) as other:
            other.get(server.url)

    assert unpatched.count == server.accepted == 2
    assert [exchange.index for exchange in unpatched.exchanges] == [0, 1, 2, 0]
    assert {each.state for each in unpatched.connections} == {State.CLOSED}


def test_an_inner_measurement_without_patches_stays_without(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with httpx.Client(transport=unpatched.httpx_transport()) as client:
        client.get(server.url)
        with unpatched.measure() as inner:
            client.get(server.url)

    assert inner.count == 1
    assert inner.opened == 0
    assert inner.exchanges == 1


def test_it_records_until_its_test_ends(server: KeepaliveServer) -> None:
    first = counter(patch=False)
    with httpx.Client(transport=first.httpx_transport()) as client:
        client.get(server.url)
        first.close()
        second = counter(patch=False)
        client.get(server.url)
        assert second.exchanges == 0
        second.close()


def test_a_counter_whose_test_has_ended_makes_no_transport() -> None:
    ended = counter(patch=False)
    ended.close()

    for make in (ended.httpx_transport, ended.async_httpx_transport, ended.pool_manager):
        with pytest.raises(RuntimeError, match="after its test had ended"):
            make()
