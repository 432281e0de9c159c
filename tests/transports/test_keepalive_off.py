from __future__ import annotations

import pytest

PROGRAM = """
import asyncio, http.client, socket

import httpcore, httpx, pytest, urllib3

from pytest_keepalive._server import KeepaliveServer

def patched():
    names = [
        (socket, "getaddrinfo"),
        (socket.socket, "connect"),
        (http.client.HTTPConnection, "endheaders"),
        (http.client.HTTPResponse, "_close_conn"),
        (httpcore.HTTP11Connection, "handle_request"),
        (httpcore.AsyncHTTP11Connection, "handle_async_request"),
        (urllib3.PoolManager, "connection_from_pool_key"),
    ]
    return [name for owner, name in names if hasattr(getattr(owner, name), "__keepalive_probe__")]

@pytest.fixture
def server():
    with KeepaliveServer() as server:
        yield server

def test_httpx(connection_counter, server):
    with httpx.Client(transport=connection_counter.httpx_transport()) as client:
        client.get(server.url)
        client.get(server.url)
    connection_counter.assert_single(requests=2)
    assert server.accepted == 1
    assert len(patched()) == PATCHED

def test_async_httpx(connection_counter, server):
    async def main():
        transport = connection_counter.async_httpx_transport()
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get(server.url)
            await client.get(server.url)
    asyncio.run(main())
    connection_counter.assert_single(requests=2)
    assert server.accepted == 1
    assert len(patched()) == PATCHED

def test_urllib3(connection_counter, server):
    with connection_counter.pool_manager() as manager:
        manager.request("GET", server.url)
        manager.request("GET", server.url)
    connection_counter.assert_single(requests=2)
    assert server.accepted == 1
    assert len(patched()) == PATCHED
"""

TOO_MANY = """
import urllib3

from pytest_keepalive._server import KeepaliveServer

def test_two(connection_counter):
    with KeepaliveServer() as server:
        for _ in range(2):
            with connection_counter.pool_manager() as manager:
                manager.request("GET", server.url)
        connection_counter.assert_single()
"""


def test_transports_record_with_nothing_patched(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROGRAM.replace("PATCHED", "0"))

    pytester.runpytest_inprocess("-p", "no:asyncio", "--keepalive-off").assert_outcomes(passed=3)


def test_transports_are_counted_once_where_the_probes_see_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROGRAM.replace("PATCHED", "7"))

    pytester.runpytest_inprocess("-p", "no:asyncio").assert_outcomes(passed=3)


def test_a_failure_with_nothing_patched_carries_the_evidence(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TOO_MANY)

    result = pytester.runpytest_inprocess("-p", "no:asyncio", "--keepalive-off")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*opened 2 connections*", "*a new urllib3.PoolManager for each*"])
    result.stdout.fnmatch_lines(["*--keepalive-off: nothing is patched*"])
