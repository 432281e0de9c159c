"""The beginning of a run, in the process that the user started and in each worker.

Rules
1. Files are made sure of before anything is collected; observers come in when a test needs them.
2. What is about a baseline is imported where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_keepalive._options import (
    GONE_OUTPUT,
    Settings,
    given_baseline,
    hand_back,
    is_worker,
    measuring_key,
    settings_key,
)

if TYPE_CHECKING:
    from pytest_keepalive._baseline import Baseline


def prepare(config: pytest.Config) -> None:
    """Make ready before anything is collected.

    Raises:
        pytest.UsageError: See ``RunReport.check``.
    """
    settings = config.stash[settings_key]
    if settings.baseline is not None or given_baseline(config) is not None:
        from pytest_keepalive._collected import Collected, collected_key

        collected = config.stash[collected_key] = Collected()
        config.pluginmanager.register(collected, "keepalive-collected")
    if not is_worker(config):
        from pytest_keepalive._run_report import report_of

        report_of(config).check()


def begin(session: pytest.Session, settings: Settings) -> None:
    """Begin to measure, in the process that runs the tests, unless that has begun."""
    config = session.config
    if measuring_key in config.stash:
        return
    from pytest_keepalive._session import KeepaliveSession

    baseline = _worker_begins(session) if is_worker(config) else _controller_begins(session)
    plugin = KeepaliveSession(settings, config.hook, baseline)
    config.pluginmanager.register(plugin, "keepalive-session")
    config.stash[measuring_key] = True


def _worker_begins(session: pytest.Session) -> Baseline | None:
    from pytest_keepalive._workers import join

    join(session.config)
    text, shown, updating = given_baseline(session.config) or (None, "", False)
    if text is None:
        return None
    from pytest_keepalive._baseline_text import parse_baseline

    baseline = parse_baseline(text, shown)
    hand_back(session.config, GONE_OUTPUT, _gone(session, baseline))
    return None if updating else baseline


def _controller_begins(session: pytest.Session) -> Baseline | None:
    from pytest_keepalive._run_report import report_of

    report = report_of(session.config)
    if report.kept is None:
        return None
    report.gone.update(_gone(session, report.kept.baseline))
    return None if session.config.stash[settings_key].update else report.kept.baseline


def _gone(session: pytest.Session, baseline: Baseline) -> list[str]:
    from pytest_keepalive._baseline import vanished
    from pytest_keepalive._collected import collected_key

    collected = session.config.stash[collected_key]
    return vanished(baseline, collected.tests, collected.whole_files(session))
