"""The README: what it shows runs, what it names exists, and what exists is named."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from textwrap import dedent

import pytest

import pytest_keepalive
from examples.__main__ import with_reports
from examples._story import stories
from pytest_keepalive import (
    Cause,
    Connection,
    ConnectionCounter,
    Exchange,
    Limit,
    _hooks,
    plugin,
)
from pytest_keepalive._options import OPTIONS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = [
    dedent(block) for _, block in re.findall(r"^( *)```python\n(.*?)^\1```$", README, re.S | re.M)
]
PACKAGE = ROOT / "pytest_keepalive"


def section(title: str) -> str:
    """Give what stands under a heading, with all below it."""
    match = re.search(rf"^(#+) {re.escape(title)}$", README, re.MULTILINE)
    assert match is not None, title
    rest = README[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def first_column(text: str) -> list[str]:
    """Give what stands in backquotes in the first column of tables."""
    rows = re.findall(r"^\| (`[^|]*?) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`(]+)", row) if name.strip(", ")]


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(block: str, tmp_path: Path) -> None:
    name = "test_block.py" if "def test_" in block else "script.py"
    (tmp_path / name).write_text(block, "utf-8")
    pytest_options = ("-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider")
    arguments = (*pytest_options, name) if name.startswith("test_") else (name,)
    done = subprocess.run(
        (sys.executable, *arguments), cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reports_that_it_shows_are_those_that_are_kept() -> None:
    assert "client_per_call/report.txt" in README
    assert with_reports(README) == README


def test_every_story_is_told() -> None:
    table = section("Examples")
    assert re.findall(r"\]\(examples/(\w+)/", table) == re.findall(r"^\| \[(\w+)\]", table, re.M)
    assert sorted(re.findall(r"^\| \[(\w+)\]", table, re.M)) == [s.name for s in stories()]


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    anchors = {
        "#" + re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    for link in links:
        assert link in anchors if link.startswith("#") else (ROOT / link).exists(), link


def test_the_options_are_all_there_and_no_others() -> None:
    flags = {f"--keepalive-{option.name}" for option in OPTIONS if option.command_line}
    assert set(re.findall(r"--keepalive-[\w-]+", README)) == flags
    assert set(re.findall(r"keepalive_[\w]+", section("Options"))) == {o.key for o in OPTIONS}
    for option in OPTIONS:
        assert f"`{option.key}` | {option.help} |" in README


def test_the_keywords_of_the_markers_are_all_there_and_no_others() -> None:
    named = first_column(section("Markers"))
    assert named == ["single_connection", "connections", *(field.name for field in fields(Limit))]


def test_the_fixtures_are_all_there_and_no_others() -> None:
    titles = re.findall(r"^### (.*)$", section("Fixtures"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(titles))) == plugin.__all__


def test_the_hooks_are_all_there_and_no_others() -> None:
    existing = {name for name in dir(_hooks) if name.startswith("pytest_keepalive_")}
    assert set(re.findall(r"pytest_keepalive_\w+", README)) == existing


def test_what_the_counter_can_do_is_all_there_and_no_more() -> None:
    public = {name for name in dir(ConnectionCounter) if not name.startswith("_")} - {"close"}
    assert set(first_column(section("`connection_counter`"))) == public


@pytest.mark.parametrize("kind", [Connection, Exchange])
def test_the_attributes_of_a_value_exist(kind: type) -> None:
    text = section("`connection_counter`").partition(f"`{kind.__name__}` has")[2]
    named = re.findall(r"`(\w+)`", re.split(r"[;.]\s", text)[0])
    assert len(named) >= 10
    assert set(named) <= set(dir(kind))


def test_the_causes_are_those_that_can_be_found() -> None:
    rules = [path for path in PACKAGE.glob("_diagnosis/*.py") if path.name != "_remedies.py"]
    stated = set(re.findall(r"\bCause\.([A-Z0-9_]+)", "".join(map(Path.read_text, rules))))
    causes = first_column(section("Causes"))
    assert causes == [cause.value for cause in Cause if cause.name in stated]


def test_every_public_name_exists() -> None:
    imported = re.findall(r"from pytest_keepalive import (.*)", README)
    assert imported
    for name in ", ".join(imported).split(", "):
        assert name in pytest_keepalive.__all__


def test_its_two_commands_are_those_of_ci() -> None:
    commands = re.findall(r"^python3 \.ci/\w+\.py$", README, re.MULTILINE)
    assert len(commands) == 2
    steps = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    for command in commands:
        assert any(command in step for step in steps), command


def test_a_broken_baseline_looks_as_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_orders="""
        import os
        import httpx

        def test_orders(keepalive_server):
            for _ in range(int(os.environ["CALLS"])):
                httpx.get(keepalive_server.url)
        """
    )
    shown = re.search(r"<!-- baseline -->\n```text\n(.*)\n```", README)
    assert shown is not None
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CALLS", "1")
        assert pytester.runpytest_subprocess("--keepalive-update").ret == 0
        environment.setenv("CALLS", "3")
        worse = pytester.runpytest_subprocess()
    worse.assert_outcomes(failed=1)
    assert shown[1] in worse.outlines
