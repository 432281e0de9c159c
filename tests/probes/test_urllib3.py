"""urllib3: which pool keeps which connection, through TLS and proxies too."""

from __future__ import annotations

import io
import threading
from importlib.metadata import version
from typing import Any

import pytest
import urllib3
from urllib3 import HTTPConnectionPool, PoolManager, ProxyManager
from urllib3.util import Retry

from pytest_keepalive import KeepaliveWarning, measure
from pytest_keepalive._connection import State
from pytest_keepalive._events import CloseTrigger, Ending, discard
from pytest_keepalive._probes._urllib3 import Urllib3Probe
from pytest_keepalive._server import ConnectProxy, KeepaliveServer, Reply
from pytest_keepalive._view import View
from tests.probes.agreement import assert_agreement
from tests.probes.bodies import BODY, CHUNKS
from tests.probes.view import last, only, triggers

# Counting


def test_a_pool_keeps_its_connection(server: KeepaliveServer, pool: PoolManager) -> None:
    with measure() as seen:
        for number in range(10):
            pool.request("GET", server.url_for(f"/{number}"))
    assert_agreement(seen, server)
    assert (seen.count, len(seen.exchanges), len(seen.reused)) == (1, 10, 9)
    connection = only(seen)
    assert connection.client == "urllib3"
    assert connection.state is State.IDLE
    assert connection.call_site is not None
    assert connection.call_site.source.startswith("pool.request(")
    assert connection.adoption is not None
    assert connection.adoption.pool_name == "urllib3.HTTPConnectionPool"
    assert connection.adoption.pool > 0
    assert connection.adoption.owner > 0
    key = dict(connection.adoption.pool_key)
    assert (key["scheme"], key["host"], key["port"]) == ("http", "127.0.0.1", str(server.port))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_pool_that_was_used_before_anybody_looked_is_found(
    server: KeepaliveServer, pool: PoolManager, chunked: bool
) -> None:
    pool.request("GET", server.url)
    with measure() as seen:
        body = iter([b"a", b"b"]) if chunked else b"ab"
        http = pool.connection_from_url(server.url)
        http.urlopen("POST", "/", body=body, chunked=chunked)
    assert server.exchanges == ((0, 0), (0, 1))
    connection = only(seen)
    assert not connection.opened_here
    assert connection.adoption is not None
    assert connection.adoption.pool_name == "urllib3.HTTPConnectionPool"
    assert connection.adoption.owner > 0


def test_a_pool_manager_for_each_request_connects_each_time(server: KeepaliveServer) -> None:
    with measure() as seen:
        for _ in range(4):
            with PoolManager() as pool:
                pool.request("GET", server.url)
    assert_agreement(seen, server)
    assert seen.count == 4
    assert triggers(seen) == [CloseTrigger.CLIENT_CLOSED] * 4
    adoptions = [each.adoption for each in seen.connections if each.adoption]
    assert len({adoption.owner for adoption in adoptions}) == 4
    assert len({adoption.pool for adoption in adoptions}) == 4
    assert len({adoption.pool_key for adoption in adoptions}) == 1


REPLIES = {
    "length": Reply(body=BODY),
    "empty": Reply(body=b""),
    "no content": Reply(204, b""),
    "not modified": Reply(304, b""),
    "chunked": Reply(body=CHUNKS),
    "error": Reply(500, "oops"),
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_response_that_was_read_is_complete_and_keeps_its_connection(
    server: KeepaliveServer, pool: PoolManager, reply: Reply, method: str
) -> None:
    server.route("/", reply)
    with measure() as seen:
        for _ in range(3):
            pool.request(method, server.url, retries=False)
    assert_agreement(seen, server)
    assert seen.count == 1
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.COMPLETE] * 3


CLOSING = {
    "close": Reply(body=BODY, keep_alive=False),
    "HTTP/1.0": Reply(http_version="1.0"),
    "no framing": Reply(framing="eof"),
    "no framing, streamed": Reply(framing="eof", body=CHUNKS),
}


