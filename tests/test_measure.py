"""Blocks that are measured, and what they leave behind."""

from __future__ import annotations

import _socket
import asyncio
import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading
from typing import Any

import pytest
import urllib3

from pytest_keepalive import measure
from pytest_keepalive._instruments import instruments
from pytest_keepalive._measure import Measurement
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._view import View
from tests.sockets import connect

pytestmark = pytest.mark.usefixtures("_sockets_alone", "_no_native_clients")


def test_a_block_is_measured(server: KeepaliveServer, pool: urllib3.PoolManager) -> None:
    with measure() as seen:
        for _ in range(3):
            pool.request("GET", server.url)
    assert seen.count == server.accepted == 1
    assert seen.connections == 1
    assert seen.opened == 1
    assert seen.exchanges == len(server.requests) == 3
    assert seen.reused == 2
    assert seen.attempts == 1
    assert seen.exact
    assert seen.blind_spots == ()
    assert seen.findings == ()


def test_the_view_is_about_this_moment_inside_the_block(
    server: KeepaliveServer, pool: urllib3.PoolManager
) -> None:
    counts = []
    with measure() as seen:
        counts.append(seen.count)
        pool.request("GET", server.url)
        counts.append(seen.count)
        with connect(server):
            counts.append(seen.count)
    assert counts == [0, 1, 2]


def test_what_happens_before_and_behind_the_block_is_no_part_of_it(
    server: KeepaliveServer, pool: urllib3.PoolManager
) -> None:
    with connect(server):
        pass
    with measure() as seen:
        pool.request("GET", server.url)
    with connect(server):
        pass
    recording = seen.recording
    assert recording.count == 1
    server.wait_for_connections(3)
    assert seen.recording is recording


def test_blocks_nest(server: KeepaliveServer, pool: urllib3.PoolManager) -> None:
    with measure() as outer:
        pool.request("GET", server.url)
        with measure() as inner:
            pool.request("GET", server.url)
            with connect(server):
                pass
        assert (inner.count, len(inner.opened), len(inner.exchanges)) == (2, 1, 1)
        pool.request("GET", server.url)
    assert (outer.count, len(outer.opened), len(outer.exchanges)) == (2, 2, 3)
    assert inner.exchanges[0].index == 1
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))


def test_a_connection_used_here_and_opened_before_anybody_looked_counts(
    server: KeepaliveServer, pool: urllib3.PoolManager
) -> None:
    pool.request("GET", server.url)
    with measure() as seen:
        pool.request("GET", server.url)
    assert (seen.count, len(seen.opened)) == (1, 0)
    assert not seen.connections[0].opened_here


def test_a_block_that_fails_keeps_its_own_error(server: KeepaliveServer) -> None:
    block = measure()
    with pytest.raises(LookupError, match="its own"), block as seen:
        fail_after(connect(server))
    assert seen.count == 1


def fail_after(client: socket.socket) -> None:
    client.close()
    raise LookupError("its own")


def test_a_block_can_be_entered_once() -> None:
    block = measure()
    with block:
        pass
    with pytest.raises(RuntimeError, match="entered before; make a new one"):
        block.__enter__()


def entered() -> Measurement:
    block = measure()
    block.__enter__()
    return block


def test_blocks_that_are_closed_out_of_order_are_an_error() -> None:
    first, second = entered(), entered()
    with pytest.raises(RuntimeError, match="closed out of order: this one ended while 1 begun"):
        first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert not instruments.installed
    with measure():
        pass


def test_an_error_of_the_block_is_not_hidden_by_that_of_the_order() -> None:
    first, second = entered(), entered()
    error = LookupError("its own")
    first.__exit__(LookupError, error, None)
    second.__exit__(None, None, None)


def test_closing_in_order_is_no_error_after_one_out_of_order() -> None:
    first, second = entered(), entered()
    with pytest.raises(RuntimeError):
        first.__exit__(None, None, None)
    with measure():
        pass
    second.__exit__(None, None, None)
    third, fourth = entered(), entered()
    fourth.__exit__(None, None, None)
    third.__exit__(None, None, None)


