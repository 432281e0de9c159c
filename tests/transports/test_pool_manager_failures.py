"""Pool managers of urllib3 that record: handshakes, attempts and exchanges that fail."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3

from pytest_keepalive._connection import State
from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._events import Ending, Outcome
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.transports.error_chain import chain_of as _chain
from tests.transports.side_by_side import Scenario, run, run_both


def test_a_handshake_that_fails_is_a_connection_that_carried_nothing() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> list[str]:
        with (
            seen.pool_manager(cert_reqs="CERT_REQUIRED", retries=False) as manager,
            pytest.raises(urllib3.exceptions.SSLError) as raised,
        ):
            manager.request("GET", server.url)
        return _chain(raised.value)

    seen, patched = (
        run(scenario, KeepaliveServer(tls=True), patch=patch) for patch in (False, True)
    )

    assert seen.result == patched.result
    (connection,) = seen.recording.connections
    assert connection.exchanges == 0
    assert connection.state is State.CLOSED


def test_a_certificate_file_that_is_missing_leaves_the_connection_closed() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> None:
        with (
            seen.pool_manager(ca_certs="no such file", retries=False) as manager,
            pytest.raises((urllib3.exceptions.SSLError, OSError)),
        ):
            manager.request("GET", server.url)

    (connection,) = run(scenario, KeepaliveServer(tls=True), patch=False).recording.connections

    assert connection.state is State.CLOSED


def test_a_refused_connect_is_an_attempt() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> list[str]:
        server.close()
        with (
            seen.pool_manager(retries=urllib3.Retry(1, backoff_factor=0)) as manager,
            pytest.raises(urllib3.exceptions.MaxRetryError) as raised,
        ):
            manager.request("GET", server.url)
        return _chain(raised.value)

    seen = run_both(scenario)

    assert seen.recording.count == seen.accepted == 0
    attempts = seen.recording.attempts
    assert [(each.outcome, each.error) for each in attempts] == [
        (Outcome.FAILED, "ECONNREFUSED")
    ] * 2


def test_a_name_that_is_not_resolved_is_no_attempt() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> str:
        with (
            seen.pool_manager(retries=False) as manager,
            pytest.raises(urllib3.exceptions.HTTPError) as raised,
        ):
            manager.request("GET", "http://no-such-host.invalid/")
        return repr(raised.value)

    assert run_both(scenario).recording.attempts == 0


def _failing(reply: dict[str, Any]) -> Scenario:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> list[str]:
        server.route("/", Reply(body=b"x" * 1000, **reply))
        with (
            seen.pool_manager(timeout=0.2, retries=False) as manager,
            pytest.raises(urllib3.exceptions.HTTPError) as raised,
        ):
            manager.request("GET", server.url)
        return _chain(raised.value)

    return scenario


FAULTS = {
    "reset before the head": {"reset": "before_head"},
    "reset in the body": {"reset": 10},
    "closed before the head": {"close": "before_head"},
    "closed in the body": {"close": 10},
    "no head in time": {"hold": True},
    "no body in time": {"stall": 10},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_errors_pass_unaltered_and_are_recorded(fault: dict[str, Any]) -> None:
    seen = run_both(_failing(fault))

    (exchange,) = seen.recording.exchanges
    assert exchange.ending in (Ending.FAILED, Ending.ABANDONED)
    assert seen.accepted == 1
