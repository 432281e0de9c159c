"""asyncio: twenty requests, four at a time, over no more than four connections.

Concurrency needs connections, so the honest limit is the size of the pool: each of the four may
be opened once, and every later request has to reuse one.
"""

from __future__ import annotations

import asyncio

import aiohttp
import httpx
import pytest

from pytest_keepalive import KeepaliveServer

four_at_a_time = pytest.mark.connections(at_most=4, requests=20, min_reuse=0.8)


@pytest.mark.asyncio
@four_at_a_time
async def test_httpx_keeps_to_its_pool(keepalive_server: KeepaliveServer) -> None:
    limits = httpx.Limits(max_connections=4)
    async with httpx.AsyncClient(base_url=keepalive_server.url, limits=limits) as client:
        responses = await asyncio.gather(*(client.get(f"/items/{n}") for n in range(20)))
    assert {response.status_code for response in responses} == {200}


@pytest.mark.asyncio
@four_at_a_time
async def test_aiohttp_keeps_to_its_pool(keepalive_server: KeepaliveServer) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=4)) as session:

        async def fetch(number: int) -> str:
            async with session.get(keepalive_server.url_for(f"/items/{number}")) as response:
                return await response.text()

        assert await asyncio.gather(*map(fetch, range(20))) == ["ok"] * 20
