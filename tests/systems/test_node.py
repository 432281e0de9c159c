"""Clients of Node.js: each defect and its cure, as the server accepted them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_keepalive import KeepaliveServer, View
from tests.systems.node_programs import clients

if TYPE_CHECKING:
    from pytest_keepalive._client_program import ClientProgram

RunClient = Callable[..., "ClientProgram"]
REQUESTS = 3

# What each case does with three requests: connections over http, and over https.
KEEPS = {
    "shared-agent": 1,
    "axios-shared": 1,
    "request-forever": 1,
    "agentkeepalive": 1,
    "undici": 1,
}
LOSES = {
    "no-keepalive": 3,
    "no-agent": 3,
    "agent-each": 3,
    "asks-to-close": 3,
    "axios-each": 3,
    "request-closing": 3,
    "agentkeepalive-expired": 3,
    "fetch-closing": 3,
    "undici-each": 3,
}


@pytest.fixture(params=[False, True], ids=["http", "https"])
def server(
    request: pytest.FixtureRequest, make_keepalive_server: Callable[..., KeepaliveServer]
) -> KeepaliveServer:
    return make_keepalive_server(tls=request.param)


def run_case(run_client: RunClient, server: KeepaliveServer, case: str) -> ClientProgram:
    environment = dict(os.environ)
    if server.url.startswith("https"):
        environment["NODE_EXTRA_CA_CERTS"] = str(server.ca_file)
    program = run_client([*clients(), case, server.url, str(REQUESTS)], env=environment)
    assert program.returncode == 0, program.stderr
    return program


def node_version() -> int:
    interpreter, _ = clients()
    told = subprocess.check_output([interpreter, "--version"], text=True)
    return int(told.removeprefix("v").partition(".")[0])


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


def test_an_agent_each_says_keep_alive_and_keeps_nothing(
    run_client: RunClient, server: KeepaliveServer
) -> None:
    run_case(run_client, server, "agent-each")
    assert {request.header("connection") for request in server.requests} == {"keep-alive"}
    assert server.accepted == REQUESTS


@pytest.mark.parametrize("case", ["bare", "request"])
def test_the_agent_that_is_there_by_default_keeps_alive_since_node_19(
    run_client: RunClient, server: KeepaliveServer, case: str
) -> None:
    """``http.get``, and the deprecated ``request`` that is told nothing."""
    program = run_case(run_client, server, case)
    assert program.seen.count == server.accepted == (1 if node_version() >= 19 else REQUESTS)
    assert len(program.seen.exchanges) == REQUESTS


def test_fetch_uses_what_the_server_accepts_and_reuses_it(
    run_client: RunClient, server: KeepaliveServer
) -> None:
    """How many it opens depends on when a socket is back in the pool; never one for each."""
    program = run_case(run_client, server, "fetch")
    assert program.seen.count == server.accepted < REQUESTS
    assert len(program.seen.exchanges) == REQUESTS


def test_a_response_that_is_not_consumed_keeps_its_connection_busy(
    run_client: RunClient, server: KeepaliveServer
) -> None:
    server.reply("/", body=b"x" * 1_000_000)
    program = run_case(run_client, server, "unread")
    assert program.seen.count == server.accepted == REQUESTS
