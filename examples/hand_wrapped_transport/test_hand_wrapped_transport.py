"""A transport wrapped by hand, for those who want nothing patched.

The ``pytest.ini`` beside this file says ``keepalive_off = true``: no class is patched and no marker
is held. ``connection_counter.httpx_transport()`` is a real ``httpx.HTTPTransport`` and
``connection_counter.pool_manager()`` a real ``urllib3.PoolManager``; each records what it carries.
"""

from __future__ import annotations

import asyncio

import httpx
import pytest

from pytest_keepalive import ConnectionCounter, ConnectionLimitExceeded, KeepaliveServer


def test_httpx_shares_one_connection(
    keepalive_server: KeepaliveServer, connection_counter: ConnectionCounter
) -> None:
    with httpx.Client(transport=connection_counter.httpx_transport()) as client:
        for _ in range(3):
            client.get(keepalive_server.url)
    connection_counter.assert_single(requests=3)


def test_async_httpx_shares_one_connection(
    keepalive_server: KeepaliveServer, connection_counter: ConnectionCounter
) -> None:
    async def main() -> None:
        transport = connection_counter.async_httpx_transport()
        async with httpx.AsyncClient(transport=transport) as client:
            for _ in range(3):
                await client.get(keepalive_server.url)

    asyncio.run(main())
    connection_counter.assert_single(requests=3)


def test_urllib3_opens_another_one_when_told_to_close(
    keepalive_server: KeepaliveServer, connection_counter: ConnectionCounter
) -> None:
    keepalive_server.reply("/last", keep_alive=False)
    with connection_counter.pool_manager() as pool:
        for path in ("/", "/last", "/"):
            pool.request("GET", keepalive_server.url_for(path))
    with pytest.raises(ConnectionLimitExceeded, match="opened 2 connections"):
        connection_counter.assert_single()
