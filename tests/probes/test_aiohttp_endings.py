"""aiohttp: exchanges that are complete, and those that were abandoned."""

from __future__ import annotations

import gc
from contextlib import suppress
from io import BytesIO

import pytest

from pytest_keepalive._events import CloseTrigger, Ending
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.aiohttp_sessions import aiohttp, get, run
from tests.probes.bodies import BIG
from tests.probes.upgrading_server import UpgradingServer


class TestEndings:
    def test_a_stream_that_is_read_is_complete(self, server: KeepaliveServer) -> None:
        server.reply("/stream", body=[b"a" * 10, b"b" * 10])

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                async with session.get(server.url_for("/stream")) as response:
                    async for _ in response.content.iter_any():
                        pass
                await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.count == 1
        assert seen.exchanges[0].ending is Ending.COMPLETE
        assert seen.exchanges[0].framed

    def test_an_exchange_is_under_way_while_its_body_is(self, server: KeepaliveServer) -> None:
        server.reply("/big", body=BIG)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                response = await session.get(server.url_for("/big"))
                assert seen.connections[0].state == "ACTIVE"
                assert seen.exchanges[0].status == 200
                await response.read()
                assert seen.connections[0].state == "IDLE"

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)

    def test_a_big_body_left_unread_is_abandoned(self, server: KeepaliveServer) -> None:
        server.reply("/big", body=BIG)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                async with session.get(server.url_for("/big")):
                    pass
                await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        abandoned, complete = seen.exchanges
        assert seen.count == 2
        assert abandoned.ending is Ending.ABANDONED
        assert abandoned.missing is not None
        assert 0 < abandoned.missing <= len(BIG)
        assert abandoned.error is None
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.trigger is CloseTrigger.BODY_UNREAD
        assert closing.detail == f"{abandoned.missing} of {len(BIG)} bytes had not come"
        assert complete.ending is Ending.COMPLETE

    def test_a_small_body_left_unread_is_complete_since_it_has_come(
        self, server: KeepaliveServer
    ) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    async with session.get(server.url):
                        pass

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [2]
        assert {each.ending for each in seen.exchanges} == {Ending.COMPLETE}

    def test_a_response_that_was_forgotten_is_under_way_until_the_session_is_closed(
        self, server: KeepaliveServer
    ) -> None:
        server.reply("/big", body=BIG)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await session.get(server.url_for("/big"))
                gc.collect()
                await get(session, server.url)
                assert [each.state for each in seen.connections] == ["ACTIVE", "IDLE"]

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.ABANDONED

    def test_an_error_of_the_user_is_no_failure_of_the_exchange(
        self, server: KeepaliveServer
    ) -> None:
        server.reply("/big", body=BIG)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(KeyError):
                    async with session.get(server.url_for("/big")):
                        raise KeyError

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].ending is Ending.ABANDONED
        assert seen.exchanges[0].error == "KeyError"

    def test_a_request_made_while_an_error_is_handled_has_not_failed(
        self, server: KeepaliveServer
    ) -> None:
        server.reply("/big", body=BIG)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                try:
                    raise KeyError
                except KeyError:
                    await get(session, server.url)
                    async with session.get(server.url_for("/big")):
                        pass

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert [each.ending for each in seen.exchanges] == [Ending.COMPLETE, Ending.ABANDONED]
        assert [each.error for each in seen.exchanges] == [None, None]

    def test_a_response_that_comes_before_the_upload_is_over_agrees_with_the_server(
        self, server: KeepaliveServer
    ) -> None:
        server.reply("/early", 413, read_body=False)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    with suppress(aiohttp.ClientError, OSError):
                        async with session.post(
                            server.url_for("/early"), data=BytesIO(b"x" * 20_000_000)
                        ) as response:
                            await response.read()

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        assert all(each.ending is not None for each in seen.exchanges)

    def test_an_upgrade_is_one_exchange(self) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                socket = await session.ws_connect(upgrading.url)
                assert seen.connections[0].state == "ACTIVE"
                await socket.send_str("hello")
                assert (await socket.receive()).data == "hello"
                await socket.close()

        with UpgradingServer() as upgrading, measure() as seen:
            run(main(), seen)
        assert seen.recording.notes == ()
        assert upgrading.accepted == seen.count == 1
        (exchange,) = seen.exchanges
        assert (exchange.method, exchange.status, exchange.ending) == ("GET", 101, Ending.COMPLETE)
        assert exchange.will_close
        closing = seen.connections[0].closing
        assert closing is not None
        assert closing.detail == "101 Switching Protocols"

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    def test_a_response_without_a_body_is_complete(
        self, server: KeepaliveServer, method: str, status: int
    ) -> None:
        server.reply("/", status, body=b"")

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    async with session.request(method, server.url):
                        pass

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.count == 1
        assert all(each.framed and not each.will_close for each in seen.exchanges)

    def test_an_answer_to_head_without_a_length_is_told_as_the_client_takes_it(
        self, server: KeepaliveServer
    ) -> None:
        server.reply("/", framing="eof")

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(3):
                    async with session.head(server.url):
                        pass

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        closes = seen.count > 1
        assert [each.will_close for each in seen.exchanges] == [closes] * 3
        assert [each.framed for each in seen.exchanges] == [not closes] * 3
        reasons = {each.close_reason for each in seen.connections}
        expected = "the response does not allow reuse (no length, and no chunks)"
        assert reasons == {expected if closes else "the client was closed"}

    def test_expect_continue_is_seen(self, server: KeepaliveServer) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                response = await session.post(server.url, data=b"abc", expect100=True)
                await response.read()

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.exchanges[0].expecting
        assert seen.exchanges[0].status == 200
