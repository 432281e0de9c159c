"""httpx and httpx2, in threads, asyncio and trio: how exchanges end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pytest_keepalive._connection import State
from pytest_keepalive._events import CloseTrigger, Ending, Side
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.bodies import BIG
from tests.probes.flavours import Flavour, every_flavour
from tests.probes.view import closing_of

# trio minds that httpx leaves the generators of a response unfinished.
leaving_off = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")


@every_flavour
class TestEndings:
    def test_a_response_that_is_read_is_complete(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/", body=[b"a" * 10, b"b" * 10])

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                response = await client.open(server.url)
                (exchange,) = seen.exchanges
                assert (exchange.status, exchange.ended_at) == (200, None)
                states.append(seen.connections[0].state)
                await response.read()
                states.append(seen.connections[0].state)
                await client.get(server.url)

        states: list[State] = []
        with measure() as seen:
            flavour.run(story)
        assert states == [State.ACTIVE, State.IDLE]
        assert_agreement(seen, server)
        assert [each.ending for each in seen.exchanges] == [Ending.COMPLETE] * 2
        assert [each.framed for each in seen.exchanges] == [True] * 2

    @pytest.mark.parametrize("size", [2, len(BIG)])
    def test_a_response_that_is_closed_unread_is_abandoned(
        self, flavour: Flavour, size: int, server: KeepaliveServer
    ) -> None:
        server.reply("/", body=BIG[:size])

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                for _ in range(2):
                    response = await client.open(server.url)
                    await response.close()

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        assert [each.ending for each in seen.exchanges] == [Ending.ABANDONED] * 2
        assert [each.missing for each in seen.exchanges] == [size] * 2
        assert closing_of(seen) == (CloseTrigger.BODY_UNREAD, f"{size} bytes unread")

    @leaving_off
    def test_a_response_that_is_read_in_part_is_abandoned(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/", body=BIG)

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                response = await client.open(server.url)
                read.append(len(await response.first_piece()))
                await response.close()

        read: list[int] = []
        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        (exchange,) = seen.exchanges
        assert (exchange.ending, exchange.error) == (Ending.ABANDONED, None)
        assert exchange.missing == len(BIG) - read[0]

    def test_an_abandoned_stream_of_http2_leaves_its_connection_open(
        self, flavour: Flavour, secure: KeepaliveServer
    ) -> None:
        secure.reply("/big", body=BIG)

        async def story(flavour: Flavour) -> None:
            async with flavour.client(verify=secure.client_context(), http2=True) as client:
                response = await client.open(secure.url_for("/big"))
                await response.close()
                await client.get(secure.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, secure)
        assert accepted_requests(secure) == [2]
        assert [each.ending for each in seen.exchanges] == [Ending.ABANDONED, Ending.COMPLETE]

    def test_a_timeout_before_the_head_is_a_failure(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/stalled", stall="before_head")

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                await client.get(server.url)
                with pytest.raises(flavour.httpx.ReadTimeout):
                    await client.get(server.url_for("/stalled"), timeout=0.05)
                await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [2, 1]
        failed = seen.connections[0].exchanges[1]
        assert (failed.ending, failed.error, failed.status) == (Ending.FAILED, "ReadTimeout", None)
        assert closing_of(seen) == (CloseTrigger.FAILED, "ReadTimeout")
        assert seen.connections[0].closed_by is Side.CLIENT

    def test_a_timeout_in_the_body_is_a_failure(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/", body=BIG[:100], stall=10)

        async def story(flavour: Flavour) -> None:
            async with flavour.client(timeout=0.05) as client:
                with pytest.raises(flavour.httpx.ReadTimeout):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        (failed,) = seen.exchanges
        assert (failed.ending, failed.error, failed.status) == (Ending.FAILED, "ReadTimeout", 200)
        assert failed.missing == 90
        assert closing_of(seen) == (CloseTrigger.FAILED, "ReadTimeout")

    def test_a_timeout_of_a_stream_of_http2_is_a_failure(
        self, flavour: Flavour, secure: KeepaliveServer
    ) -> None:
        secure.reply("/stalled", stall="before_head")

        async def story(flavour: Flavour) -> None:
            async with flavour.client(verify=secure.client_context(), http2=True) as client:
                await client.get(secure.url)
                with pytest.raises(flavour.httpx.ReadTimeout):
                    await client.get(secure.url_for("/stalled"), timeout=0.05)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, secure)
        assert [each.ending for each in seen.exchanges] == [Ending.COMPLETE, Ending.FAILED]
        assert seen.exchanges[1].error == "ReadTimeout"

    def test_a_server_that_hangs_up_makes_a_failure(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/gone", close="before_head")

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                await client.get(server.url)
                with pytest.raises(flavour.httpx.RemoteProtocolError):
                    await client.get(server.url_for("/gone"))

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        failed = seen.exchanges[1]
        assert (failed.ending, failed.error) == (Ending.FAILED, "RemoteProtocolError")
        assert seen.connections[0].closed_by is Side.PEER

    def test_a_request_that_cannot_be_written_whole_is_no_exchange(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                await client.get(server.url)
                body = _breaking() if flavour.threaded else _breaking_too()
                with pytest.raises(ZeroDivisionError):
                    await client.post(server.url, content=body)
                await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert seen.recording.notes == ()
        assert [len(each.exchanges) for each in seen.connections] == [1, 1]
        unsent = seen.connections[0].unsent
        assert unsent is not None
        assert (unsent.method, unsent.error) == ("POST", "ZeroDivisionError")
        server.wait_until_closed(2)
        assert [[each.complete for each in one.requests] for one in server.connections] == [
            [True, False],
            [True],
        ]
        assert closing_of(seen) == (CloseTrigger.FAILED, "ZeroDivisionError")

    def test_a_request_that_breaks_the_protocol_is_no_exchange(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                with pytest.raises(flavour.httpx.LocalProtocolError):
                    await client.get(server.url, headers={"x": "\n"})

        with measure() as seen:
            flavour.run(story)
        server.wait_until_closed(1)
        assert (seen.count, len(seen.exchanges)) == (1, 0)
        assert (server.accepted, server.requests) == (1, ())
        unsent = seen.connections[0].unsent
        assert unsent is not None
        assert unsent.error == "LocalProtocolError"

    @leaving_off
    def test_an_exception_of_the_users_gives_a_response_up(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        """And what they are handling meanwhile is none of the exchange's business."""
        server.reply("/", body=BIG)

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                try:
                    raise ZeroDivisionError
                except ZeroDivisionError:
                    response = await client.open(server.url)
                    await response.read()
                    response = await client.open(server.url)
                    await response.first_piece()
                    await response.close()

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert [each.ending for each in seen.exchanges] == [Ending.COMPLETE, Ending.ABANDONED]
        assert [each.error for each in seen.exchanges] == [None, None]
        assert closing_of(seen)[0] is CloseTrigger.BODY_UNREAD

    def test_an_upload_that_is_answered_early_is_complete(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/", 413, read_body=False)

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                response = await client.post(server.url, content=BIG * 5)
                assert response.status_code == 413

        with measure() as seen:
            flavour.run(story)
        assert seen.recording.notes == ()
        (exchange,) = seen.exchanges
        assert (exchange.ending, exchange.status, exchange.has_body) == (
            Ending.COMPLETE,
            413,
            True,
        )
        assert closing_of(seen)[0] is CloseTrigger.SERVER_SAID_CLOSE

    def test_expectations_are_told(self, flavour: Flavour, server: KeepaliveServer) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                headers = {"Expect": "100-continue"}
                await client.post(server.url, content=b"abc", headers=headers)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert [each.expecting for each in seen.exchanges] == [True]


def _breaking() -> Iterator[bytes]:
    yield b"abc"
    raise ZeroDivisionError


async def _breaking_too() -> AsyncIterator[bytes]:
    yield b"abc"
    raise ZeroDivisionError
