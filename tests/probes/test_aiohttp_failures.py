"""aiohttp: exchanges that failed, and requests that were never sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pytest_keepalive._events import CloseTrigger, Ending, Side
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.aiohttp_sessions import aiohttp, get, run, until


class TestEndings:
    @pytest.mark.parametrize("moment", ["head", "body"])
    def test_a_timeout_is_a_failure(self, server: KeepaliveServer, moment: str) -> None:
        server.reply("/head", stall="before_head")
        server.reply("/body", body=b"x" * 1000, stall=10)

        async def main() -> None:
            timeout = aiohttp.ClientTimeout(total=0.1)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                with pytest.raises(asyncio.TimeoutError):
                    await get(session, server.url_for("/" + moment))

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.FAILED
        assert seen.exchanges[0].error == "TimeoutError"
        closing = seen.connections[0].closing
        assert closing is not None
        assert (closing.trigger, closing.detail) == (CloseTrigger.FAILED, "TimeoutError")
        assert seen.connections[0].closed_by is Side.CLIENT

    @pytest.mark.parametrize("moment", ["head", "body"])
    def test_a_timeout_of_the_socket_is_a_failure(
        self, server: KeepaliveServer, moment: str
    ) -> None:
        server.reply("/head", stall="before_head")
        server.reply("/body", body=b"x" * 1000, stall=10)

        async def main() -> None:
            timeout = aiohttp.ClientTimeout(sock_read=0.1)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                with pytest.raises(aiohttp.ServerTimeoutError):
                    await get(session, server.url_for("/" + moment))

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        # 3.8 and 3.9 have no SocketTimeoutError.
        expected = getattr(aiohttp, "SocketTimeoutError", aiohttp.ServerTimeoutError).__name__
        assert seen.exchanges[0].ending is Ending.FAILED
        assert seen.exchanges[0].error == expected

    @pytest.mark.parametrize("path", ["/head", "/body"])
    @pytest.mark.parametrize("streaming", [False, True], ids=["reading", "streaming"])
    def test_a_cancellation_is_a_failure(
        self, server: KeepaliveServer, path: str, streaming: bool
    ) -> None:
        server.reply("/head", stall="before_head")
        server.reply("/body", body=b"x" * 1000, stall=10)

        async def use(session: Any) -> None:
            async with session.get(server.url_for(path)) as response:
                if not streaming:
                    await response.read()
                async for _ in response.content.iter_any():
                    pass

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                task = asyncio.ensure_future(use(session))
                await until(lambda: seen.exchanges, seen)
                if path == "/body":
                    await until(lambda: seen.exchanges[0].status, seen)
                await asyncio.to_thread(server.wait_for_requests, 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.FAILED
        assert seen.exchanges[0].error == "CancelledError"

    def test_a_server_that_hangs_up_is_a_failure(self, server: KeepaliveServer) -> None:
        server.reply("/", close="before_head")

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(aiohttp.ServerDisconnectedError):
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        # 3.10 and later try an idempotent request once more.
        assert_agreement(seen, server)
        assert {each.error for each in seen.exchanges} == {"ServerDisconnectedError"}
        assert {each.closed_by for each in seen.connections} == {Side.PEER}
        assert all(each.closing is None for each in seen.connections)

    def test_a_body_that_is_cut_off_is_a_failure(self, server: KeepaliveServer) -> None:
        server.reply("/", body=b"x" * 10_000, close=5_000)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.FAILED
        assert seen.exchanges[0].error == "ClientPayloadError"
        assert seen.exchanges[0].missing == 5_000

    def test_a_reset_is_a_failure(self, server: KeepaliveServer) -> None:
        server.reply("/", body=b"x" * 10_000, reset=5_000)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(aiohttp.ClientError):
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.FAILED
        assert seen.connections[0].closed_by is Side.PEER

    def test_a_request_that_was_never_sent_is_no_exchange(self, server: KeepaliveServer) -> None:
        class Unsendable(aiohttp.ClientRequest):  # type: ignore[misc]
            async def send(self, conn: Any) -> Any:
                raise RuntimeError("not today")

        async def main() -> None:
            async with aiohttp.ClientSession(request_class=Unsendable) as session:
                with pytest.raises(RuntimeError, match="not today"):
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [0]
        (connection,) = seen.connections
        assert connection.unsent is not None
        assert connection.unsent.error == "RuntimeError"
        assert connection.closing is not None
        assert connection.closing.trigger is CloseTrigger.FAILED

    def test_a_request_whose_body_fails_agrees_with_what_the_server_got(
        self, server: KeepaliveServer
    ) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("no more")

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                with pytest.raises((RuntimeError, aiohttp.ClientError)):
                    async with session.post(server.url, data=pieces()) as response:
                        await response.read()

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert all(each.ending is Ending.FAILED for each in seen.exchanges)
