"""What the plugin costs a suite that does not use it: 1000 empty tests, and an import."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.benchmark.figure import ratios

# A plugin that is named is looked for among all that is installed, which is not what ours costs:
# so both runs name one.
_WITH, _WITHOUT = ("-p", "keepalive"), ("-p", "no:keepalive", "-p", "empty_plugin")
_Options = tuple[str, ...]
_CLIENTS = ("aiohttp", "http.client", "httpcore", "httpx", "niquests", "requests", "urllib3")
_IMPORT = f"""
import json, sys, time
import pytest
began = time.perf_counter()
import pytest_keepalive.plugin
seconds = time.perf_counter() - began
print(json.dumps([seconds, [name for name in {_CLIENTS!r} if name in sys.modules]]))
"""


def suite_ratios(folder: Path, rounds: int, tests: int) -> list[float]:
    """Run empty tests with the plugin and without, and give the ratio of CPU time of each round.

    Args:
        folder: An empty one, for the suite.
        rounds: How many pairs.
        tests: How many tests.
    """
    body = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(tests))
    (folder / "test_empty.py").write_text(body)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "empty_plugin.py").touch()
    _seconds(folder, _WITH)
    pairs = [_pair(folder, number) for number in range(rounds)]
    return ratios([pair[_WITH] for pair in pairs], [pair[_WITHOUT] for pair in pairs])


def import_costs(rounds: int) -> list[float]:
    """Give the milliseconds that importing the plugin takes, in fresh processes.

    Args:
        rounds: How many processes.

    Raises:
        RuntimeError: A client library was imported with it.
    """
    return [_import_cost() for _ in range(rounds)]


def _import_cost() -> float:
    seconds, clients = json.loads(subprocess.check_output((sys.executable, "-c", _IMPORT)))
    if clients:
        raise RuntimeError(f"importing the plugin imports {', '.join(clients)}")
    return float(seconds) * 1000


def _pair(folder: Path, number: int) -> dict[_Options, float]:
    # The run that comes second finds warmer caches: each comes second as often.
    order: tuple[_Options, ...] = (_WITH, _WITHOUT) if number % 2 == 0 else (_WITHOUT, _WITH)
    return {options: _seconds(folder, options) for options in order}


def _seconds(folder: Path, options: _Options) -> float:
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options)
    # No other plugin may hide what this one costs.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    before = _children()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return _children() - before


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
