"""trio: httpx on trio, one client, one connection; over HTTP/1.1 two at once need two."""

from __future__ import annotations

import httpx
import pytest
import trio

from pytest_keepalive import KeepaliveServer


@pytest.mark.single_connection(requests=3)
def test_one_after_the_other(keepalive_server: KeepaliveServer) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(base_url=keepalive_server.url) as client:
            for number in range(3):
                await client.get(f"/items/{number}")

    trio.run(main)


@pytest.mark.connections(exactly=2, requests=2)
def test_two_at_once(keepalive_server: KeepaliveServer) -> None:
    keepalive_server.reply("/held", hold=True)

    async def main() -> None:
        async with (
            httpx.AsyncClient(base_url=keepalive_server.url) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(client.get, "/held")
            nursery.start_soon(client.get, "/held")
            await trio.to_thread.run_sync(keepalive_server.wait_for_requests, 2)
            keepalive_server.release()

    trio.run(main)
