"""Drivers over Python sockets: their connections count, though they carry no HTTP."""

from __future__ import annotations

import asyncio

import pytest

from pytest_keepalive import View
from tests.systems.counting_server import CountingServer

CALLS = 4


def resp(received: bytes) -> bytes:
    """Answer each command of Redis with OK, and HELLO with an error that clients expect."""
    commands = received.count(b"*")
    return b"-ERR unknown command\r\n" if b"HELLO" in received else b"+OK\r\n" * commands


def hang_up(received: bytes) -> bytes:
    return b""


def test_one_redis_client_uses_one_connection(seen: View) -> None:
    redis = pytest.importorskip("redis", reason="pip install redis")
    with CountingServer(resp) as server:
        client = redis.Redis(port=server.port, protocol=2)
        for _ in range(CALLS):
            client.set("key", "value")
        client.close()
        assert seen.count == server.accepted_of(1) == 1
    assert not seen.connections[0].exchanges_seen


def test_a_redis_client_for_each_call_opens_one_for_each(
    seen: View,
) -> None:
    redis = pytest.importorskip("redis", reason="pip install redis")
    with CountingServer(resp) as server:
        for _ in range(CALLS):
            client = redis.Redis(port=server.port, protocol=2)
            client.set("key", "value")
            client.close()
        assert seen.count == server.accepted_of(CALLS) == CALLS


def test_asyncpg_is_counted(seen: View) -> None:
    asyncpg = pytest.importorskip("asyncpg", reason="pip install asyncpg")

    async def connect(port: int) -> None:
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await asyncpg.connect(host="127.0.0.1", port=port, user="u", ssl=False, timeout=5)

    with CountingServer(hang_up) as server:
        for _ in range(CALLS):
            asyncio.run(connect(server.port))
        count = seen.count
        assert count == server.accepted_of(count)
        assert server.accepted >= CALLS


def test_pymysql_is_counted(seen: View) -> None:
    pymysql = pytest.importorskip("pymysql", reason="pip install pymysql")
    with CountingServer(hang_up) as server:
        for _ in range(CALLS):
            # The server speaks first in this protocol, and this one says nothing.
            with pytest.raises(pymysql.OperationalError):
                pymysql.connect(host="127.0.0.1", port=server.port, user="u", read_timeout=1)
        assert seen.count == server.accepted_of(CALLS) == CALLS


def test_pymongo_is_counted(seen: View) -> None:
    pymongo = pytest.importorskip("pymongo", reason="pip install pymongo")
    with CountingServer(hang_up) as server:
        client: object = pymongo.MongoClient(
            "127.0.0.1", server.port, serverSelectionTimeoutMS=500, connectTimeoutMS=500
        )
        with client, pytest.raises(pymongo.errors.PyMongoError):  # type: ignore[attr-defined]
            client.admin.command("ping")  # type: ignore[attr-defined]
        count = seen.count
        assert count == server.accepted_of(count)
        assert server.accepted >= 1
