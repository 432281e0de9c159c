"""Clients of httpx on our transport: attempts and exchanges that fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._events import Ending, Outcome
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.transports.error_chain import chain_of
from tests.transports.side_by_side import Scenario, run, run_both


def test_a_refused_connect_is_an_attempt() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> str:
        server.close()
        with (
            httpx.Client(transport=seen.httpx_transport(retries=1)) as client,
            pytest.raises(httpx.ConnectError) as e,
        ):
            client.get(server.url)
        return repr(e.value)

    seen = run_both(scenario)

    assert seen.recording.count == seen.accepted == 0
    attempts = seen.recording.attempts
    assert [(each.outcome, each.error) for each in attempts] == [
        (Outcome.FAILED, "ECONNREFUSED")
    ] * 2


def test_a_name_that_is_not_resolved_is_no_attempt() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> str:
        with (
            httpx.Client(transport=seen.httpx_transport()) as client,
            pytest.raises(httpx.ConnectError) as raised,
        ):
            client.get("http://no-such-host.invalid/")
        return repr(raised.value)

    assert run_both(scenario).recording.attempts == 0


def _failing(reply: dict[str, Any], **request: Any) -> Scenario:
    # Only what waits in vain should run out of time, on a busy machine too.
    timeout = 0.5 if {"hold", "stall"} & reply.keys() else 10

    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> list[str]:
        server.route("/", Reply(body=b"x" * 1000, **reply))
        with (
            httpx.Client(transport=seen.httpx_transport(), timeout=timeout) as client,
            pytest.raises(httpx.HTTPError) as raised,
        ):
            client.get(server.url, **request)
        return chain_of(raised.value)

    return scenario


FAULTS = {
    "reset before the head": {"reset": "before_head"},
    "closed before the head": {"close": "before_head"},
    "closed in the body": {"close": 10},
    "no head in time": {"hold": True},
    "no body in time": {"stall": 10},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_errors_pass_unaltered_and_are_recorded(fault: dict[str, Any]) -> None:
    seen = run_both(_failing(fault))

    (exchange,) = seen.recording.exchanges
    assert exchange.ending is Ending.FAILED
    assert seen.accepted == 1


def test_a_request_that_breaks_off_is_no_exchange() -> None:
    def scenario(seen: ConnectionCounter, server: KeepaliveServer) -> str:
        def parts() -> Iterator[bytes]:
            yield b"x"
            raise LookupError("mine")

        with (
            httpx.Client(transport=seen.httpx_transport()) as client,
            pytest.raises(LookupError) as raised,
        ):
            client.post(server.url, content=parts())
        return repr(raised.value)

    seen = run(scenario, patch=False)
    patched = run(scenario, patch=True)

    assert seen.result == patched.result == "LookupError('mine')"
    assert seen.recording.exchanges == patched.recording.exchanges == 0
    assert seen.recording.connections[0].unsent is not None
