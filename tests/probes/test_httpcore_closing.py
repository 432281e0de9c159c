"""httpx and httpx2, in threads, asyncio and trio: why connections are closed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pytest_keepalive._events import CloseTrigger, Ending, Side
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.bodies import BIG
from tests.probes.flavours import Flavour, every_flavour
from tests.probes.upgrading_server import UpgradingServer
from tests.probes.view import closing_of


@every_flavour
class TestClosing:
    def test_by_the_user(self, flavour: Flavour, server: KeepaliveServer) -> None:
        async def story(flavour: Flavour) -> None:
            client = flavour.client()
            await client.get(server.url)
            await client.close()

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert closing_of(seen) == (CloseTrigger.CLIENT_CLOSED, "")
        assert seen.connections[0].closed_by is Side.CLIENT

    def test_while_a_response_is_open(self, flavour: Flavour, server: KeepaliveServer) -> None:
        server.reply("/", body=BIG)

        async def story(flavour: Flavour) -> None:
            client = flavour.client()
            response = await client.open(server.url)
            await client.close()
            await response.close()

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert closing_of(seen) == (CloseTrigger.CLIENT_CLOSED, "")
        assert [each.ending for each in seen.exchanges] == [Ending.ABANDONED]

    @pytest.mark.parametrize(
        ("reply", "framed"),
        [
            (Reply(keep_alive=False), True),
            (Reply(http_version="1.0"), True),
            (Reply(headers={"Connection": "foo, Close"}), True),
        ],
        ids=["close", "http-1.0", "one-option-of-two"],
    )
    def test_when_the_server_says_so(
        self, flavour: Flavour, reply: Reply, framed: bool, server: KeepaliveServer
    ) -> None:
        server.route("/", reply)

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                for _ in range(2):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        assert [each.will_close for each in seen.exchanges] == [True, True]
        assert [each.ending for each in seen.exchanges] == [Ending.COMPLETE] * 2
        assert closing_of(seen) == (CloseTrigger.SERVER_SAID_CLOSE, "")

    def test_when_only_the_close_ends_the_body(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/", framing="eof")

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                for _ in range(2):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        assert [(each.framed, each.will_close) for each in seen.exchanges] == [(False, True)] * 2
        assert [each.ending for each in seen.exchanges] == [Ending.COMPLETE] * 2
        assert seen.connections[0].closed_by is Side.PEER

    def test_when_http_1_0_would_be_kept_but_h11_keeps_it_not(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.reply("/", http_version="1.0", keep_alive=True)

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                for _ in range(2):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert [each.will_close for each in seen.exchanges] == [False, False]
        assert closing_of(seen) == (
            CloseTrigger.KEEPALIVE_OFF,
            "h11 keeps no HTTP/1.0 connection",
        )

    def test_when_the_request_says_so(self, flavour: Flavour, server: KeepaliveServer) -> None:
        server.reply("/", keep_alive=True)

        async def story(flavour: Flavour) -> None:
            async with flavour.client(headers={"Connection": "close"}) as client:
                for _ in range(2):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        assert [(each.closing, each.will_close) for each in seen.exchanges] == [(True, False)] * 2
        assert closing_of(seen) == (
            CloseTrigger.KEEPALIVE_OFF,
            "the request said Connection: close",
        )

    def test_when_it_keeps_none(self, flavour: Flavour, server: KeepaliveServer) -> None:
        async def story(flavour: Flavour) -> None:
            limits = flavour.limits(max_keepalive_connections=0)
            async with flavour.client(limits=limits) as client:
                for _ in range(2):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        assert closing_of(seen) == (CloseTrigger.KEEPALIVE_OFF, "max_keepalive_connections 0")

    def test_when_its_time_has_run_out(self, flavour: Flavour, server: KeepaliveServer) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client(limits=flavour.limits(keepalive_expiry=0.0)) as client:
                for _ in range(2):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        trigger, detail = closing_of(seen)
        assert trigger is CloseTrigger.EXPIRED
        assert detail == "idle 0.0 s, keepalive_expiry 0.0 s"

    def test_when_the_server_has_dropped_it(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                await client.get(server.url)
                server.wait_for(lambda server: server.drop_idle())
                await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1]
        assert closing_of(seen) == (CloseTrigger.DROPPED, "idle 0.0 s")
        assert seen.connections[0].closed_by is Side.PEER

    def test_when_another_origin_needs_its_place(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client(limits=flavour.limits(max_connections=1)) as client:
                await client.get(server.url)
                await client.get(other.url)
                await client.get(server.url)

        with KeepaliveServer() as other, measure() as seen:
            flavour.run(story)
            views = seen.per_origin()
            assert_agreement(views[seen.connections[0].origin], server)
            assert_agreement(views[seen.connections[1].origin], other)
        assert [each.closing.trigger for each in seen.connections if each.closing] == [
            CloseTrigger.EVICTED,
            CloseTrigger.EVICTED,
            CloseTrigger.CLIENT_CLOSED,
        ]
        assert closing_of(seen)[1] == (
            "1 in the pool, 1 idle, max_connections 1, max_keepalive_connections 1"
        )

    def test_when_more_are_idle_than_it_keeps(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.route("/held", Reply(hold=True))
        limits = flavour.limits(max_connections=5, max_keepalive_connections=1)

        async def story(flavour: Flavour) -> None:
            async with flavour.client(limits=limits) as client:

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
        closings = [each.closing for each in seen.connections if each.closing is not None]
        evicted = [each.detail for each in closings if each.trigger is CloseTrigger.EVICTED]
        assert len(evicted) == 2
        assert all(detail.endswith("max_keepalive_connections 1") for detail in evicted)
        assert evicted[0].startswith(("3 in the pool, ", "2 in the pool, "))

    def test_when_the_server_goes_away(self, flavour: Flavour) -> None:
        if not flavour.since("0.17"):
            pytest.skip("it takes GOAWAY for an error")
        options: dict[str, Any] = {"tls": True, "http2": True, "requests_per_connection": 2}
        with KeepaliveServer(**options) as server, measure() as seen:

            async def story(flavour: Flavour) -> None:
                async with flavour.client(verify=server.client_context(), http2=True) as client:
                    for _ in range(3):
                        await client.get(server.url)

            flavour.run(story)
            assert_agreement(seen, server)
        assert accepted_requests(server) == [2, 1]
        assert closing_of(seen) == (
            CloseTrigger.SERVER_SAID_CLOSE,
            "GOAWAY NO_ERROR, last stream 3",
        )
        unsent = seen.connections[0].unsent
        assert unsent is not None
        assert unsent.error == "ConnectionNotAvailable"

    def test_when_it_switches_protocols(self, flavour: Flavour, server: KeepaliveServer) -> None:
        if not flavour.since("0.16"):
            pytest.skip("it waits for ever")

        async def story(flavour: Flavour) -> None:
            async with flavour.client(headers=headers) as client:
                response = await client.open(upgrading.url.replace("ws:", "http:"))
                await response.close()

        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        with UpgradingServer() as upgrading, measure() as seen:
            flavour.run(story)
            assert upgrading.accepted == 1
        (exchange,) = seen.exchanges
        assert (exchange.status, exchange.ending) == (101, Ending.COMPLETE)
        assert closing_of(seen) == (CloseTrigger.SERVER_SAID_CLOSE, "101 Switching Protocols")
