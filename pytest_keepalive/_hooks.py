"""The hooks that other plugins may implement: probes of their own clients, and reporters.

Where somebody wants to be told, every test is measured, with a marker or without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_keepalive._events import Sink
    from pytest_keepalive._probes._probe import Probe
    from pytest_keepalive._recording import Recording


@pytest.hookspec
def pytest_keepalive_make_probe(sink: Sink) -> Probe | None:
    """Make a probe for a client library; see ``pytest_keepalive.probing``.

    It is installed once the library was imported, for as long as something is measured.

    Args:
        sink: Takes the events that the probe states.
    """


@pytest.hookspec
def pytest_keepalive_test_measured(item: pytest.Item, recording: Recording) -> None:
    """A test was measured; called where it ran, so in the workers of pytest-xdist.

    Args:
        item: The test.
        recording: What it did in its call phase.
    """


@pytest.hookspec
def pytest_keepalive_report(config: pytest.Config, summary: dict[str, Any]) -> None:
    """Report a run; called once at its end, never in the workers of pytest-xdist.

    Args:
        config: Of the run.
        summary: Plain data: ``total``, ``origins``, ``wasted`` and ``tests``, as the JSON report
            has them, without the connections.
    """
