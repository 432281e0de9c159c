"""httpx and httpx2, in threads, asyncio and trio: what is on which connection."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from pytest_keepalive._events import Ending, Outcome
from pytest_keepalive._measure import measure
from pytest_keepalive._server import ConnectProxy, KeepaliveServer, Reply
from tests.probes.agreement import accepted_requests, assert_agreement
from tests.probes.flavours import FLAVOURS, Flavour, every_flavour


@every_flavour
class TestCounting:
    def test_requests_of_one_client_share_a_connection(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                for _ in range(3):
                    await client.get(server.url_for("/x?token=secret"))
                await client.post(server.url_for("/x"), content=b"abc")

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [4]
        (connection,) = seen.connections
        assert connection.client == flavour.library
        assert connection.origin == server.url
        assert connection.http_version == "HTTP/1.1"
        assert [each.has_body for each in seen.exchanges] == [False, False, False, True]
        assert [each.status for each in seen.exchanges] == [200] * 4
        assert all(each.ending is Ending.COMPLETE for each in seen.exchanges)
        assert seen.exchanges[0].url == server.url + "/x?token=..."
        assert seen.exchanges[1].idle_before is not None

    def test_the_call_site_is_the_line_that_made_the_request(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                if flavour.threaded:
                    client.client.get(server.url)  # first
                    client.client.get(server.url)  # second
                else:
                    await client.client.get(server.url)  # first
                    await client.client.get(server.url)  # second

        with measure() as seen:
            flavour.run(story)
        sites = [each.call_site for each in seen.exchanges]
        assert [site.source.rpartition("# ")[2] for site in sites if site] == ["first", "second"]
        assert {site.path.rpartition("/")[2] for site in sites if site} == {"test_httpcore.py"}
        assert seen.connections[0].call_site == sites[0]

    def test_a_client_for_each_request_has_a_connection_each(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            for _ in range(3):
                async with flavour.client() as client:
                    await client.get(server.url)

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert accepted_requests(server) == [1, 1, 1]
        adoptions = [each.adoption for each in seen.connections if each.adoption is not None]
        assert len({adoption.pool for adoption in adoptions} - {0}) == 3
        assert {adoption.pool_name for adoption in adoptions} == {flavour.pool_name}
        contexts = {dict(adoption.pool_key)["ssl_context"] for adoption in adoptions}
        assert len(contexts) == 3

    def test_a_loop_is_told_from_another(self, flavour: Flavour, server: KeepaliveServer) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client, flavour.client() as other:
                await client.get(server.url)
                await other.get(server.url)

        with measure() as seen:
            flavour.run(story)
            flavour.run(story)
        assert_agreement(seen, server)
        loops = [each.adoption.loop for each in seen.connections if each.adoption is not None]
        assert loops[0] == loops[1]
        assert loops[2] == loops[3]
        assert (loops == [0] * 4) is flavour.threaded

    def test_concurrent_requests_have_a_connection_each_and_share_them_afterwards(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        server.route("/held", Reply(hold=True))

        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:

                async def held() -> None:
                    await client.get(server.url_for("/held"))

                waiting = threading.Thread(target=release)
                waiting.start()
                await flavour.at_once(held, held, held)
                waiting.join()
                for _ in range(2):
                    await client.get(server.url)

        def release() -> None:
            server.wait_for_requests(3)
            server.release("/held")

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert sorted(accepted_requests(server)) == [1, 1, 3]

    def test_a_redirect_is_an_exchange_of_its_own(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        with KeepaliveServer() as other, measure() as seen:
            server.route("/here", Reply.redirect("/there"))
            server.route("/there", Reply.redirect(other.url + "/end?key=secret"))

            async def story(flavour: Flavour) -> None:
                async with flavour.client(follow_redirects=True) as client:
                    await client.get(server.url_for("/here"))

            flavour.run(story)
            views = seen.per_origin()
            assert_agreement(views[seen.connections[0].origin], server)
            assert_agreement(views[seen.connections[1].origin], other)
        assert [each.status for each in seen.exchanges] == [302, 302, 200]
        assert [each.origin for each in seen.connections] == [server.url, other.url]
        assert seen.exchanges[1].header("location") == other.url + "/end?key=..."

    def test_a_warm_pool_is_a_connection_that_was_not_opened_here(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                await client.get(server.url)
                with measure() as seen:
                    await client.get(server.url)
                views.append(seen)

        views: list[Any] = []
        flavour.run(story)
        (seen,) = views
        assert (seen.count, len(seen.opened), len(seen.exchanges)) == (1, 0, 1)
        assert seen.connections[0].adoption.pool_name == flavour.pool_name
        assert accepted_requests(server) == [2]

    def test_no_credentials_of_a_url_are_kept(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                await client.get(server.url.replace("://", "://user:secret@") + "/x?key=secret")

        with measure() as seen:
            flavour.run(story)
        assert_agreement(seen, server)
        assert "secret" not in repr((seen.connections, seen.connections[0].adoption))
        assert "secret" not in seen.exchanges[0].url

    def test_a_failed_connect_is_no_exchange(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"

            async def story(flavour: Flavour) -> None:
                async with flavour.client() as client:
                    with pytest.raises(flavour.httpx.ConnectError):
                        await client.get(url)
                    await client.get(server.url)

            with measure() as seen:
                flavour.run(story)
        assert [each.outcome for each in seen.attempts] == [Outcome.FAILED, Outcome.ESTABLISHED]
        assert_agreement(seen, server)


@every_flavour
class TestProxies:
    def test_behind_a_forward_proxy_the_origin_is_who_was_asked_for(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            url = proxy.url.replace("://", "://user:secret@")
            async with flavour.client(proxy=url) as client:
                for _ in range(2):
                    await client.get(server.url_for("/x?key=secret"))

        with ConnectProxy(credentials="user:secret") as proxy, measure() as seen:
            flavour.run(story)
            assert_agreement(seen, proxy)
        assert accepted_requests(proxy) == [2]
        (connection,) = seen.connections
        assert connection.origin == server.url
        assert connection.peer == ("127.0.0.1", proxy.port)
        assert {each.url for each in seen.exchanges} == {server.url + "/x?key=..."}
        assert connection.adoption is not None
        assert dict(connection.adoption.pool_key)["proxy"] == proxy.url
        assert "secret" not in repr(connection.adoption)

    @pytest.mark.parametrize("http2", [False, True])
    def test_a_tunnel_belongs_to_who_was_asked_for_and_its_connect_is_no_exchange(
        self, flavour: Flavour, http2: bool, secure: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            options = {"verify": secure.client_context(), "http2": http2}
            async with flavour.client(proxy=tunnel.url, **options) as client:
                for _ in range(2):
                    await client.get(secure.url)

        with ConnectProxy() as tunnel, measure() as seen:
            flavour.run(story)
        (connection,) = seen.connections
        assert seen.recording.notes == ()
        assert (tunnel.accepted, secure.accepted) == (1, 1)
        assert [len(connection.exchanges)] == accepted_requests(secure) == [2]
        assert connection.peer == ("127.0.0.1", tunnel.port)
        assert connection.origin == secure.url
        assert {each.method for each in seen.exchanges} == {"GET"}
        assert connection.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert connection.handshake_seconds is not None

    def test_a_refused_tunnel_carries_nothing(
        self, flavour: Flavour, secure: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client(proxy=proxy.url) as client:
                with pytest.raises(flavour.httpx.ProxyError):
                    await client.get(secure.url)

        with ConnectProxy(credentials="user:secret") as proxy, measure() as seen:
            flavour.run(story)
        assert (seen.count, len(seen.exchanges)) == (1, 0)
        assert (proxy.accepted, secure.accepted) == (1, 0)


class TestHttpcore:
    """Without httpx above it."""

    def test_a_pool_of_its_own_is_named(self, server: KeepaliveServer) -> None:
        flavour = FLAVOURS[0]
        with measure() as seen, flavour.httpcore.ConnectionPool() as pool:
            for _ in range(2):
                pool.request("GET", server.url)
        assert_agreement(seen, server)
        assert {each.client for each in seen.connections} == {flavour.core}
        adoption = seen.connections[0].adoption
        assert adoption is not None
        assert adoption.pool_name == flavour.pool_name

    def test_a_connection_without_a_pool_belongs_to_none(self, server: KeepaliveServer) -> None:
        httpcore = FLAVOURS[0].httpcore
        origin = httpcore.URL(server.url).origin
        with measure() as seen, httpcore.HTTPConnection(origin=origin) as connection:
            for _ in range(2):
                connection.request("GET", server.url)
        assert_agreement(seen, server)
        adoption = seen.connections[0].adoption
        assert adoption is not None
        assert (adoption.pool, adoption.pool_name, adoption.pool_key) == (0, "", ())

    def test_a_connect_of_the_users_own_is_an_exchange(self, server: KeepaliveServer) -> None:
        with measure() as seen, FLAVOURS[0].httpcore.ConnectionPool() as pool:
            pool.request("CONNECT", server.url)
        assert_agreement(seen, server)
        assert [(each.method, each.status) for each in seen.exchanges] == [("CONNECT", 405)]

    def test_unix_sockets_are_no_connections(self, tmp_path: Any) -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            thread = threading.Thread(target=_answer_once, args=(listening,))
            thread.start()
            with measure() as seen, FLAVOURS[0].httpcore.ConnectionPool(uds=path) as pool:
                assert pool.request("GET", "http://localhost/").status == 200
            thread.join()
        assert (seen.count, len(seen.exchanges), seen.recording.notes) == (0, 0, ())

    def test_mocks_are_no_connections(self) -> None:
        httpcore = FLAVOURS[0].httpcore
        if not hasattr(httpcore, "MockBackend"):
            pytest.skip("it brings no mock")
        backend = httpcore.MockBackend([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])
        with measure() as seen, httpcore.ConnectionPool(network_backend=backend) as pool:
            assert pool.request("GET", "http://localhost/").content == b"ok"
        assert (seen.count, len(seen.exchanges), seen.recording.notes) == (0, 0, ())


def _answer_once(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
