"""What the tests on uvloop share."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest

from pytest_keepalive import Connection, KeepaliveServer
from pytest_keepalive._view import View

uvloop: Any = pytest.importorskip("uvloop", reason="pip install uvloop")

Result = TypeVar("Result")


def run(story: Awaitable[Result]) -> Result:
    async def told() -> Result:
        return await story

    loop = uvloop.new_event_loop()
    try:
        result: Result = loop.run_until_complete(told())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    return result


def only(seen: View) -> Connection:
    (connection,) = seen.connections
    return connection


def assert_agreed(seen: View, server: KeepaliveServer, count: int) -> None:
    """Compare the connections with what the server has accepted, one by one."""
    server.wait_for_connections(count)
    assert seen.count == server.accepted == count
    assert {each.local for each in seen.connections} == {each.peer for each in server.connections}
