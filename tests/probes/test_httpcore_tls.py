"""httpx and httpx2, in threads, asyncio and trio: handshakes, and the streams of HTTP/2."""

from __future__ import annotations

import threading
import time

from pytest_keepalive._events import Ending
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.flavours import Act, Flavour, every_flavour


@every_flavour
class TestTls:
    def test_a_handshake_is_measured_once_for_its_connection(
        self, flavour: Flavour, secure: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client(verify=secure.client_context()) as client:
                for _ in range(2):
                    await client.get(secure.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, secure)
        (connection,) = seen.connections
        assert connection.origin == secure.url
        assert connection.http_version == "HTTP/1.1"
        assert connection.handshake_seconds is not None
        assert 0 < connection.handshake_seconds < 5

    def test_streams_of_http2_are_exchanges_of_one_connection(
        self, flavour: Flavour, secure: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client(verify=secure.client_context(), http2=True) as client:
                for _ in range(2):
                    await client.get(secure.url)
                await client.post(secure.url, content=b"abc")

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, secure)
        assert accepted_requests(secure) == [3]
        assert {each.http_version for each in seen.exchanges} == {"HTTP/2"}
        assert [each.has_body for each in seen.exchanges] == [False, False, True]
        assert [each.will_close for each in seen.exchanges] == [False] * 3
        assert all(each.ending is Ending.COMPLETE for each in seen.exchanges)
        assert seen.connections[0].handshake_seconds is not None

    def test_streams_that_are_under_way_at_once_share_a_connection(
        self, flavour: Flavour, secure: KeepaliveServer
    ) -> None:
        secure.route("/held", Reply(hold=True))
        unfinished: list[int] = []

        async def story(flavour: Flavour) -> None:
            async with flavour.client(verify=secure.client_context(), http2=True) as client:

                def held(number: int) -> Act:
                    async def act() -> None:
                        if flavour.threaded:
                            # httpcore gives two threads that begin at once the same stream.
                            secure.wait_for_requests(number)
                        await client.get(secure.url_for("/held"))

                    return act

                # The limit of streams that a server allows is known after the first response.
                await client.get(secure.url)
                waiting = threading.Thread(target=release)
                waiting.start()
                await flavour.at_once(held(1), held(2), held(3))
                waiting.join()

        def release() -> None:
            secure.wait_for_requests(4)
            deadline = time.monotonic() + 5
            # A thread tells of a request when it has sent its head, which the server has by then.
            while len(seen.exchanges) < 4 and time.monotonic() < deadline:
                time.sleep(0.001)
            unfinished.append(sum(each.ended_at is None for each in seen.exchanges))
            secure.release("/held")

        with measure() as seen:
            flavour.run(story)
        assert unfinished == [3]
        assert_agreement(seen, secure)
        assert accepted_requests(secure) == [4]
        assert all(each.ending is Ending.COMPLETE for each in seen.exchanges)

    def test_a_request_that_finds_the_connection_taken_is_stated_where_it_goes(
        self, flavour: Flavour
    ) -> None:
        """A pool that hopes for HTTP/2 gives a new connection to all, and it serves but one."""
        with KeepaliveServer(tls=True) as server:
            server.route("/held", Reply(hold=True))

            async def story(flavour: Flavour) -> None:
                async with flavour.client(verify=server.client_context(), http2=True) as client:

                    async def held() -> None:
                        await client.get(server.url_for("/held"))

                    waiting = threading.Thread(target=release)
                    waiting.start()
                    await flavour.at_once(held, held, held)
                    waiting.join()

            def release() -> None:
                server.wait_for_requests(3)
                server.release("/held")

            with measure() as seen:
                flavour.run(story)
            assert_agreement(seen, server)
            assert accepted_requests(server) == [1, 1, 1]
            assert [each.unsent for each in seen.connections] == [None] * 3
            assert all(each.ending is Ending.COMPLETE for each in seen.exchanges)
