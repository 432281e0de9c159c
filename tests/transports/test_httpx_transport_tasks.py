"""Clients of httpx on our transport, in the tasks of asyncio and trio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpcore
import httpx
import pytest

from pytest_keepalive._connection import State
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._events import Ending
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.transports.side_by_side import run


def run_with_asyncio(main: Callable[[], Awaitable[object]]) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def run_with_trio(main: Callable[[], Awaitable[object]]) -> None:
    trio = pytest.importorskip("trio")
    trio.run(main)


@pytest.fixture(params=[run_with_asyncio, run_with_trio], ids=["asyncio", "trio"])
def run_tasks(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[object]]], None]:
    chosen: Callable[[Callable[[], Awaitable[object]]], None] = request.param
    return chosen


Tasks = Callable[[Callable[[], Awaitable[object]]], None]


def test_tasks_give_the_same_records_patched_or_not(run_tasks: Tasks) -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.route("/from", Reply.redirect("/to"))
        server.reply("/close", keep_alive=False)

        async def main() -> None:
            transport = seen.async_httpx_transport()
            async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
                await client.get(server.url)
                await client.post(server.url, content=b"abc")
                await client.get(server.url_for("/from"))
                await client.get(server.url_for("/close"))
                await client.get(server.url)
                async with client.stream("GET", server.url):
                    pass

        run_tasks(main)

    patched, seen = run(scenario, patch=True), run(scenario, patch=False)

    assert seen.places == patched.places == list(seen.exchanges)
    assert seen.recording.count == seen.accepted == 2
    assert [each.status for each in seen.recording.exchanges] == [200, 200, 302, 200, 200, 200, 200]
    assert all(each.adoption and each.adoption.loop for each in seen.recording.connections)
    assert len(set(_each(seen.recording.exchanges, "worker")) - {0}) == 1
    for name in ("call_site", "ending", "missing", "reused", "method", "http_version"):
        assert _each(seen.recording.exchanges, name) == _each(patched.recording.exchanges, name)
    for name in ("client", "call_site", "close_reason"):
        assert _each(seen.recording.connections, name) == _each(patched.recording.connections, name)


def _each(values: Any, name: str) -> list[Any]:
    return [getattr(value, name) for value in values]


def test_tasks_are_measured_under_tls(run_tasks: Tasks) -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        async def main() -> None:
            transport = seen.async_httpx_transport(verify=server.client_context())
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(server.url)
                await client.get(server.url)

        run_tasks(main)

    seen = run(scenario, KeepaliveServer(tls=True), patch=False)

    (connection,) = seen.recording.connections
    assert connection.handshake_seconds is not None
    assert connection.close_reason == "the client was closed"
    assert connection.state is State.CLOSED
    assert seen.places == list(seen.exchanges) == [(0, 0), (0, 1)]


def test_streams_of_concurrent_tasks_share_one_connection(run_tasks: Tasks) -> None:
    pytest.importorskip("h2")
    anyio = pytest.importorskip("anyio")

    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        async def main() -> None:
            transport = seen.async_httpx_transport(verify=server.client_context(), http2=True)
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(server.url)
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(client.get, server.url)

        run_tasks(main)

    seen = run(scenario, KeepaliveServer(tls=True, http2=True), patch=False)

    assert seen.recording.count == seen.accepted == 1
    assert seen.places == list(seen.exchanges) == [(0, index) for index in range(4)]
    assert {each.ending for each in seen.recording.exchanges} == {Ending.COMPLETE}


@pytest.mark.skipif(
    httpcore.__version__.startswith("0.15."), reason="httpcore never lets go of such a request"
)
def test_a_task_that_is_cancelled_has_failed(run_tasks: Tasks) -> None:
    anyio = pytest.importorskip("anyio")

    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/held", hold=True)

        async def main() -> None:
            transport = seen.async_httpx_transport()
            async with httpx.AsyncClient(transport=transport) as client:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.get, server.url_for("/held"))
                    await anyio.to_thread.run_sync(server.wait_for_requests, 1)
                    group.cancel_scope.cancel()
                await client.get(server.url)

        run_tasks(main)

    seen, patched = run(scenario, patch=False), run(scenario, patch=True)

    assert seen.recording.count == seen.accepted == 2
    assert _each(seen.recording.exchanges, "ending") == [Ending.FAILED, Ending.COMPLETE]
    for name in ("error", "ending"):
        assert _each(seen.recording.exchanges, name) == _each(patched.recording.exchanges, name)


def test_errors_of_tasks_pass_unaltered(run_tasks: Tasks) -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> list[str]:
        server.route("/head", Reply(reset="before_head"))
        server.route("/body", Reply(body=b"x" * 1000, close=10))
        errors = []

        async def main() -> None:
            transport = seen.async_httpx_transport()
            async with httpx.AsyncClient(transport=transport) as client:
                for path in ("/head", "/body"):
                    with pytest.raises(httpx.HTTPError) as raised:
                        await client.get(server.url_for(path))
                    errors.append(repr(raised.value))

        run_tasks(main)
        return errors

    seen, patched = run(scenario, patch=False), run(scenario, patch=True)

    assert seen.result == patched.result
    assert _each(seen.recording.exchanges, "error") == _each(patched.recording.exchanges, "error")
    assert _each(seen.recording.exchanges, "ending") == [Ending.FAILED] * 2
