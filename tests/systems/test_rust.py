"""Clients of Rust: each defect and its cure, as the server accepted them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_keepalive import KeepaliveServer, View
from tests.systems.rust_programs import clients

if TYPE_CHECKING:
    from pytest_keepalive._client_program import ClientProgram

RunClient = Callable[..., "ClientProgram"]
REQUESTS = 3

# What each case does with three requests, one after the other: connections.
KEEPS = {
    "client": 1,
    "idle-1": 1,
    "never-expires": 1,
    "by-hand": 1,
}
LOSES = {
    "get-each": 3,
    "client-each": 3,
    "idle-0": 3,
    "expired": 3,
}
# Two requests at once, twice: what the pool may keep of two connections decides.
AT_ONCE = {
    "two-at-once-idle-1": 3,
    "two-at-once-idle-2": 2,
}


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """Build before any test measures: what apt-get opens is no part of a test."""
    clients()


@pytest.fixture
def server(make_keepalive_server: Callable[..., KeepaliveServer]) -> KeepaliveServer:
    return make_keepalive_server()


def run_case(
    run_client: RunClient, server: KeepaliveServer, case: str, requests: int = REQUESTS
) -> ClientProgram:
    program = run_client([clients(), case, server.url, str(requests)])
    assert program.returncode == 0, program.stderr
    return program


@pytest.mark.parametrize(("case", "connections"), [*KEEPS.items(), *LOSES.items()])
def test_a_client_uses_as_many_connections_as_the_server_accepts(
    run_client: RunClient,
    server: KeepaliveServer,
    seen: View,
    case: str,
    connections: int,
) -> None:
    program = run_case(run_client, server, case)
    assert server.accepted == connections
    assert program.seen.count == connections
    assert seen.count == connections
    assert len(program.seen.exchanges) == len(server.requests) == REQUESTS
    assert len(program.seen.reused) == REQUESTS - connections
    assert program.seen.exact


@pytest.mark.parametrize(("case", "connections"), AT_ONCE.items())
def test_a_pool_keeps_as_many_idle_connections_as_it_is_told(
    run_client: RunClient, server: KeepaliveServer, case: str, connections: int
) -> None:
    program = run_case(run_client, server, case, requests=4)
    assert program.seen.count == server.accepted == connections
    assert len(program.seen.exchanges) == len(server.requests) == 4


def test_a_response_that_is_not_read_loses_its_connection(
    run_client: RunClient, server: KeepaliveServer
) -> None:
    server.reply("/", body=b"x" * 1_000_000)
    program = run_case(run_client, server, "unread")
    assert program.seen.count == server.accepted == REQUESTS


def test_nothing_in_the_requests_tells_a_client_that_keeps_from_one_that_loses(
    run_client: RunClient, server: KeepaliveServer
) -> None:
    run_case(run_client, server, "client")
    kept = [request.header("connection") for request in server.requests]
    run_case(run_client, server, "idle-0")
    assert [request.header("connection") for request in server.requests] == kept * 2
