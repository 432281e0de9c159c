"""aiohttp: what is on which connection, and to which origin."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_keepalive._events import CloseTrigger, Ending
from pytest_keepalive._measure import measure
from pytest_keepalive._server import ConnectProxy, KeepaliveServer, Reply
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.aiohttp_sessions import KEEPS_TO_PROXIES, aiohttp, get, run


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy(credentials="user:secret") as proxy:
        yield proxy


class TestCounting:
    def test_requests_of_one_session_share_a_connection(self, server: KeepaliveServer) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(3):
                    await get(session, server.url_for("/x?token=secret"))
                async with session.post(server.url_for("/x"), data=b"abc") as response:
                    await response.read()

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [4]
        (connection,) = seen.connections
        assert connection.client == "aiohttp"
        assert connection.origin == server.url
        assert connection.http_version == "HTTP/1.1"
        assert [each.has_body for each in seen.exchanges] == [False, False, False, True]
        assert [each.status for each in seen.exchanges] == [200] * 4
        assert all(each.ending is Ending.COMPLETE for each in seen.exchanges)
        assert seen.exchanges[0].url == server.url + "/x?token=..."
        assert seen.exchanges[1].idle_before is not None

    def test_a_session_for_each_request_has_a_connection_each(
        self, server: KeepaliveServer
    ) -> None:
        async def main() -> None:
            for _ in range(3):
                async with aiohttp.ClientSession() as session:
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1, 1]
        adoptions = [each.adoption for each in seen.connections if each.adoption is not None]
        assert len({adoption.pool for adoption in adoptions}) == 3
        assert len({adoption.owner for adoption in adoptions}) == 3
        assert 0 not in {adoption.pool for adoption in adoptions}
        assert {adoption.pool_name for adoption in adoptions} == {"aiohttp.TCPConnector"}

    def test_two_sessions_on_one_connector_share_its_connections(
        self, server: KeepaliveServer
    ) -> None:
        async def main() -> None:
            connector = aiohttp.TCPConnector()
            for _ in range(2):
                async with aiohttp.ClientSession(
                    connector=connector, connector_owner=False
                ) as session:
                    await get(session, server.url)
            await connector.close()

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [2]

    def test_concurrent_requests_have_a_connection_each_and_share_them_afterwards(
        self, server: KeepaliveServer
    ) -> None:
        server.route("/held", Reply(hold=True))

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                held = [
                    asyncio.ensure_future(get(session, server.url_for("/held"))) for _ in range(5)
                ]
                await asyncio.to_thread(server.wait_for_requests, 5)
                server.release("/held")
                await asyncio.gather(*held)
                for _ in range(4):
                    await get(session, server.url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert seen.count == server.accepted == 5
        assert len(seen.exchanges) == 9

    def test_a_limit_of_one_makes_requests_wait(self, server: KeepaliveServer) -> None:
        async def main() -> None:
            connector = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(connector=connector) as session:
                await asyncio.gather(*(get(session, server.url) for _ in range(4)))

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [4]

    def test_a_connection_opened_before_the_window_counts_when_it_is_used(
        self, server: KeepaliveServer
    ) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await get(session, server.url)
                with measure() as seen:
                    await get(session, server.url)
                assert (seen.count, len(seen.opened), len(seen.reused)) == (1, 0, 1)
                assert seen.connections[0].origin == server.url

        with measure() as outer:
            run(main(), outer)
        assert_agreement(outer, server)

    def test_a_connection_made_before_anybody_looked_is_known_from_its_first_exchange(
        self, server: KeepaliveServer
    ) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await get(session, server.url)
                with measure() as seen:
                    for _ in range(2):
                        await get(session, server.url)
                assert (seen.count, len(seen.opened), len(seen.exchanges)) == (1, 0, 2)
                assert seen.connections[0].adoption is not None
            await asyncio.to_thread(server.wait_until_closed)

        asyncio.run(main())
        assert accepted_requests(server) == [3]

    def test_nothing_is_stated_about_unix_sockets(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
            writer.close()

        async def main() -> bytes:
            server = await asyncio.start_unix_server(answer, path)
            async with (
                server,
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
            ):
                return await get(session, "http://anybody/")

        with measure() as seen:
            assert asyncio.run(main()) == b"ok"
        assert seen.count == 0
        assert seen.recording.notes == ()

    def test_the_line_of_the_request_is_the_call_site(self, server: KeepaliveServer) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await get(session, server.url)
                response = await session.get(server.url)  # this line
                await response.read()

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        site = seen.exchanges[1].call_site
        assert site is not None
        assert site.source == "response = await session.get(server.url)  # this line"


class TestOrigins:
    def test_tls_has_its_handshake_timed(self, tls_server: KeepaliveServer) -> None:
        context = tls_server.client_context()

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    await get(session, tls_server.url, ssl=context)

        with measure() as seen:
            run(main(), seen)
        # 3.9 may let go of the first only when the second has asked.
        assert_agreement(seen, tls_server)
        connection = seen.connections[0]
        assert connection.origin.scheme == "https"
        assert connection.handshake_seconds is not None
        assert connection.handshake_seconds > 0
        assert connection.adoption is not None
        key = dict(connection.adoption.pool_key)
        assert key["is_ssl"] == "True"
        assert key["ssl"].startswith("SSLContext #")

    def test_two_contexts_are_two_keys(self, tls_server: KeepaliveServer) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    await get(session, tls_server.url, ssl=tls_server.client_context())

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, tls_server)
        keys = {each.adoption.pool_key for each in seen.connections if each.adoption}
        assert len(keys) == seen.count == 2

    def test_a_redirect_is_two_exchanges(self, server: KeepaliveServer) -> None:
        server.route("/from", Reply.redirect("/to"))

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await get(session, server.url_for("/from"))

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert [each.status for each in seen.exchanges] == [302, 200]
        assert seen.exchanges[0].header("location") == "/to"
        assert seen.count == 1

    def test_a_redirect_to_another_host_has_a_connection_of_its_own(
        self, server: KeepaliveServer
    ) -> None:
        server.route("/from", Reply.redirect(f"http://localhost:{server.port}/to"))

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await get(session, server.url_for("/from"))

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert [each.origin.host for each in seen.connections] == ["127.0.0.1", "localhost"]

    def test_behind_a_forward_proxy_the_origin_is_who_was_asked_for(
        self, server: KeepaliveServer, proxy: ConnectProxy
    ) -> None:
        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                auth = aiohttp.BasicAuth("user", "secret")
                for _ in range(2):
                    await get(session, server.url, proxy=proxy.url, proxy_auth=auth)

        with measure() as seen, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            run(main(), seen)
        assert_agreement(seen, proxy)
        assert accepted_requests(proxy) == ([2] if KEEPS_TO_PROXIES else [1, 1])
        connection = seen.connections[0]
        assert connection.origin == server.url
        assert connection.peer == ("127.0.0.1", proxy.port)
        assert connection.closing is not None
        expected = CloseTrigger.CLIENT_CLOSED if KEEPS_TO_PROXIES else CloseTrigger.KEEPALIVE_OFF
        assert connection.closing.trigger is expected
        assert connection.adoption is not None
        key = dict(connection.adoption.pool_key)
        assert key["proxy"] == proxy.url
        assert key["proxy_auth"].startswith("set, ")
        assert "secret" not in repr(connection.adoption)

    def test_behind_a_proxy_the_key_is_that_by_which_the_connector_keeps_it(
        self, server: KeepaliveServer, proxy: ConnectProxy
    ) -> None:
        server.route("/moved", Reply.redirect("/"))

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                # Some versions add a field of the proxy's behind the first connect of a call.
                await get(session, server.url_for("/moved"), proxy=proxy.url)
                for value in ("one", "two"):
                    await get(session, server.url, proxy=proxy.url, proxy_headers={"X-Key": value})

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, proxy)
        if KEEPS_TO_PROXIES:
            adoptions = [each.adoption for each in seen.connections if each.adoption is not None]
            keys = {adopted.pool_key for adopted in adoptions}
            assert len(keys) == seen.count > 2
            assert not any("one" in repr(each) for each in adoptions)

    def test_a_tunnel_belongs_to_who_was_asked_for_and_its_connect_is_no_exchange(
        self, tls_server: KeepaliveServer
    ) -> None:
        context = tls_server.client_context()

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    await get(session, tls_server.url, proxy=tunnel.url, ssl=context)

        with ConnectProxy() as tunnel, measure() as seen:
            run(main(), seen)
        connection = seen.connections[0]
        assert seen.recording.notes == ()
        assert [len(each.exchanges) for each in seen.connections] == accepted_requests(tls_server)
        assert tunnel.accepted == tls_server.accepted
        assert connection.peer == ("127.0.0.1", tunnel.port)
        assert connection.origin == tls_server.url
        assert {each.method for each in seen.exchanges} == {"GET"}
        assert connection.handshake_seconds is not None

    def test_no_credentials_of_a_url_are_kept(self, server: KeepaliveServer) -> None:
        url = server.url.replace("://", "://user:secret@") + "/x?key=secret#secret"

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                await get(session, url)

        with measure() as seen:
            run(main(), seen)
        assert_agreement(seen, server)
        assert "secret" not in repr((seen.connections, seen.connections[0].adoption))
        assert "secret" not in seen.exchanges[0].url
