"""Pool managers of urllib3 that record: why a connection was closed."""

from __future__ import annotations

import gc
import warnings

from pytest_keepalive._connection import State
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._events import Ending
from pytest_keepalive._server import KeepaliveServer
from tests.transports.side_by_side import run_both


def test_a_server_that_says_close_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/", keep_alive=False)
        with seen.pool_manager() as manager:
            manager.request("GET", server.url)
            manager.request("GET", server.url)

    seen = run_both(scenario)

    assert seen.recording.count == seen.accepted == 2
    reasons = {each.close_reason for each in seen.recording.connections}
    assert reasons == {"the response does not allow reuse"}


def test_a_socket_closes_with_the_response_that_is_read_from_it(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    server.reply("/", body="x" * 1000, keep_alive=False)
    with unpatched.pool_manager() as manager:
        response = manager.request("GET", server.url, preload_content=False)
        (connection,) = unpatched.connections
        assert connection.state is State.ACTIVE
        response.read()

    (connection,) = unpatched.connections
    assert connection.state is State.CLOSED
    assert connection.exchanges[0].ending is Ending.COMPLETE


def test_a_body_that_was_not_read_costs_the_connection() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        server.reply("/", body=b"x" * 1000)
        with seen.pool_manager() as manager:
            response = manager.request("GET", server.url, preload_content=False)
            response.close()
            manager.request("GET", server.url)

    seen = run_both(scenario)

    assert seen.accepted == 2
    assert seen.recording.exchanges[0].ending is Ending.ABANDONED
    assert seen.recording.exchanges[0].missing == 1000


def test_a_response_that_keeps_its_connection_makes_the_pool_full() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with warnings.catch_warnings(), seen.pool_manager(maxsize=1) as manager:
            held = [manager.request("GET", server.url, preload_content=False) for _ in range(2)]
            for response in held:
                response.read()
                response.release_conn()

    seen = run_both(scenario)

    assert seen.accepted == 2
    reasons = [each.close_reason for each in seen.recording.connections]
    assert reasons == ["the client was closed", "the pool was full"]


def test_a_connection_that_the_server_dropped_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with seen.pool_manager() as manager:
            manager.request("GET", server.url)
            server.drop_idle()
            manager.request("GET", server.url)

    seen = run_both(scenario)

    assert seen.accepted == 2
    dropped = seen.recording.connections[0]
    assert dropped.close_reason == "the peer had closed it while idle"
    assert dropped.closed_by == "peer"


def test_a_pool_that_had_to_go_is_the_reason() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with KeepaliveServer() as other, seen.pool_manager(1) as manager:
            manager.request("GET", server.url)
            manager.request("GET", other.url)
            manager.request("GET", server.url)

    seen = run_both(scenario)

    assert seen.accepted == 2
    assert seen.recording.connections[0].close_reason == "its pool was dropped for a newer one"


def test_a_manager_that_is_dropped_has_closed_its_connections(
    unpatched: ConnectionCounter, server: KeepaliveServer
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        unpatched.pool_manager().request("GET", server.url)
        gc.collect()

    assert unpatched.connections[0].state is State.CLOSED