@pytest.mark.parametrize("reply", CLOSING.values(), ids=CLOSING)
def test_a_response_that_forbids_reuse_ends_its_connection(
    server: KeepaliveServer, pool: PoolManager, reply: Reply
) -> None:
    server.route("/", reply)
    with measure() as seen:
        for _ in range(3):
            pool.request("GET", server.url)
    assert_agreement(seen, server)
    assert seen.count == 3
    assert triggers(seen) == [CloseTrigger.SERVER_SAID_CLOSE] * 3
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.COMPLETE] * 3


def test_a_request_may_ask_for_the_close(server: KeepaliveServer, pool: PoolManager) -> None:
    with measure() as seen:
        for _ in range(2):
            pool.request("GET", server.url, headers={"connection": "close"})
    assert_agreement(seen, server)
    assert seen.count == 2
    assert [exchange.closing for exchange in seen.exchanges] == [True, True]


def test_urls_are_kept_without_credentials_and_query_values(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    with measure() as seen:
        pool.request("GET", f"http://user:secret@{server.host}:{server.port}/x?token=secret#frag")
    assert last(seen).url == f"{server.url}/x?token=..."
    assert "secret" not in repr(seen.recording.connections[0].adoption)


def test_an_upload_in_chunks_is_one_exchange(server: KeepaliveServer, pool: PoolManager) -> None:
    with measure() as seen:
        for _ in range(2):
            pool.request("POST", server.url, body=io.BytesIO(BODY), chunked=True)
    assert_agreement(seen, server)
    assert last(seen).has_body
    assert server.requests[-1].body == BODY


def test_hosts_by_two_names_have_two_pools(server: KeepaliveServer, pool: PoolManager) -> None:
    with measure() as seen:
        for host in ("127.0.0.1", "localhost") * 2:
            pool.request("GET", f"http://{host}:{server.port}/")
    assert_agreement(seen, server)
    assert [each.origin.host for each in seen.connections] == ["127.0.0.1", "localhost"]


def test_threads_that_share_a_pool_are_told_apart(server: KeepaliveServer) -> None:
    def work(shared: PoolManager) -> None:
        for _ in range(5):
            shared.request("GET", server.url)

    with measure() as seen, PoolManager(maxsize=2) as pool:
        threads = [threading.Thread(target=work, args=(pool,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_agreement(seen, server)
    assert seen.exchanges == 40


# TLS and proxies


def test_tls_is_seen_with_its_handshake() -> None:
    with KeepaliveServer(tls=True, host="localhost") as server, measure() as seen:
        authority = server.ca_file
        with PoolManager(ca_certs=authority) as pool:
            for _ in range(3):
                pool.request("GET", server.url)
    assert_agreement(seen, server)
    connection = only(seen)
    assert connection.origin == server.url
    assert connection.handshake_seconds is not None
    assert connection.adoption is not None
    assert connection.adoption.pool_name == "urllib3.HTTPSConnectionPool"
    assert dict(connection.adoption.pool_key)["ca_certs"] == authority


def test_a_handshake_that_fails_is_a_connection_that_carried_nothing() -> None:
    with KeepaliveServer(tls=True, host="localhost") as server, measure() as seen:
        with PoolManager() as pool, pytest.raises(urllib3.exceptions.MaxRetryError):
            pool.request("GET", server.url, retries=Retry(1, backoff_factor=0))
        server.wait_for_connections(2)
    assert seen.count == server.accepted == 2
    assert seen.exchanges == 0
    assert seen.recording.notes == ()


def test_a_tunnel_is_one_connection_to_the_origin_behind_it() -> None:
    with ConnectProxy() as proxy, KeepaliveServer(tls=True, host="localhost") as server:
        with measure() as seen, ProxyManager(proxy.url, ca_certs=server.ca_file) as pool:
            for _ in range(3):
                pool.request("GET", server.url)
        assert server.exchanges == ((0, 0), (0, 1), (0, 2))
        assert proxy.accepted == seen.count == 1
    connection = only(seen)
    assert connection.origin == server.url
    assert [exchange.url for exchange in connection.exchanges] == [f"{server.url}/"] * 3
    assert connection.peer == ("127.0.0.1", proxy.port)


def test_a_forward_proxy_carries_exchanges_of_many_origins() -> None:
    with ConnectProxy(credentials="user:secret") as proxy, KeepaliveServer() as server:
        headers = urllib3.make_headers(proxy_basic_auth="user:secret")
        with measure() as seen, ProxyManager(proxy.url, proxy_headers=headers) as pool:
            for path in ("/a", "/b?token=secret"):
                pool.request("GET", server.url_for(path))
        assert server.exchanges == ((0, 0), (0, 1))
        assert_agreement(seen, proxy)
    assert [exchange.url for exchange in seen.exchanges] == [
        f"{server.url}/a",
        f"{server.url}/b?token=...",
    ]
    assert only(seen).origin == proxy.url
    assert "secret" not in repr(only(seen).adoption)
    assert "c2VjcmV0" not in repr(only(seen).adoption)


# A client that has changed


def ask(client: Any) -> None:
    client.request("GET", "/")
    client.getresponse().read()
    client.close()


@pytest.mark.usefixtures("_not_yet_warned")
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (urllib3.poolmanager, "HTTPSConnectionPool"),
        (urllib3.PoolManager, "connection_from_pool_key"),
        (urllib3.HTTPConnectionPool, "_new_conn"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_seam_that_is_gone_costs_one_warning_and_the_pools(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    client = HTTPConnectionPool.ConnectionCls(server.host, server.port)
    with monkeypatch.context() as patching:
        patching.delattr(owner, name)
        with pytest.warns(KeepaliveWarning) as warned, measure() as seen:
            ask(client)
    (message,) = (str(each.message) for each in warned)
    assert message.startswith(f"urllib3 {version('urllib3')} has no urllib3.")
    assert name in message
    assert "which pool of urllib3 a connection belongs to cannot be seen" in message
    assert_agreement_but_for_notes(seen, server)


def assert_agreement_but_for_notes(seen: View, server: KeepaliveServer) -> None:
    assert (seen.count, len(seen.exchanges)) == (server.accepted, len(server.requests)) == (1, 1)
    assert only(seen).client == "urllib3"


def test_a_pool_that_cannot_be_told_changes_nothing_for_the_program(
    server: KeepaliveServer,
) -> None:
    class Odd(HTTPConnectionPool):
        @property
        def scheme(self) -> str:  # type: ignore[override] # what is tested
            import sys

            if "pytest_keepalive" in sys._getframe(1).f_globals["__name__"]:
                raise LookupError("no scheme")
            return "http"

    with measure() as seen, Odd(server.host, server.port) as pool:
        assert pool.request("GET", "/").status == 200
    assert (seen.count, len(seen.exchanges)) == (1, 1)
    assert only(seen).origin == server.url
    assert seen.recording.notes == ("urllib3: its probe failed with LookupError('no scheme')",)


def test_a_pool_in_the_place_of_one_that_is_gone_has_its_own_key() -> None:
    probe = Urllib3Probe(discard)
    probe.install(urllib3.poolmanager)
    places: set[int] = set()
    try:
        manager = PoolManager()
        for port in range(1, 65536):
            pool = manager.connection_from_host("127.0.0.1", port)
            assert ("port", str(port)) in probe._owner(pool).pool_key
            assert list(probe._keys) == [pool]
            if id(pool) in places:
                break
            places.add(id(pool))
            del pool
            manager.clear()
        else:
            pytest.fail("no pool stood where another one had")
    finally:
        probe.uninstall()
