"""urllib3: why connections are closed."""

from __future__ import annotations

import gc

from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.util import Timeout

from pytest_keepalive import measure
from pytest_keepalive._events import CloseTrigger, Side
from pytest_keepalive._server import KeepaliveServer
from tests.probes.agreement import assert_agreement
from tests.probes.view import only, triggers


def test_a_connection_dropped_while_idle_is_told(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    with measure() as seen:
        pool.request("GET", server.url)
        server.drop_idle()
        server.wait_until_closed()
        pool.request("GET", server.url)
    assert_agreement(seen, server)
    assert triggers(seen) == [CloseTrigger.DROPPED, None]
    assert seen.connections[0].closed_by is Side.PEER


def test_a_connection_that_found_no_room_in_the_pool_is_evicted(server: KeepaliveServer) -> None:
    with measure() as seen, HTTPConnectionPool(server.host, server.port, maxsize=1) as pool:
        first = pool.request("GET", "/", preload_content=False)
        second = pool.request("GET", "/", preload_content=False)
        for response in (first, second):
            response.read()
            response.release_conn()
        assert triggers(seen) == [None, CloseTrigger.EVICTED]
    assert_agreement(seen, server)
    assert triggers(seen) == [CloseTrigger.CLIENT_CLOSED, CloseTrigger.EVICTED]
    adoption = seen.connections[0].adoption
    assert adoption is not None
    assert (adoption.owner, adoption.pool_key) == (0, ())


def test_a_connection_in_use_when_its_pool_was_closed_was_not_evicted(
    server: KeepaliveServer,
) -> None:
    with measure() as seen:
        with HTTPConnectionPool(server.host, server.port) as pool:
            response = pool.request("GET", "/", preload_content=False)
        response.read()
        response.release_conn()
    assert triggers(seen) == [CloseTrigger.CLIENT_CLOSED]


def test_a_pool_for_which_there_was_no_room_is_disposed_of(server: KeepaliveServer) -> None:
    with KeepaliveServer() as other, measure() as seen, PoolManager(num_pools=1) as pool:
        for url in (server.url, other.url, server.url):
            pool.request("GET", url)
            gc.collect()
        assert triggers(seen) == [CloseTrigger.POOL_DISPOSED, CloseTrigger.POOL_DISPOSED, None]
    assert triggers(seen)[2] is CloseTrigger.CLIENT_CLOSED
    assert (server.accepted, other.accepted) == (2, 1)


def test_clearing_the_pools_closes_their_connections(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    with measure() as seen:
        pool.request("GET", server.url)
        pool.clear()
        pool.request("GET", server.url)
    assert_agreement(seen, server)
    assert triggers(seen) == [CloseTrigger.CLIENT_CLOSED, None]


def test_a_pool_manager_that_was_garbage_closed_its_connections(server: KeepaliveServer) -> None:
    with measure() as seen:
        pool = PoolManager()
        pool.request("GET", server.url)
        del pool
        gc.collect()
        assert only(seen).closed_at is not None
    assert triggers(seen) == [CloseTrigger.CLIENT_CLOSED]


def test_the_keys_of_pools_differ_in_what_was_asked_for(server: KeepaliveServer) -> None:
    with measure() as seen, PoolManager() as pool:
        pool.request("GET", server.url)
        other = pool.connection_from_host(
            server.host, server.port, pool_kwargs={"timeout": Timeout(3), "maxsize": 2}
        )
        other.request("GET", "/")
    first, second = (dict(each.adoption.pool_key) for each in seen.connections if each.adoption)
    assert first.keys() - second.keys() == set()
    assert second["maxsize"] == "2"
    assert second["timeout"].startswith("Timeout #")
