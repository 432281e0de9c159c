"""aiohttp: why connections are closed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from pytest_keepalive._events import CloseTrigger, Ending, Side
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.aiohttp_sessions import ANNOUNCES_CLOSE, aiohttp, get, run, until
from tests.probes.bodies import BIG


class TestClosing:
    def test_force_close_keeps_nothing(self, server: KeepaliveServer) -> None:
        async def main() -> None:
            connector = aiohttp.TCPConnector(force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session:
                for _ in range(2):
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        for connection in seen.connections:
            assert connection.closing is not None
            assert connection.closing.trigger is CloseTrigger.KEEPALIVE_OFF
            assert connection.closing.detail == "force_close=True"
        sent = [request.header("connection") for request in server.requests]
        assert [each.closing for each in seen.exchanges] == [each == "close" for each in sent]
        assert seen.exchanges[0].closing == ANNOUNCES_CLOSE

    @pytest.mark.parametrize(
        ("fields", "detail"),
        [
            ({"keep_alive": False}, "Connection: close"),
            ({"http_version": "1.0"}, "HTTP/1.0"),
            ({"framing": "eof"}, "no length, and no chunks"),
        ],
        ids=["close", "http-1.0", "unframed"],
    )
    @pytest.mark.parametrize("body", [b"ok", BIG], ids=["small", "big"])
    def test_a_response_that_forbids_reuse(
        self, server: KeepaliveServer, fields: dict[str, Any], detail: str, body: bytes
    ) -> None:
        if detail == "no length, and no chunks":
            # Where it says so too, that is what is shown.
            fields = {**fields, "headers": {"Connection": "keep-alive"}}
        server.reply("/", body=body, **fields)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        for exchange, connection in zip(seen.exchanges, seen.connections, strict=True):
            assert exchange.ending is Ending.COMPLETE
            assert exchange.will_close
            assert connection.closing is not None
            assert connection.closing.trigger is CloseTrigger.SERVER_SAID_CLOSE
            assert connection.closing.detail == detail

    def test_a_connection_expires_when_it_is_asked_for_too_late(
        self, server: KeepaliveServer
    ) -> None:
        async def main() -> None:
            connector = aiohttp.TCPConnector(keepalive_timeout=0.05)
            async with aiohttp.ClientSession(connector=connector) as session:
                await get(session, server.url)
                # Not awaited, so that the connector's own timer cannot run.
                time.sleep(0.08)
                await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.trigger is CloseTrigger.EXPIRED
        assert closing.detail.startswith("idle 0.")
        assert closing.detail.endswith(" s, keepalive_timeout 0.05 s")

    def test_a_connection_expires_by_the_timer_of_the_connector(
        self, server: KeepaliveServer
    ) -> None:
        async def main() -> None:
            connector = aiohttp.TCPConnector(keepalive_timeout=0.05)
            async with aiohttp.ClientSession(connector=connector) as session:
                await get(session, server.url)
                await asyncio.to_thread(server.wait_until_closed)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.trigger is CloseTrigger.EXPIRED
        assert seen.connections[0].closed_by is Side.CLIENT

    def test_a_connection_that_the_server_drops(self, server: KeepaliveServer) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await get(session, server.url)
                await asyncio.to_thread(server.drop_idle)
                await until(lambda: seen.connections[0].state == "CLOSED", seen)
                await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.trigger is CloseTrigger.DROPPED
        assert closing.detail.startswith("idle ")
        assert seen.connections[0].closed_by is Side.PEER

    def test_closing_the_session_shows_its_line(self, server: KeepaliveServer) -> None:
        async def main() -> None:
            session = aiohttp.ClientSession()
            await get(session, server.url)
            await session.close()  # this line

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.trigger is CloseTrigger.CLIENT_CLOSED
        assert closing.call_site is not None
        assert closing.call_site.source == "await session.close()  # this line"

    def test_closing_the_session_ends_what_is_under_way(self, server: KeepaliveServer) -> None:
        server.reply("/big", body=BIG)

        async def main() -> None:
            session = aiohttp.ClientSession()
            response = await session.get(server.url_for("/big"))
            await session.close()
            response.close()

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.ABANDONED
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.trigger is CloseTrigger.CLIENT_CLOSED

    def test_closing_the_session_fails_who_waits_for_a_head(self, server: KeepaliveServer) -> None:
        server.reply("/", stall="before_head")

        async def main() -> None:
            session = aiohttp.ClientSession()
            task = asyncio.ensure_future(get(session, server.url))
            await asyncio.to_thread(server.wait_for_requests, 1)
            await session.close()
            # 3.10 tries once more, with a session that has no connector.
            with pytest.raises((aiohttp.ClientError, AttributeError)):
                await task

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.FAILED
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.trigger is CloseTrigger.CLIENT_CLOSED
