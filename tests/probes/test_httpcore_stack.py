"""httpx and httpx2, in threads, asyncio and trio: what the stack tells of a first request."""

from __future__ import annotations

import sys

from pytest_keepalive._measure import measure
from pytest_keepalive._probes._httpcore_stack import calling_pool, is_pools_doing
from pytest_keepalive._server import ConnectProxy, KeepaliveServer
from pytest_keepalive._view import View
from tests.probes.agreement import assert_agreement
from tests.probes.flavours import Flavour, every_flavour


@every_flavour
class TestBeginnings:
    def test_the_first_request_begins_before_the_connect_that_it_needs(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                for _ in range(2):
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert began_around_the_connect(seen) == [True, False]

    def test_so_it_does_through_a_tunnel(self, flavour: Flavour) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client(proxy.url, verify=server.client_context()) as client:
                for _ in range(2):
                    await client.get(server.url)

        with KeepaliveServer(tls=True) as server, ConnectProxy() as proxy:
            with measure() as seen:
                flavour.run(story)
            assert server.exchanges == ((0, 0), (0, 1))
        assert began_around_the_connect(seen) == [True, False]

    def test_on_a_connection_of_before_it_begins_when_it_is_put_there(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                await client.get(server.url)
                with measure() as seen:
                    await client.get(server.url)
                counters.append(seen)

        counters: list[View] = []
        with measure() as whole:
            flavour.run(story)
        (exchange,) = counters[0].exchanges
        assert exchange.started_at > counters[0].recording.started_at
        assert [each.started_at for each in whole.exchanges][1:] == [exchange.started_at]
        assert server.exchanges == ((0, 0), (0, 1))


def test_without_a_pool_on_it_the_stack_tells_nothing() -> None:
    assert calling_pool() is None
    assert not is_pools_doing(sys._getframe())


def began_around_the_connect(seen: View) -> list[bool]:
    """Tell of each exchange whether it began before the one connect."""
    (attempt,) = seen.recording.attempts
    return [each.started_at < attempt.started_at for each in seen.exchanges]
