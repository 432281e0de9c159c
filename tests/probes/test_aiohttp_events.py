"""aiohttp: what its probe states, what it leaves behind, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from typing import Any

import pytest

from pytest_keepalive._events import Answered, ClosedBy, Ended, Requested, Trouble
from pytest_keepalive._measure import measure
from pytest_keepalive._probes._aiohttp import AiohttpProbe
from pytest_keepalive._probes._patch import SeamGone
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._unfolding import unfold
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.aiohttp_sessions import aiohttp, get, run


class TestEvents:
    @pytest.mark.parametrize("keep_alive", [True, False])
    def test_a_head_is_stated_before_the_end_of_even_the_smallest_body(
        self, server: KeepaliveServer, keep_alive: bool
    ) -> None:
        server.reply("/", body=b"", keep_alive=keep_alive)
        stated: list[Any] = []
        probe = AiohttpProbe(stated.append)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    await get(session, server.url)
            await asyncio.to_thread(server.wait_until_closed)

        probe.install(aiohttp)
        try:
            asyncio.run(main())
        finally:
            probe.uninstall()
        events, under_way = unfold(stated)
        assert not under_way
        numbers = [event.exchange for event in events if isinstance(event, Requested)]
        assert len(numbers) == 2
        for number in numbers:
            of_it = [type(event) for event in events if getattr(event, "exchange", 0) == number]
            assert of_it == [Requested, Answered, Ended]
        closings = [event for event in events if isinstance(event, ClosedBy)]
        assert len(closings) == (1 if keep_alive else 2)
        assert events.index(closings[0]) > [type(event) for event in events].index(Ended)

    def test_uninstalling_puts_everything_back(self) -> None:
        owners = [
            aiohttp.connector.BaseConnector,
            aiohttp.client_reqrep.ClientResponse,
            aiohttp.client_proto.ResponseHandler,
        ]
        before = [dict(vars(owner)) for owner in owners]
        probe = AiohttpProbe(print)
        probe.install(aiohttp)
        assert [dict(vars(owner)) for owner in owners] != before
        probe.uninstall()
        assert [dict(vars(owner)) for owner in owners] == before

    def test_the_coroutine_functions_stay_coroutine_functions(self) -> None:
        probe = AiohttpProbe(print)
        probe.install(aiohttp)
        try:
            assert asyncio.iscoroutinefunction(aiohttp.connector.BaseConnector.connect)
            assert asyncio.iscoroutinefunction(aiohttp.ClientResponse.start)
        finally:
            probe.uninstall()

    def test_a_name_that_is_gone_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(aiohttp.ClientResponse, "start")
        probe = AiohttpProbe(print)
        with pytest.raises(SeamGone, match=r"ClientResponse\.start"):
            probe.install(aiohttp)
        probe.uninstall()

    def test_what_goes_wrong_in_the_probe_stays_in_it(self, tls_server: KeepaliveServer) -> None:
        events: list[Any] = []

        def broken(ssl_object: Any) -> None:
            raise RuntimeError("broken")

        async def main() -> bytes:
            context = tls_server.client_context()
            async with aiohttp.ClientSession() as session:
                body = await get(session, tls_server.url, ssl=context)
            await asyncio.to_thread(tls_server.wait_until_closed)
            return body

        probe = AiohttpProbe(events.append, broken)
        probe.install(aiohttp)
        try:
            assert asyncio.run(main()) == b"ok"
        finally:
            probe.uninstall()
        assert [event for event in events if isinstance(event, Trouble)]

    def test_nothing_is_kept_alive(self, server: KeepaliveServer) -> None:
        alive: list[weakref.ref[Any]] = []

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                async with session.get(server.url) as response:
                    await response.read()
                    alive.extend((weakref.ref(response), weakref.ref(session)))
                alive.append(weakref.ref(session.connector))
                conns = session.connector._conns
                alive.extend(weakref.ref(each[0]) for kept in conns.values() for each in kept)
                assert len(alive) == 4

        with measure() as seen:
            run(main(), seen)
            gc.collect()
            assert [reference() for reference in alive] == [None] * 4
        assert seen.count == 1

    def test_two_threads_with_loops_of_their_own(self, server: KeepaliveServer) -> None:
        from threading import Thread

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(20):
                    await get(session, server.url)
            await asyncio.sleep(0)

        with measure() as seen:
            threads = [Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert_agreement(seen, server)
        assert accepted_requests(server) == [20, 20, 20]
        adoptions = [each.adoption for each in seen.connections if each.adoption is not None]
        assert len({adoption.thread for adoption in adoptions}) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="os.fork")
def test_a_forked_child_forgets(server: KeepaliveServer) -> None:
    events: list[Any] = []
    probe = AiohttpProbe(events.append)

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            await get(session, server.url)
            probe.forget()
            await get(session, server.url)
        await asyncio.to_thread(server.wait_until_closed)

    probe.install(aiohttp)
    try:
        asyncio.run(main())
    finally:
        probe.uninstall()
    assert sum(type(event).__name__ == "Adopted" for event in events) == 2
