"""A warm pool: a session fixture made the client, and its connection is there before the test.

A connection counts in a test that used it, whoever opened it: each of these tests has used one
connection. ``opened_at_most=0`` says that the test needed no new one.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pytest_keepalive import ConnectionCounter, KeepaliveServer


@pytest.fixture(scope="session")
def server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer() as server:
        server.reply("/health")
        server.reply("/orders", body="[]")
        yield server


@pytest.fixture(scope="session")
def client(server: KeepaliveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        client.get("/health")
        yield client


@pytest.mark.single_connection(requests=5)
@pytest.mark.connections(opened_at_most=0)
def test_five_calls_use_the_connection_that_is_there(client: httpx.Client) -> None:
    for _ in range(5):
        assert client.get("/orders").text == "[]"


def test_the_counter_tells_used_from_opened(
    client: httpx.Client, connection_counter: ConnectionCounter
) -> None:
    client.get("/orders")
    assert connection_counter.count == 1
    assert connection_counter.opened == 0
    assert connection_counter.reused == 1


@pytest.mark.single_connection(requests=1)
def test_a_connection_that_was_dropped_is_opened_again(
    client: httpx.Client, server: KeepaliveServer, connection_counter: ConnectionCounter
) -> None:
    assert server.drop_idle() == 1
    client.get("/orders")
    assert connection_counter.opened == 1
