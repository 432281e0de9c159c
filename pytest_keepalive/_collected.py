"""Which tests there are, as far as a run can tell: a test that did not run is not gone.

Rules
1. A test is there when it was collected, whatever was deselected later, with a word or without.
2. A file tells of all its tests only when all of it was collected: not where single tests were
   asked for, where something could not be collected, nor with ``--lf``.
"""

from __future__ import annotations

import pytest

from pytest_keepalive._baseline import file_of
from pytest_keepalive._test_id import steady_id


class Collected:
    """The hooks that note each test as it is collected."""

    def __init__(self) -> None:
        self.tests: set[str] = set()
        self._files: set[str] = set()

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note a test, before anybody can deselect it."""
        self.tests.add(steady_id(item))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file: it may have no test any more."""
        if report.passed and "::" not in report.nodeid:
            self._files.add(report.nodeid)

    def whole_files(self, session: pytest.Session) -> set[str]:
        """Give the files that were collected as a whole (rule 2)."""
        config = session.config
        single = any("::" in argument for argument in config.args)
        if single or session.testsfailed or config.getoption("lf", False):
            return set()
        return self._files | {file_of(test) for test in self.tests}


collected_key = pytest.StashKey[Collected]()