def test_a_block_that_was_never_entered_cannot_be_closed() -> None:
    with pytest.raises(RuntimeError, match="was never entered"):
        measure().__exit__(None, None, None)
    assert not instruments.installed


def test_a_block_cannot_be_closed_twice() -> None:
    block = entered()
    block.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="ended before"):
        block.__exit__(None, None, None)
    with measure():
        assert instruments.installed
    assert not instruments.installed


def test_tasks_whose_blocks_overlap_are_in_order(server: KeepaliveServer) -> None:
    async def one(mine: asyncio.Event, others: asyncio.Event) -> View:
        with measure() as seen:
            mine.set()
            await others.wait()
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.close()
            await writer.wait_closed()
        return seen

    async def both() -> list[View]:
        with measure() as whole:
            first, second = asyncio.Event(), asyncio.Event()
            views = await asyncio.gather(one(first, second), one(second, first))
        return [*views, whole]

    counts = [view.count for view in asyncio.run(both())]
    server.wait_for_connections(2)
    # A window is a stretch of time, and these overlap.
    assert counts == [2, 2, 2]


def test_threads_may_measure_at_the_same_time(server: KeepaliveServer) -> None:
    started = threading.Barrier(3)
    views = []

    def work() -> None:
        with measure() as seen:
            started.wait(5)
            connect(server).close()
        views.append(seen)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not instruments.installed
    assert len(views) == 3
    assert all(1 <= view.count <= 3 for view in views)


# Nothing stays behind.


def patched_owners() -> list[Any]:
    return [
        *_socket.socket.__subclasses__(),
        socket,
        ssl.SSLSocket,
        ssl.SSLObject,
        http.client.HTTPConnection,
        http.client.HTTPResponse,
        urllib3.PoolManager,
        urllib3.HTTPConnectionPool,
        urllib3.HTTPSConnectionPool,
    ]


def namespaces() -> list[dict[str, Any]]:
    return [dict(vars(owner)) for owner in patched_owners()]


def test_nothing_stays_patched_behind_the_block(server: KeepaliveServer) -> None:
    before, finders = namespaces(), list(sys.meta_path)
    with measure():
        during = namespaces()
        connect(server).close()
    after = namespaces()
    assert all(was != now for was, now in zip(before, during, strict=True))
    for owner, was, now in zip(patched_owners(), before, after, strict=True):
        assert list(was) == list(now), owner
        assert all(was[name] is now[name] for name in was), owner
    assert sys.meta_path == finders


def test_nothing_is_patched_until_the_last_one_leaves() -> None:
    first, second = entered(), entered()
    second.__exit__(None, None, None)
    assert hasattr(http.client.HTTPConnection.endheaders, "__wrapped__")
    first.__exit__(None, None, None)
    assert not hasattr(http.client.HTTPConnection.endheaders, "__wrapped__")


def test_measuring_keeps_no_socket_alive(server: KeepaliveServer) -> None:
    import gc
    import weakref

    gc.disable()
    try:
        with measure() as seen:
            client = connect(server)
            reference = weakref.ref(client)
            client.close()
            del client
            assert reference() is None
            assert seen.count == 1
    finally:
        gc.enable()


def test_measuring_leaves_no_descriptor_open() -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    with measure():
        pass
    before = descriptors()
    with measure() as seen:
        assert seen.count == 0
    assert descriptors() == before


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_empty(server: KeepaliveServer, pool: urllib3.PoolManager) -> None:
    program = """
import os, sys, urllib3
from pytest_keepalive import measure
url = sys.argv[1]
pool = urllib3.PoolManager()
with measure() as seen:
    pool.request("GET", url)
    child = os.fork()
    if not child:
        empty = (seen.count, len(seen.attempts), seen.exact)
        fresh = urllib3.PoolManager()
        fresh.request("GET", url)
        print("child", empty, (seen.count, seen.exchanges[0].index, seen.exact), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    pool.request("GET", url)
print("parent", (seen.count, len(seen.exchanges)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, server.url], capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["child (0, 0, True) (1, 0, True)", "parent (1, 2)"]
    assert server.accepted == 2
