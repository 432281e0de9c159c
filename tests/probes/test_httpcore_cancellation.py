"""httpx and httpx2, in asyncio and trio: exchanges that are cancelled."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pytest_keepalive._events import CloseTrigger, Ending
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.bodies import BIG
from tests.probes.flavours import TASKS, Flavour, every_task
from tests.probes.view import closing_of


@every_task
class TestCancellation:
    def test_before_the_head_is_a_failure(self, flavour: Flavour, server: KeepaliveServer) -> None:
        server.reply("/stalled", stall="before_head")

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:

                async def stalled() -> None:
                    await client.get(server.url_for("/stalled"))

                await flavour.cancelling(stalled, lambda: server.wait_for_requests(1))
                await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        failed = seen.exchanges[0]
        assert (failed.ending, failed.error) == (Ending.FAILED, flavour.cancellation)
        # Before, the cancellation kept it from closing, too.
        if flavour.since("0.17"):
            assert closing_of(seen) == (CloseTrigger.FAILED, flavour.cancellation)

    def test_in_the_body_is_a_failure(self, flavour: Flavour, server: KeepaliveServer) -> None:
        server.reply("/", body=BIG[:100], stall=10)
        started = threading.Event()

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:

                async def stalled() -> None:
                    response = await client.open(server.url)
                    started.set()
                    await response.read()

                await flavour.cancelling(stalled, lambda: _wait_for(started))

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        (failed,) = seen.exchanges
        assert (failed.status, failed.error) == (200, flavour.cancellation)

    def test_of_a_stream_of_http2_is_a_failure(
        self, flavour: Flavour, secure: KeepaliveServer
    ) -> None:
        secure.reply("/stalled", stall="before_head")

        async def story(flavour: Flavour) -> None:
            async with flavour.client(verify=secure.client_context(), http2=True) as client:
                await client.get(secure.url)

                async def stalled() -> None:
                    await client.get(secure.url_for("/stalled"))

                await flavour.cancelling(stalled, lambda: secure.wait_for_requests(2))

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, secure)
        failed = seen.exchanges[1]
        assert (failed.ending, failed.error) == (Ending.FAILED, flavour.cancellation)


@pytest.mark.parametrize("flavour", [each for each in TASKS if each.runner == "asyncio"], ids=str)
@pytest.mark.parametrize("http2", [False, True])
def test_a_cancellation_behind_the_last_write_leaves_a_request_that_was_sent(
    flavour: Flavour, http2: bool, secure: KeepaliveServer
) -> None:
    """asyncio may cancel what has been done, where it gives way to others; trio does not."""
    options: dict[str, Any] = {"ssl_context": secure.client_context(), "http2": http2}

    async def story(flavour: Flavour) -> None:
        async with flavour.httpcore.AsyncConnectionPool(**options) as pool:
            await pool.request("GET", secure.url)
            (connection,) = pool.connections
            stream = connection._connection._network_stream
            write = stream.write

            async def cancel_shielded_checkpoint() -> None:
                raise asyncio.CancelledError

            async def cancelled(buffer: bytes, timeout: float | None = None) -> None:
                await write(buffer, timeout)
                secure.wait_for_requests(2)
                await cancel_shielded_checkpoint()

            stream.write = cancelled
            with pytest.raises(asyncio.CancelledError):
                await pool.request("GET", secure.url)
            del stream.write

    with measure() as seen:
        flavour.run(story)
    assert_agreement(seen, secure)
    assert accepted_requests(secure) == [2]
    failed = seen.exchanges[1]
    assert (failed.ending, failed.error) == (Ending.FAILED, "CancelledError")


def _wait_for(event: threading.Event) -> None:
    assert event.wait(5)
