"""A run that did not use us when it was collected, of which a test may do so yet.

Rules
1. A fixture may add a marker: from that test on the run is measured.
2. It costs a look at the markers of each test, and nothing is imported before one is found.
3. What a test adds when it is under way comes too late, and says so: nobody measured it.
"""

from __future__ import annotations

import pytest

from pytest_keepalive._markers import has_markers, limits_of
from pytest_keepalive._options import Settings, measuring_key
from pytest_keepalive._own_modules import import_as_compiled

_TOO_LATE = (
    "a marker of pytest-keepalive was added while this test ran, when nothing was measured; "
    "add it in a fixture, or have the test use connection_counter"
)


class Latecomers:
    """The hooks that see the first test to use us.

    Args:
        session: Of the run.
        settings: What the run was asked for.
    """

    def __init__(self, session: pytest.Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin to measure, for a test that has a marker now that its fixtures are there."""
        if has_markers(item):
            import_as_compiled(item.config.add_cleanup)
            from pytest_keepalive._run import begin

            limits_of(item)
            begin(self._session, self._settings)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Fail a test that was marked when it was under way."""
        if has_markers(item) and measuring_key not in item.config.stash:
            limits_of(item)
            pytest.fail(_TOO_LATE, pytrace=False)
