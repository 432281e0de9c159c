"""Pool managers of urllib3 that record: what is recorded, for how long, and in which threads."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
import urllib3

from pytest_keepalive import ConnectionLimitExceeded
from pytest_keepalive._connection import State
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._events import Ending
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.transports.side_by_side import counter, run_both


def test_one_manager_gives_the_same_records_patched_or_not() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/chunked", body=["a", "b"], framing="chunked")
        server.reply("/nothing", 204, body="")
        with seen.pool_manager() as manager:
            manager.request("GET", server.url_for("/?token=secret"))
            manager.request("POST", server.url_for("/form"), fields={"a": "b"})
            manager.request("HEAD", server.url_for("/"))
            manager.request("GET", server.url_for("/chunked"))
            manager.request("GET", server.url_for("/nothing"))

    seen = run_both(scenario)

    assert seen.accepted == 1
    assert seen.places == list(seen.exchanges) == [(0, index) for index in range(5)]
    assert [exchange.reused for exchange in seen.recording.exchanges] == [False] + 4 * [True]
    assert {exchange.ending for exchange in seen.recording.exchanges} == {Ending.COMPLETE}
    assert "secret" not in repr(seen.recording.exchanges)
    assert seen.recording.connections[0].client == "urllib3"
    assert seen.recording.connections[0].close_reason == "the client was closed"


def test_a_manager_for_each_request_is_counted_as_many() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        for _ in range(3):
            with seen.pool_manager() as manager:
                manager.request("GET", server.url)

    seen = run_both(scenario)

    assert seen.recording.count == seen.accepted == 3
    assert seen.recording.reused == 0


def test_a_broken_promise_fails_with_nothing_patched(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    for _ in range(2):
        with unpatched.pool_manager() as manager:
            manager.request("GET", server.url)

    with pytest.raises(ConnectionLimitExceeded, match="opened 2 connections"):
        unpatched.assert_single()


def test_the_call_site_is_the_line_of_the_request(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with unpatched.pool_manager() as manager:
        manager.request("GET", server.url)

    (exchange,) = unpatched.exchanges
    assert exchange.call_site is not None
    assert exchange.call_site.source == 'manager.request("GET", server.url)'
    assert unpatched.connections[0].call_site == exchange.call_site


def test_both_requests_of_a_redirect_are_seen() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.route("/from", Reply.redirect("/to"))
        with seen.pool_manager() as manager:
            manager.request("GET", server.url_for("/from"))

    seen = run_both(scenario)

    assert [exchange.status for exchange in seen.recording.exchanges] == [302, 200]
    assert seen.places == list(seen.exchanges) == [(0, 0), (0, 1)]


def test_tls_is_measured() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with seen.pool_manager(ca_certs=server.ca_file) as manager:
            manager.request("GET", server.url)
            manager.request("GET", server.url)

    seen = run_both(scenario, tls=True)

    (connection,) = seen.recording.connections
    assert connection.origin.scheme == "https"
    assert connection.handshake_seconds is not None
    assert connection.state is State.CLOSED
    assert seen.places == list(seen.exchanges) == [(0, 0), (0, 1)]


def test_every_argument_reaches_the_real_manager(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    manager = unpatched.pool_manager(3, {"X-Mine": "yes"}, source_address=("127.0.0.2", 0))
    with manager:
        manager.request("GET", server.url)

    assert isinstance(manager, urllib3.PoolManager)
    assert server.requests[0].header("x-mine") == "yes"
    local = unpatched.connections[0].local
    assert local is not None
    assert local[0] == server.connections[0].peer[0] == "127.0.0.2"
    with pytest.raises(TypeError, match="no_such_argument"):
        unpatched.pool_manager(no_such_argument=1).request("GET", server.url)


def test_nothing_that_is_shared_is_touched(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    before = _shared()
    with unpatched.pool_manager() as manager:
        manager.request("GET", server.url)
        assert _shared() == before
        with urllib3.PoolManager() as plain:
            plain.request("GET", server.url)

    assert unpatched.count == 1
    assert server.accepted == 2


def _shared() -> list[dict[str, Any]]:
    import http.client

    classes = (
        socket.socket,
        http.client.HTTPConnection,
        http.client.HTTPResponse,
        urllib3.PoolManager,
        urllib3.HTTPConnectionPool,
        urllib3.HTTPSConnectionPool,
        urllib3.connection.HTTPConnection,
        urllib3.connection.HTTPSConnection,
    )
    return [dict(vars(cls)) for cls in classes]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what is opened")
def test_a_client_without_a_transport_is_a_blind_spot(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with urllib3.PoolManager() as manager:
        manager.request("GET", server.url)

    assert not unpatched.exact
    assert "run without --keepalive-off" in unpatched.report()
    with pytest.raises(ConnectionLimitExceeded, match=r"nothing was measured.*keepalive-off"):
        unpatched.assert_single()


def test_threads_that_share_a_manager_are_told_apart(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    server.reply("/", hold=True)
    with unpatched.pool_manager(maxsize=3) as manager:
        threads = [
            threading.Thread(target=manager.request, args=("GET", server.url)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        server.wait_for_requests(3)
        server.release()
        for thread in threads:
            thread.join()

    assert unpatched.count == server.accepted == 3
    assert [exchange.index for exchange in unpatched.exchanges] == [0, 0, 0]


def test_patches_of_an_inner_measurement_count_nothing_twice(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with unpatched.pool_manager() as manager:
        manager.request("GET", server.url)
        with measure() as inner:
            manager.request("GET", server.url)
            assert inner.count == inner.exchanges == 1
        manager.request("GET", server.url)
        with measure(), unpatched.pool_manager() as other:
            other.request("GET", server.url)

    assert unpatched.count == server.accepted == 2
    assert [exchange.index for exchange in unpatched.exchanges] == [0, 1, 2, 0]
    assert [exchange.status for exchange in unpatched.exchanges] == [200] * 4
    assert {each.state for each in unpatched.connections} == {State.CLOSED}


def test_it_records_until_its_test_ends(server: KeepaliveServer) -> None:
    first = counter(patch=False)
    with first.pool_manager() as manager:
        manager.request("GET", server.url)
        first.close()
        second = counter(patch=False)
        manager.request("GET", server.url)
        assert second.exchanges == 0
        second.close()


@pytest.mark.parametrize(
    ("method", "library"),
    [("httpx_transport", "httpx"), ("async_httpx_transport", "httpx"), ("pool_manager", "urllib3")],
)
def test_a_client_library_is_imported_when_asked_for(method: str, library: str) -> None:
    program = f"""
import sys
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._measure import Measurement
counter = ConnectionCounter("a test", Measurement(patch=False))
assert not {{"httpx", "httpcore", "urllib3"}} & set(sys.modules)
counter.{method}()
assert "{library}" in sys.modules
counter.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("method", "library"),
    [("httpx_transport", "httpx"), ("async_httpx_transport", "httpx"), ("pool_manager", "urllib3")],
)
def test_a_library_that_is_missing_is_named(
    unpatched: ConnectionCounter, monkeypatch: pytest.MonkeyPatch, method: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"pytest_keepalive._transports._{library}", raising=False)

    with pytest.raises(ImportError, match=f"pip install {library}"):
        getattr(unpatched, method)()
