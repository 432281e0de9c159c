"""One scenario run twice: with a plain transport under the probes, and with nothing patched."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_keepalive._counter import ConnectionCounter
from pytest_keepalive._diagnosis import diagnose
from pytest_keepalive._events import Ending
from pytest_keepalive._instruments import instruments
from pytest_keepalive._measure import Measurement
from pytest_keepalive._recording import Recording
from pytest_keepalive._server import KeepaliveServer

Scenario = Callable[[ConnectionCounter, Any], object]


class Run(NamedTuple):
    """What came of one run of a scenario.

    Args:
        recording: What the counter had seen.
        result: What the scenario gave back.
        accepted: The connections that the server had accepted.
        exchanges: The connection and exchange index of each request that it had seen.
    """

    recording: Recording
    result: object
    accepted: int
    exchanges: tuple[tuple[int, int], ...]

    @property
    def places(self) -> list[tuple[int | None, int]]:
        """The connection and exchange index of each exchange that the counter had seen."""
        return [(each.connection_index, each.index) for each in self.recording.exchanges]


def counter(patch: bool) -> ConnectionCounter:
    assert not instruments.installed, "something outside of this test measures with patches"
    return ConnectionCounter("this test", Measurement(patch=patch))


def run(scenario: Scenario, server: Any = None, *, patch: bool) -> Run:
    """Run a scenario once, against a server of its own.

    Args:
        scenario: Called with the counter and the server.
        server: Not yet started.
        patch: Whether the probes are installed.
    """
    with KeepaliveServer() if server is None else server as origin:
        seen = counter(patch)
        try:
            result = scenario(seen, origin)
            recording = seen.recording
        finally:
            seen.close()
        return Run(recording, result, origin.accepted, origin.exchanges)


def run_both(scenario: Scenario, **options: Any) -> Run:
    """Run a scenario in both ways, and give the unpatched run, once both show the same.

    Args:
        scenario: Called with the counter and the server.
        options: Of the server.
    """
    patched = run(scenario, KeepaliveServer(**options), patch=True)
    unpatched = run(scenario, KeepaliveServer(**options), patch=False)
    assert shown(unpatched) == shown(patched)
    assert unpatched.accepted == patched.accepted
    assert unpatched.exchanges == patched.exchanges
    return unpatched


def shown(run: Run) -> tuple[list[Any], list[Any], list[Any], list[str], str]:
    """Give everything of a run that does not differ from run to run."""
    recording = run.recording
    return (
        [_connection(each) for each in recording.connections],
        [_exchange(each) for each in recording.exchanges],
        [(each.outcome, each.error, each.asked_for, each.call_site) for each in recording.attempts],
        [str(finding.cause) for finding in diagnose(recording)],
        _without_ports(str(run.result)),
    )


def _connection(each: Any) -> Any:
    adoption = each.adoption
    # Where both sides close, it is a race; its FIN is a byte to the kernel.
    raced = any(exchange.will_close or exchange.closing for exchange in each.exchanges)
    return (
        (each.index, _without_ports(str(each.origin)), each.client, str(each.call_site)),
        (each.local is not None, each.peer[0], each.asked_for, each.opened_here),
        (each.connect_seconds is not None, each.handshake_seconds is not None),
        (raced or each.closed_by, _without_ports(str(each.close_reason)), each.exchanges_seen),
        (adoption and (adoption.pool_name, [name for name, _ in adoption.pool_key])),
        (adoption and (bool(adoption.owner), bool(adoption.loop), str(adoption.call_site))),
        # Two handshakes differ by some bytes, and so do two tables of HPACK.
        raced or each.origin.scheme != "http" or (each.sent, each.received),
        (each.unsent and _exchange(each.unsent)),
    )


def _exchange(each: Any) -> Any:
    return (
        (each.connection_index, each.index, each.reused, each.idle_before is not None),
        (each.method, _without_ports(each.url), each.status, each.http_version),
        (each.ending, each.error, str(each.call_site)),
        # h11 does not tell once the connection broke.
        each.missing if each.ending is not Ending.FAILED else None,
        (each.closing, each.expecting, each.will_close, each.framed),
        (each.head_at is not None, each.ended_at is not None, each.has_body, bool(each.worker)),
        [(name, _without_ports(value)) for name, value in each.headers],
    )


def _without_ports(text: str) -> str:
    return re.sub(r"(127\.0\.0\.1:|port=|0x)[0-9a-f]+", r"\1", text)
