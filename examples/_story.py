"""A story: a folder with a suite or a script, and what must come of it.

Rules
1. A folder with a ``report.txt`` tells of a defect: each of its tests must fail, and pytest must
   print that report. Any other suite must pass.
2. A folder without a suite has a script, which must succeed and print its ``output.txt``.
3. What differs from run to run (ports, times, versions) is written as if it never did; what
   depends on its length (line breaks, rules across the page) is not compared.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
_PYTEST = ("-m", "pytest", "--no-header", "--color=no", "-p", "no:cacheprovider")
# Only these: others that are installed may change the order and the text.
_PLUGINS = ("-p", "keepalive", "-p", "asyncio", "-p", "pytest_httpserver")
# What changes the text of a report where it is set.
_UNWANTED = ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "PYTEST_ADDOPTS", "FORCE_COLOR", "PY_COLORS")
_SAME_EACH_TIME = (
    (r"\b(127\.0\.0\.1|localhost):\d+", r"\1:40123"),
    (r"\d+(\.\d+)? ms\b", "1.2 ms"),
    (r"\bin \d+\.\d+s\b", "in 0.12s"),
    (r"Werkzeug/[\w.]+ Python/[\w.]+", "Werkzeug/3.1.3 Python/3.13.0"),
)
_TIMEOUT = 120.0


class Outcome(NamedTuple):
    """What came of a story.

    Args:
        code: The exit code of pytest or of the script.
        text: What was printed.
    """

    code: int
    text: str

    @property
    def closing(self) -> str:
        """The last line, without the rule across the page."""
        return self.text.rstrip().rpartition("\n")[2].strip("= ")


class Story:
    """One folder of ``examples``.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.tells_of_a_defect = (folder / "report.txt").exists()
        suites = sorted(folder.glob("test_*.py"))
        self.is_suite = bool(suites)
        self.program = suites[0] if suites else next(folder.glob("*.py"))

    @property
    def title(self) -> str:
        """The first line of the text at the top of the program."""
        return self.program.read_text("utf-8").partition("\n")[0].strip('"')

    @property
    def kept(self) -> Path | None:
        """The file that says what must be printed; ``None`` for a suite that must pass."""
        if self.tells_of_a_defect:
            return self.folder / "report.txt"
        return None if self.is_suite else self.folder / "output.txt"

    def run(self, *options: str) -> Outcome:
        """Run it.

        Args:
            options: Of pytest; none for a script.
        """
        suite = (*_PYTEST, *_PLUGINS, *options, self.name)
        arguments = suite if self.is_suite else (f"{self.name}/{self.program.name}",)
        done = subprocess.run(
            (sys.executable, *arguments),
            cwd=HERE,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=_TIMEOUT,
        )
        return Outcome(done.returncode, done.stdout)

    def complaint(self, outcome: Outcome) -> str | None:
        """Say what is wrong with an outcome; ``None`` when it is what it must be."""
        ending = self.wrong_ending(outcome)
        if ending is not None:
            return ending
        if self.kept is not None and not _alike(outcome.text, self.kept.read_text("utf-8")):
            return f"differs from {self.kept.relative_to(HERE.parent)}"
        return None

    def wrong_ending(self, outcome: Outcome) -> str | None:
        """Say how a story ended that must not end so; ``None`` when it ended as it must."""
        wanted = int(self.tells_of_a_defect)
        if outcome.code != wanted:
            return f"ended with exit code {outcome.code}, not {wanted}"
        if self.tells_of_a_defect and re.search(r"\d+ (passed|error)", outcome.closing):
            return f"has tests that did not fail: {outcome.closing}"
        return None

    def keep(self, outcome: Outcome) -> None:
        """Keep what was printed as what must be printed."""
        if self.kept is not None:
            self.kept.write_text(same_each_time(outcome.text), "utf-8")

    def __repr__(self) -> str:
        return f"<Story {self.name}>"


def stories() -> tuple[Story, ...]:
    """Give all stories, by name."""
    folders = sorted(path.parent for path in HERE.glob("*/*.py"))
    return tuple(Story(folder) for folder in dict.fromkeys(folders))


def same_each_time(text: str) -> str:
    """Write ports, times and versions as if they never differed (rule 3)."""
    for pattern, replacement in _SAME_EACH_TIME:
        text = re.sub(pattern, replacement, text)
    return text.strip() + "\n"


def _alike(text: str, other: str) -> bool:
    return _compared(text) == _compared(other)


def _compared(text: str) -> list[str]:
    return re.sub(r"([=_-])\1{2,}", r" \1\1\1 ", same_each_time(text)).split()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    ours = {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return {**kept, **ours}
