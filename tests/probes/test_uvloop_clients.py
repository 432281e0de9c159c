"""What the clients do on uvloop."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pytest_keepalive import KeepaliveServer, measure
from pytest_keepalive._events import Attempted, Outcome
from pytest_keepalive._view import View

from .agreement import accepted_requests, assert_agreement
from .on_uvloop import assert_agreed, only, run


async def httpx_to(*urls: str, secure: ssl.SSLContext | None = None) -> None:
    httpx: Any = pytest.importorskip("httpx")
    async with httpx.AsyncClient(verify=secure or True, trust_env=False) as client:
        for url in urls:
            await client.get(url)


async def aiohttp_to(*urls: str, secure: ssl.SSLContext | None = None) -> None:
    aiohttp: Any = pytest.importorskip("aiohttp")
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url, ssl=secure or True) as response:
                await response.read()


def failed(seen: View) -> list[Attempted]:
    return [attempt for attempt in seen.attempts if attempt.outcome is Outcome.FAILED]


# What the clients ask


Client = Callable[..., Coroutine[Any, Any, None]]
CLIENTS = pytest.mark.parametrize("client", [httpx_to, aiohttp_to], ids=["httpx", "aiohttp"])


def three_of(server: KeepaliveServer) -> list[str]:
    return [server.url_for(f"/{number}") for number in range(3)]


@CLIENTS
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_the_requests_of_a_client_are_joined_to_its_connection(client: Client, tls: bool) -> None:
    if tls:
        pytest.importorskip("trustme")
    with KeepaliveServer(tls=tls) as server:
        secure = server.client_context() if tls else None
        with measure() as seen:
            run(client(*three_of(server), secure=secure))
        assert_agreement(seen, server)
        assert accepted_requests(server) == [3]
    assert len(seen.reused) == 2
    assert only(seen).client == client.__name__.removesuffix("_to")
    assert only(seen).closed_at is not None
    assert (only(seen).handshake_seconds is not None) is tls


@CLIENTS
def test_a_client_for_each_call_is_a_connection_for_each(
    server: KeepaliveServer, client: Client
) -> None:
    async def story() -> None:
        await client(*three_of(server))
        await client(*three_of(server))

    with measure() as seen:
        run(story())
    assert_agreement(seen, server)
    assert accepted_requests(server) == [3, 3]
    assert [finding.cause for finding in seen.findings] == ["client-per-request"]


# Of several addresses


@CLIENTS
def test_a_name_is_one_connection_however_many_addresses_it_stands_for(
    server: KeepaliveServer, client: Client
) -> None:
    # The server listens on 127.0.0.1 alone; the name may stand for ::1 as well.
    with measure() as seen:
        run(client(f"http://localhost:{server.port}/"))
    assert_agreed(seen, server, 1)
    assert seen.to("localhost").count == 1
    assert len(failed(seen)) == len(seen.attempts) - 1


def test_the_losers_of_happy_eyeballs_are_attempts(server: KeepaliveServer) -> None:
    aiohttp: Any = pytest.importorskip("aiohttp")

    class Both(aiohttp.abc.AbstractResolver):  # type: ignore[misc]
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
            return [entry(host, "::1", socket.AF_INET6), entry(host, "127.0.0.1", socket.AF_INET)]

        async def close(self) -> None: ...

    def entry(name: str, host: str, family: int) -> dict[str, Any]:
        return {
            "hostname": name,
            "host": host,
            "port": server.port,
            "family": family,
            "proto": socket.IPPROTO_TCP,
            "flags": socket.AI_NUMERICHOST,
        }

    async def story() -> None:
        connector = aiohttp.TCPConnector(resolver=Both())
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://api.test:{server.port}/") as response,
        ):
            await response.read()

    with measure() as seen:
        run(story())
    assert_agreement(seen, server)
    assert_agreed(seen, server, 1)
    assert [each.peer[0] for each in failed(seen)] == ["::1"]
    assert len(seen.attempts) == 2
