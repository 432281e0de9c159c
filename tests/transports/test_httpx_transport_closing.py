"""Clients of httpx on our transport: why a connection was closed."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import httpx

from pytest_keepalive._connection import State
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._events import Ending
from pytest_keepalive._server import KeepaliveServer
from tests.transports.side_by_side import run, run_both


def test_a_server_that_says_close_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/", keep_alive=False)
        with httpx.Client(transport=seen.httpx_transport()) as client:
            client.get(server.url)
            client.get(server.url)

    seen = run_both(scenario)

    assert seen.recording.count == seen.accepted == 2
    reasons = {each.close_reason for each in seen.recording.connections}
    assert reasons == {"the response does not allow reuse"}


def test_a_request_that_says_close_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with httpx.Client(transport=seen.httpx_transport()) as client:
            client.get(server.url, headers={"Connection": "close"})
            client.get(server.url)

    assert run_both(scenario).accepted == 2


def test_http_1_0_is_not_kept() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with httpx.Client(transport=seen.httpx_transport()) as client:
            client.get(server.url)
            client.get(server.url)

    assert run_both(scenario, http_version="1.0").accepted == 2


def test_a_body_that_was_not_read_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/", body=b"x" * 100_000)
        with httpx.Client(transport=seen.httpx_transport()) as client:
            with client.stream("GET", server.url):
                pass
            with client.stream("GET", server.url) as response:
                for _ in response.iter_raw(1000):
                    break

    recording = run(scenario, patch=False).recording

    assert [each.ending for each in recording.exchanges] == [Ending.ABANDONED] * 2
    assert recording.exchanges[0].missing == 100_000
    reasons = [str(each.close_reason) for each in recording.connections]
    assert all(reason.startswith("the response was not read to its end") for reason in reasons)


def test_a_stream_that_is_not_read_is_the_same_patched_or_not() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/", body=b"x" * 1000)
        with (
            httpx.Client(transport=seen.httpx_transport()) as client,
            client.stream("GET", server.url),
        ):
            pass

    run_both(scenario)


def test_a_stream_read_part_by_part_is_complete() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> bytes:
        server.reply("/", body=[b"one", b"two"], framing="chunked")
        with (
            httpx.Client(transport=seen.httpx_transport()) as client,
            client.stream("GET", server.url) as response,
        ):
            return b"".join(response.iter_raw())

    seen = run_both(scenario)

    assert seen.result == b"onetwo"
    assert [each.ending for each in seen.recording.exchanges] == [Ending.COMPLETE]


def test_an_idle_time_that_ran_out_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        limits = httpx.Limits(keepalive_expiry=0)
        with httpx.Client(transport=seen.httpx_transport(limits=limits)) as client:
            client.get(server.url)
            client.get(server.url)

    seen = run_both(scenario)

    assert seen.accepted == 2
    assert "keepalive_expiry 0" in str(seen.recording.connections[0].close_reason)


def test_a_pool_that_keeps_nothing_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(transport=seen.httpx_transport(limits=limits)) as client:
            client.get(server.url)
            client.get(server.url)

    seen = run_both(scenario)

    assert seen.accepted == 2
    assert "max_keepalive_connections 0" in str(seen.recording.connections[0].close_reason)


def test_a_pool_that_is_full_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        limits = httpx.Limits(max_connections=1)
        with (
            KeepaliveServer() as other,
            httpx.Client(transport=seen.httpx_transport(limits=limits)) as client,
        ):
            client.get(server.url)
            client.get(other.url)

    seen = run_both(scenario)

    assert "max_connections 1" in str(seen.recording.connections[0].close_reason)


def test_a_connection_that_the_server_dropped_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with httpx.Client(transport=seen.httpx_transport()) as client:
            client.get(server.url)
            server.drop_idle()
            client.get(server.url)

    seen = run_both(scenario)

    assert seen.accepted == 2
    dropped = seen.recording.connections[0]
    assert str(dropped.close_reason).startswith("the peer had closed it while idle")
    assert dropped.closed_by == "peer"


def test_a_body_can_be_given_up_part_by_part(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    server.reply("/", body=b"x" * 1000, piece_size=10)

    async def main() -> None:
        async with unpatched.async_httpx_transport() as transport:
            response = await transport.handle_async_request(httpx.Request("GET", server.url))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            parts: Any = aiter(response.stream)
            await anext(parts)
            await parts.aclose()
            await response.aclose()

    asyncio.run(main())

    (exchange,) = unpatched.exchanges
    assert exchange.ending is Ending.ABANDONED
    assert unpatched.connections[0].state is State.CLOSED


def test_a_client_that_is_dropped_has_closed_its_connection(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        httpx.Client(transport=unpatched.httpx_transport()).get(server.url)
        gc.collect()

    assert unpatched.connections[0].state is State.CLOSED
