"""What a run with reports costs that is spread over workers: paired with one without the plugin."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.benchmark.figure import ratios

WORKERS = 4
_REQUESTS = 10
_WITH = ("-p", "keepalive", "--keepalive-json=report.json", "--keepalive-html=report.html")
# A plugin that is named is looked for among all that is installed, which is not what ours costs:
# so both runs name one.
_WITHOUT = ("-p", "no:keepalive", "-p", "empty_plugin")
_SUITE = """
import pytest
import requests

@pytest.mark.parametrize("number", range({tests}))
def test_items(number):
    with requests.Session() as session:
        for page in range({requests}):
            assert session.get("http://127.0.0.1:{port}/items?page=1").ok
"""


class Cost(NamedTuple):
    """What a run took, in seconds.

    Args:
        wall: From its start to its end.
        cpu: Of all its processes.
    """

    wall: float
    cpu: float


def distributed_ratios(
    folder: Path, port: int, rounds: int, tests: int
) -> tuple[list[float], list[float]]:
    """Run tests that each make requests over one connection, with reports and without the plugin.

    Args:
        folder: An empty one, for the suite.
        port: Of the server.
        rounds: How many pairs.
        tests: How many tests.

    Returns:
        The ratios of time and of CPU time of each round.
    """
    source = _SUITE.format(tests=tests, port=port, requests=_REQUESTS)
    (folder / "test_items.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "empty_plugin.py").touch()
    _cost_of(folder, _WITH)
    pairs = [_pair(folder, number) for number in range(rounds)]
    walls = ratios([measured.wall for measured, _ in pairs], [plain.wall for _, plain in pairs])
    return walls, ratios([measured.cpu for measured, _ in pairs], [plain.cpu for _, plain in pairs])


def _pair(folder: Path, number: int) -> tuple[Cost, Cost]:
    # The run that comes second finds warmer caches: each comes second as often.
    if number % 2 == 0:
        measured = _cost_of(folder, _WITH)
        return measured, _cost_of(folder, _WITHOUT)
    plain = _cost_of(folder, _WITHOUT)
    return _cost_of(folder, _WITH), plain


def _cost_of(folder: Path, options: tuple[str, ...]) -> Cost:
    spread = ("-p", "xdist.plugin", "-n", str(WORKERS))
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *spread, *options)
    # No other plugin may hide what this one costs; and what is compiled is kept, or each worker
    # compiles all of it again, and a short run measures little else.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began, before = time.perf_counter(), _children()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return Cost(time.perf_counter() - began, _children() - before)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
