"""What the process that collects a run takes for it: from accounts of tests to summary and files.

``python -m tests.benchmark.collected TESTS CONNECTIONS`` prints the seconds and the mebibytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_keepalive._account import account_of
from pytest_keepalive._baseline_file import BaselineFile
from pytest_keepalive._report_file import replace_file
from pytest_keepalive._reports._github import markdown
from pytest_keepalive._reports._html import html_report
from pytest_keepalive._reports._json import json_report
from pytest_keepalive._reports._packed import PackedDetails
from pytest_keepalive._reports._terminal import summary_lines
from pytest_keepalive._summary import Place, RunSummary, TestSummary
from tests.facts import opened

_KINDS = 50
_MIB = 2**20


def controller_cost(tests: int, connections: int) -> tuple[float, float]:
    """Collect a run in a process of its own.

    Args:
        tests: How many.
        connections: How many all of them make.

    Returns:
        Its CPU time in seconds, and the most memory that it ever had, in mebibytes.
    """
    command = (sys.executable, "-m", __name__, str(tests), str(connections))
    seconds, mebibytes = json.loads(subprocess.check_output(command))
    return seconds, mebibytes


class Controller:
    """Does what the plugin does with accounts of tests, and times it.

    Args:
        folder: For the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._summary = RunSummary()
        self._details = PackedDetails()
        self.seconds = 0.0

    def take(self, node: str, account: dict[str, Any]) -> None:
        """Take in the account of a test."""
        began = time.process_time()
        self._summary.add(node, TestSummary.from_dict(account["summary"]))
        self._details.add(node, account["details"])
        self.seconds += time.process_time() - began

    def finish(self) -> None:
        """Write everything that there is to write."""
        began = time.process_time()
        run, baseline = (self._summary, self._details.pack(), "1.0"), self._folder / "baseline.json"
        replace_file(self._folder / "report.json", json_report(*run))
        replace_file(self._folder / "report.html", html_report(*run))
        replace_file(self._folder / "summary.md", [markdown(self._summary)])
        kept = BaselineFile(baseline, baseline.name, "pytest --keepalive-update")
        kept.load(updating=True)
        said = [*kept.save(self._summary, set()), *summary_lines(self._summary, 80)]
        assert said
        self.seconds += time.process_time() - began


def _accounts(tests: int, each: int) -> Iterator[tuple[str, dict[str, Any]]]:
    # What a worker does is not to be measured, and is the same for many a test.
    made = [json.dumps(_account(number, each)) for number in range(min(_KINDS, tests))]
    for number in range(tests):
        account = json.loads(made[number % len(made)])
        node = account["summary"]["test"] = f"tests/test_{number % 100}.py::test_{number}"
        yield node, account


def _account(number: int, each: int) -> dict[str, Any]:
    return account_of("", opened(each, 1 + number % 3), (), Place("test.py", 1), True, True)


def _peak() -> float:
    import resource

    # Linux tells kibibytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB


def _collect(tests: int, connections: int) -> tuple[float, float]:
    with TemporaryDirectory() as folder:
        controller = Controller(Path(folder))
        for node, account in _accounts(tests, max(1, connections // tests)):
            controller.take(node, account)
        controller.finish()
        return controller.seconds, _peak()


if __name__ == "__main__":
    print(json.dumps(_collect(int(sys.argv[1]), int(sys.argv[2]))))
