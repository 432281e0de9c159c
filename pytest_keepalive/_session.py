"""One run of pytest: which tests are measured, and what becomes of what was seen."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_keepalive._account import account_of
from pytest_keepalive._collector import paused_collector
from pytest_keepalive._events import Sink
from pytest_keepalive._fixtures import counter_key
from pytest_keepalive._instruments import instruments
from pytest_keepalive._limits import ConnectionLimitExceeded, Violation
from pytest_keepalive._markers import has_markers, limits_of
from pytest_keepalive._options import Settings, measures_everything
from pytest_keepalive._probes._probe import Probe
from pytest_keepalive._recorder import Window
from pytest_keepalive._recording import Recording
from pytest_keepalive._summary import Place
from pytest_keepalive._test_id import node_of, steady_id
from pytest_keepalive._verdict import evidence_text, left_open_violations, violations_of

if TYPE_CHECKING:
    from pytest_keepalive._baseline import Baseline

SECTION = "keepalive"
# What says that a test went wrong, and not that it was skipped or interrupted.
_FAILURES = (Exception, pytest.fail.Exception)
recording_key = pytest.StashKey["Recording | None"]()
account_key = pytest.StashKey[dict[str, Any]]()


class KeepaliveSession:
    """The hooks of a run that uses us; a run that does not never has them.

    Args:
        settings: What the run was asked for.
        hook: Where other plugins add their probes.
        baseline: What tests are held to, besides their markers; ``None`` for nothing.
    """

    def __init__(self, settings: Settings, hook: Any, baseline: Baseline | None = None) -> None:
        self._settings = settings
        self._baseline = baseline
        self._hook = hook
        self._made_before = instruments.make_more
        instruments.make_more = self._make_probes
        if settings.watch == "kernel":
            instruments.watch_kernel()
        instruments.acquire()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the call of a test, and hold it to its limits."""
        __tracebackhide__ = True
        window = instruments.open_window()
        try:
            result = yield
        except _FAILURES:
            window.close()
            self._give_account(item, self._counted(window), ())
            # A counter has seen what the window has, and more.
            if has_markers(item) and counter_key not in item.stash:
                _add_evidence(item, self._counted(window), "call")
            raise
        finally:
            window.close()
        with paused_collector():
            self._hold(item, window)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Hold a test to what it may leave open, once its fixtures are gone."""
        __tracebackhide__ = True
        recording = item.stash.get(recording_key, None)
        item.stash[recording_key] = None
        result = yield
        if recording is not None:
            instruments.recorder.forget_past()
            violations = left_open_violations(recording, limits_of(item))
            if violations:
                self._give_account(item, recording, violations)
            _fail(item, recording, violations, "teardown")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show a broken limit as its sentence at the test, not as a traceback of the plugin."""
        _show_counter(item, call)
        report = yield
        node = node_of(item)
        if node != report.nodeid:
            vars(report)["keepalive_node"] = node
        account = item.stash.get(account_key, None)
        if account is not None:
            del item.stash[account_key]
            expected = report.skipped and hasattr(report, "wasxfail")
            account["summary"]["outcome"] = "xfailed" if expected else report.outcome
            # Plain data: pytest-xdist carries it from a worker as it is.
            vars(report)["keepalive"] = account
        info = call.excinfo
        if info is not None and report.failed and isinstance(info.value, ConnectionLimitExceeded):
            _reword(item, info.value, info, report)
        return report

    def pytest_unconfigure(self) -> None:
        """Put everything back."""
        instruments.release()
        instruments.make_more = self._made_before

    def _make_probes(self, sink: Sink) -> list[Probe]:
        return list(self._hook.pytest_keepalive_make_probe(sink=sink))

    def _counted(self, window: Window) -> Recording:
        return window.recording().without(self._settings.ignore)

    def _hold(self, item: pytest.Item, window: Window) -> None:
        __tracebackhide__ = True
        recording, limits = self._counted(window), limits_of(item)
        item.stash[recording_key] = recording
        violations = violations_of(
            recording,
            limits,
            self._settings.at_most_per_origin,
            self._settings.strict,
        )
        violations += self._regressions(item, recording)
        self._give_account(item, recording, violations)
        _fail(item, recording, violations, "call")

    def _regressions(self, item: pytest.Item, recording: Recording) -> tuple[Violation, ...]:
        if self._baseline is None:
            return ()
        from pytest_keepalive._baseline import regressions
        from pytest_keepalive._summary import figures_of

        return regressions(self._baseline, steady_id(item), figures_of(recording))

    def _give_account(
        self, item: pytest.Item, recording: Recording, violations: tuple[Violation, ...]
    ) -> None:
        path, line, _ = item.location
        explain, details = measures_everything(item.config), self._settings.details
        place = Place(path, (line or 0) + 1, str(item.config.rootpath))
        account = account_of(steady_id(item), recording, violations, place, explain, details)
        item.stash[account_key] = account
        if self._settings.junit:
            from pytest_keepalive._reports._junit import PREFIX, properties_of

            # A test that runs again says it again.
            item.user_properties[:] = [
                each for each in item.user_properties if not each[0].startswith(PREFIX)
            ] + properties_of(account["summary"])
        # To find the hooks of a test's folder takes longer than to see that there are none.
        if item.config.hook.pytest_keepalive_test_measured.get_hookimpls():
            item.ihook.pytest_keepalive_test_measured(item=item, recording=recording)


def _reword(
    item: pytest.Item,
    error: ConnectionLimitExceeded,
    info: pytest.ExceptionInfo[BaseException],
    report: pytest.TestReport,
) -> None:
    if not error.by_marker:
        return
    shown = info.getrepr(style="value")
    path, line, _ = item.reportinfo()
    if shown.reprcrash is not None:
        shown.reprcrash.path, shown.reprcrash.lineno = str(path), (line or 0) + 1
        # The summary has room for one of the two: the name of the class says less.
        shown.reprcrash.message = str(error)
    report.longrepr = shown


def _fail(
    item: pytest.Item, recording: Recording, violations: tuple[Violation, ...], phase: str
) -> None:
    __tracebackhide__ = True
    if violations:
        _add_evidence(item, recording, phase)
        raise ConnectionLimitExceeded(violations, by_marker=True)


def _show_counter(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Show what the counter of a test saw, in whichever phase the test went wrong."""
    counter, info = item.stash.get(counter_key, None), call.excinfo
    if counter is None:
        return
    by_marker = info is not None and getattr(info.value, "by_marker", False)
    if info is not None and isinstance(info.value, _FAILURES) and not by_marker:
        _add_evidence(item, counter._whole, call.when)
    if call.when == "teardown":
        del item.stash[counter_key]


def _add_evidence(item: pytest.Item, recording: Recording, phase: str) -> None:
    verbose = item.config.get_verbosity() > 1
    item.add_report_section(phase, SECTION, evidence_text(recording, verbose))
