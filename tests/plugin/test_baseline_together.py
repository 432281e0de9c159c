"""Runs that bring one baseline up to date at the same time, such as the shards of a build."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen

import pytest

from .conftest import CLIENTS

# So many entries that reading and writing them takes long enough to be interrupted.
MANY = 3000
FIGURES = {"http://127.0.0.1:*": {"connections": 1, "exchanges": 1, "reused": 0}}
SHARDS = ("one", "two", "three")
ROUNDS = 3
# Each says that it is about to end, and ends when it is told to.
READY = "ready to end\n"
TOGETHER = f"""
import sys
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish():
    sys.stdout.write({READY!r})
    sys.stdout.flush()
    sys.stdin.readline()
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    pytester.makepyfile(clients=CLIENTS, test_base="")
    pytester.makeconftest(TOGETHER)
    pytester.makeini("[pytest]")
    return pytester.path


def start(project: Path, shard: str) -> Popen[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    ours = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    options = (
        "-s",
        "-p",
        "pytest_keepalive.plugin",
        "-p",
        "no:cacheprovider",
        "--keepalive-update",
    )
    return Popen(
        (sys.executable, "-m", "pytest", *options, f"test_{shard}.py"),
        cwd=project,
        env={**plain, **ours},
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        encoding="utf-8",
    )


def end_together(processes: list[Popen[str]]) -> list[str]:
    """Have runs end at the same moment, and give what each of them said."""
    begun = [output_until_ready(process) for process in processes]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60)[0] for process in processes]
    return [first + last for first, last in zip(begun, ended, strict=True)]


def output_until_ready(process: Popen[str]) -> str:
    assert process.stdout is not None
    lines: list[str] = []
    # A run that fails early says nothing more.
    while not lines or (lines[-1] and not lines[-1].endswith(READY)):
        lines.append(process.stdout.readline())
    return "".join(lines)


def update_together(project: Path, shards: tuple[str, ...]) -> None:
    processes = [start(project, shard) for shard in shards]
    outputs = end_together(processes)
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output


def test_no_entry_of_runs_that_end_at_the_same_moment_is_lost(project: Path) -> None:
    tests = {f"test_base.py::test_{number}": FIGURES for number in range(MANY)}
    baseline = project / ".keepalive.json"
    for round_ in range(ROUNDS):
        baseline.write_text(json.dumps({"schema_version": 1, "tests": tests}))
        for shard in SHARDS:
            (project / f"test_{shard}.py").write_text(
                "from clients import *\n"
                f"def test_{shard}_{round_}(keepalive_server): get(keepalive_server)\n"
            )
        update_together(project, SHARDS)
        found = json.loads(baseline.read_text("utf-8"))["tests"]
        added = {f"test_{shard}.py::test_{shard}_{round_}": FIGURES for shard in SHARDS}
        assert found == {**tests, **added}
    assert not (project / ".keepalive.lock").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<<<<<<< ours\n", "line 1 is a conflict marker"),
        ('{"schema_version": 99, "tests": {}}', "a newer one wrote it"),
        ("{", "is not JSON"),
        (None, "is a folder"),
    ],
    ids=["conflict", "newer", "broken", "folder"],
)
def test_what_took_the_place_of_the_baseline_while_the_tests_ran_is_left_alone(
    project: Path, text: str | None, reason: str
) -> None:
    act = "b.mkdir()" if text is None else f"b.write_text({text!r})"
    (project / "test_one.py").write_text(
        "from pathlib import Path\nfrom clients import *\n"
        f"def test_one(keepalive_server):\n    get(keepalive_server)\n"
        f"    b = Path('.keepalive.json')\n    {act}\n"
    )
    process = start(project, "one")
    (output,) = end_together([process])
    baseline = project / ".keepalive.json"
    assert process.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"keepalive: {baseline}: " in output
    assert reason in output
    assert "1 passed" in output
    assert baseline.is_dir() if text is None else baseline.read_text() == text
    assert not list(project.glob(".keepalive-*"))
