"""niquests, in an environment of its own: urllib3-future takes the place of urllib3 there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from pytest_keepalive import Cause, ConnectProxy, KeepaliveServer, Reply, measure
from pytest_keepalive._events import Side
from pytest_keepalive._view import View

from .agreement import accepted_requests, assert_agreement

niquests: Any = pytest.importorskip("niquests", reason="pip install niquests")
REQUESTS = 4
Asked = list[Any]
Ways = Callable[..., Asked]


def in_threads(*urls: str, method: str = "GET", **options: Any) -> Asked:
    """Send the requests one by one over a session, and give the responses."""
    with niquests.Session() as session:
        return [session.request(method, url, **options) for url in urls]


def in_tasks(*urls: str, method: str = "GET", **options: Any) -> Asked:
    """Do the same over a session that is awaited."""

    async def fetch() -> Asked:
        async with niquests.AsyncSession() as session:
            return [await session.request(method, url, **options) for url in urls]

    return asyncio.run(fetch())


BOTH = pytest.mark.parametrize("ask", [in_threads, in_tasks], ids=["threads", "tasks"])


def causes(seen: View) -> list[str]:
    return [str(finding.cause) for finding in seen.findings]


def agreed(seen: View, server: KeepaliveServer, *requests: int) -> None:
    """Compare with what the server has accepted, and with how many requests came on each."""
    assert_agreement(seen, server)
    assert accepted_requests(server) == list(requests)


# Over HTTP/1.1


@BOTH
def test_a_session_uses_the_connection_that_the_server_accepts(
    server: KeepaliveServer, ask: Ways
) -> None:
    with measure() as seen:
        ask(*[server.url] * REQUESTS)
    agreed(seen, server, REQUESTS)
    (connection,) = seen.connections
    assert connection.client == "niquests"
    assert str(connection.origin) == server.url
    assert connection.closed_by is Side.CLIENT
    assert [each.index for each in seen.exchanges] == [0, 1, 2, 3]
    assert [each.reused for each in seen.exchanges] == [False, True, True, True]
    assert {(each.status, each.http_version) for each in seen.exchanges} == {(200, "HTTP/1.1")}
    assert seen.exchanges[0].idle_before is None
    assert all((each.idle_before or 0) > 0 for each in seen.reused)
    assert "test_niquests.py" in str(seen.exchanges[0].call_site)
    assert not seen.findings


@BOTH
def test_a_session_for_each_call_opens_a_connection_for_each(
    server: KeepaliveServer, ask: Ways
) -> None:
    with measure() as seen:
        for _ in range(REQUESTS):
            ask(server.url)
    agreed(seen, server, 1, 1, 1, 1)
    # Each call has a loop of its own where it is awaited.
    cause = Cause.CLIENT_PER_REQUEST if ask is in_threads else Cause.CLIENT_PER_EVENT_LOOP
    assert causes(seen) == [cause] * (REQUESTS - 1)


def test_the_functions_of_the_module_open_a_connection_for_each_call(
    server: KeepaliveServer,
) -> None:
    with measure() as seen:
        for _ in range(2):
            niquests.get(server.url)
    agreed(seen, server, 1, 1)
    assert causes(seen) == [Cause.CLIENT_PER_REQUEST]


@BOTH
def test_a_url_is_told_without_its_secrets(server: KeepaliveServer, ask: Ways) -> None:
    secret = server.url.replace("://", "://user:password@") + "/a?token=sesame&page=2#part"
    with measure() as seen:
        ask(secret)
    (exchange,) = seen.exchanges
    assert exchange.url == server.url_for("/a?token=...&page=...")
    (request,) = server.requests
    assert request.target == "/a?token=sesame&page=2"


@BOTH
def test_what_is_sent_is_an_exchange_of_its_method(server: KeepaliveServer, ask: Ways) -> None:
    with measure() as seen:
        ask(server.url, method="POST", data=b"x" * 100_000)
    agreed(seen, server, 1)
    (exchange,) = seen.exchanges
    assert (exchange.method, exchange.has_body, exchange.status) == ("POST", True, 200)


@BOTH
def test_a_redirect_is_an_exchange_of_its_own(server: KeepaliveServer, ask: Ways) -> None:
    server.route("/old", Reply(302, headers={"Location": "/new"}))
    with measure() as seen:
        ask(server.url_for("/old"))
    agreed(seen, server, 2)
    assert [each.status for each in seen.exchanges] == [302, 200]
    assert [each.url for each in seen.exchanges] == [server.url_for("/old"), server.url_for("/new")]


@BOTH
def test_a_redirect_to_another_server_is_named(server: KeepaliveServer, ask: Ways) -> None:
    with KeepaliveServer() as other:
        server.route("/old", Reply(302, headers={"Location": other.url_for("/new")}))
        with measure() as seen:
            ask(server.url_for("/old"))
        assert (server.accepted, other.accepted, seen.count) == (1, 1, 2)
    assert causes(seen) == [Cause.REDIRECTED_ELSEWHERE]


@BOTH
def test_a_server_that_closes_is_named(server: KeepaliveServer, ask: Ways) -> None:
    server.reply("/", keep_alive=False)
    with measure() as seen:
        ask(server.url, server.url)
    agreed(seen, server, 1, 1)
    assert causes(seen) == [Cause.SERVER_ASKED_TO_CLOSE]


def test_a_body_that_is_not_read_is_named(server: KeepaliveServer) -> None:
    server.reply("/", body=b"x" * 2_000_000)
    with measure() as seen, niquests.Session() as session:
        for _ in range(2):
            with session.get(server.url, stream=True) as response:
                assert response.status_code == 200
    agreed(seen, server, 1, 1)
    assert causes(seen) == [Cause.BODY_NOT_READ]


def test_a_connection_that_the_server_dropped_is_named(server: KeepaliveServer) -> None:
    with measure() as seen, niquests.Session() as session:
        session.get(server.url)
        server.drop_idle()
        server.wait_until_closed()
        session.get(server.url)
    agreed(seen, server, 1, 1)
    assert seen.connections[0].closed_by is Side.PEER


def test_threads_that_share_a_session_are_agreed_upon(server: KeepaliveServer) -> None:
    def work() -> None:
        for _ in range(5):
            session.get(server.url)

    with measure() as seen, niquests.Session() as session:
        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert_agreement(seen, server)
    assert len(seen.exchanges) == 20


def test_a_refused_connect_is_an_attempt() -> None:
    with KeepaliveServer() as gone:
        url = gone.url
    with measure() as seen, pytest.raises(niquests.exceptions.ConnectionError):
        in_threads(url)
    assert (seen.count, len(seen.attempts), len(seen.exchanges)) == (0, 1, 0)


# Over TLS, and HTTP/2


@BOTH
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_session_over_tls_is_agreed_upon(ask: Ways, http2: bool) -> None:
    pytest.importorskip("trustme")
    with KeepaliveServer(tls=True, http2=http2) as server:
        with measure() as seen:
            ask(*[server.url] * REQUESTS, verify=server.ca_file)
        agreed(seen, server, REQUESTS)
    (connection,) = seen.connections
    assert connection.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert connection.handshake_seconds is not None
    assert str(connection.origin) == server.url
    assert [each.index for each in seen.exchanges] == [0, 1, 2, 3]


def at_once_in_threads(server: KeepaliveServer) -> None:
    with niquests.Session(multiplexed=True) as session:
        ask = partial(session.get, verify=server.ca_file)
        # HTTP/2 is agreed upon with the first of them.
        assert ask(server.url).status_code == 200
        responses = [ask(server.url_for(f"/{number}")) for number in range(REQUESTS)]
        session.gather(*responses)
        assert [each.status_code for each in responses] == [200] * REQUESTS


def at_once_in_tasks(server: KeepaliveServer) -> None:
    async def fetch() -> None:
        async with niquests.AsyncSession(multiplexed=True) as session:
            ask = partial(session.get, verify=server.ca_file)
            await session.gather(await ask(server.url))
            promised: list[Awaitable[Any]] = [
                ask(server.url_for(f"/{number}")) for number in range(REQUESTS)
            ]
            responses = [await each for each in promised]
            await session.gather(*responses)
            assert [each.status_code for each in responses] == [200] * REQUESTS

    asyncio.run(fetch())


@pytest.mark.parametrize(
    "at_once", [at_once_in_threads, at_once_in_tasks], ids=["threads", "tasks"]
)
def test_many_at_once_share_a_connection_over_http2(
    at_once: Callable[[KeepaliveServer], None],
) -> None:
    pytest.importorskip("trustme")
    with KeepaliveServer(tls=True, http2=True) as server:
        with measure() as seen:
            at_once(server)
        agreed(seen, server, REQUESTS + 1)
    assert seen.count == 1
    assert [each.index for each in seen.exchanges] == [*range(REQUESTS + 1)]
    assert {each.http_version for each in seen.exchanges} == {"HTTP/2"}
    assert all(each.ended_at is not None for each in seen.exchanges)


@BOTH
def test_a_certificate_that_is_not_trusted_leaves_a_connection_without_requests(ask: Ways) -> None:
    pytest.importorskip("trustme")
    with KeepaliveServer(tls=True) as server:
        with measure() as seen, pytest.raises(niquests.exceptions.SSLError):
            ask(server.url)
        server.wait_for_connections(1)
        assert seen.count == server.accepted == 1
    assert seen.exchanges == 0


# Through a proxy


@BOTH
@pytest.mark.parametrize("tls", [False, True], ids=["forwarded", "tunnelled"])
def test_what_goes_through_a_proxy_is_told_of_the_server(ask: Ways, tls: bool) -> None:
    if tls:
        pytest.importorskip("trustme")
    with KeepaliveServer(tls=tls) as server, ConnectProxy() as proxy:
        options: dict[str, Any] = {"verify": server.ca_file} if tls else {}
        with measure() as seen:
            ask(*[server.url] * 2, proxies={"http": proxy.url, "https": proxy.url}, **options)
        proxy.wait_for_connections(seen.count)
        # Awaited, a tunnel is not used again.
        assert seen.count == proxy.accepted == server.accepted
    assert {str(each.origin) for each in seen.connections} == {server.url}
    assert {each.peer for each in seen.connections} == {(proxy.host, proxy.port)}
    assert [each.method for each in seen.exchanges] == ["GET", "GET"]
