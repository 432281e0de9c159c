"""Two branches that each brought the baseline up to date, merged by git."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ..watch.needs import tool
from .conftest import Run

SUITE = """
@pytest.mark.parametrize("name", "abcdefghij")
def test_of(keepalive_server, name):
    get(keepalive_server)
"""
ALWAYS = ("b", "c", "f", "g", "h")
CONFLICT = re.compile(r"^(<{7}|={7}|>{7}).*\n", re.MULTILINE)


class Repository:
    """A repository with a baseline.

    Args:
        folder: An empty one.
        suite: Runs the tests in it.
    """

    def __init__(self, folder: Path, suite: Run) -> None:
        self.baseline = folder / ".keepalive.json"
        self._folder, self._suite = folder, suite
        self.git("init", "-q")
        self.git("checkout", "-q", "-b", "ours")

    def git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            ("git", *who, *arguments),
            cwd=self._folder,
            env={**os.environ, **alone},
            capture_output=True,
            text=True,
        )

    def update(self, *names: str) -> None:
        """Run some of the tests with an update, and commit what came of it."""
        self.run(*names, options=("--keepalive-update",))
        self.commit()

    def commit(self) -> None:
        self.git("add", self.baseline.name)
        assert self.git("commit", "-q", "-m", "Update").returncode == 0

    def branch(self, *names: str, added: tuple[str, ...]) -> None:
        self.update(*names)
        self.git("checkout", "-q", "-b", "theirs")
        self.update(*added)
        self.git("checkout", "-q", "ours")

    def merge(self) -> bool:
        return self.git("merge", "-q", "-m", "Merge", "theirs").returncode == 0

    def run(self, *names: str, options: tuple[str, ...] = ()) -> pytest.RunResult:
        chosen = ("-k", " or ".join(f"of[{name}]" for name in names)) if names else ()
        return self._suite(SUITE, *options, *chosen)


@pytest.fixture
def repository(
    pytester: pytest.Pytester, suite: Run, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    tool("git", "apt-get install git")
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return Repository(pytester.path, suite)


def is_the_union(repository: Repository) -> bool:
    """Tell whether nothing is new to the baseline, and an update has nothing to change there."""
    said = repository.run(options=("--keepalive-update",)).stdout.str()
    return ".keepalive.json is up to date" in said


def test_what_two_branches_added_in_two_places_is_merged_without_a_conflict(
    repository: Repository,
) -> None:
    repository.branch(*ALWAYS, added=("d", "e"))
    repository.update("a", "i", "j")
    assert repository.merge()
    assert is_the_union(repository)


def test_an_added_test_is_one_line_of_a_diff(repository: Repository) -> None:
    repository.branch(*ALWAYS, added=("e",))
    diff = repository.git("diff", "--numstat", "ours", "theirs").stdout
    assert diff == "1\t0\t.keepalive.json\n"


def test_a_conflict_is_told_and_what_each_side_added_can_be_kept(repository: Repository) -> None:
    repository.branch(*ALWAYS, added=("e",))
    repository.update("a", "d", "i", "j")
    assert not repository.merge()
    conflicted = repository.baseline.read_text("utf-8")
    for options in ((), ("--keepalive-update",)):
        result = repository.run(options=options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        said = f"{repository.baseline}: line 7 is a conflict marker; resolve the merge first"
        assert said in result.stderr.str()
        assert repository.baseline.read_text("utf-8") == conflicted
    repository.baseline.write_text(CONFLICT.sub("", conflicted), "utf-8")
    assert is_the_union(repository)


def test_git_keeps_both_sides_itself_where_it_is_told_to(repository: Repository) -> None:
    repository.baseline.with_name(".gitattributes").write_text(".keepalive.json merge=union\n")
    repository.branch(*ALWAYS, added=("e",))
    repository.update("a", "d", "i", "j")
    assert repository.merge()
    assert is_the_union(repository)


def test_of_two_figures_for_one_test_none_is_guessed(repository: Repository) -> None:
    def change(figure: int) -> None:
        text = repository.baseline.read_text("utf-8")
        changed = re.sub(r'(of\[f\].*"exchanges": )\d+', rf"\g<1>{figure}", text)
        repository.baseline.write_text(changed, "utf-8")
        repository.commit()

    repository.branch(*ALWAYS, added=("j",))
    change(2)
    repository.git("checkout", "-q", "theirs")
    change(3)
    repository.git("checkout", "-q", "ours")
    assert not repository.merge()
    both = CONFLICT.sub("", repository.baseline.read_text("utf-8"))
    repository.baseline.write_text(both, "utf-8")
    result = repository.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "'test_suite.py::test_of[f]' stands there twice" in result.stderr.str()
