"""What the README shows of the reports is what they say of the test that it shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")
SECTION = README.partition("\n## Reports\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^<!-- (\S+) -->\n```(\w+)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
SOURCES = {name: text for name, kind, text in BLOCKS if kind == "python"}
SHOWN = [(name, text) for name, kind, text in BLOCKS if kind != "python"]
OPTIONS = re.findall(r"`(--[^`]+)`", SECTION)


def without_what_differs(text: str) -> str:
    """Leave out ports, times, and how lines are broken."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\d+\.\d+( ms| \|)", r"TIME\1", text)
    return re.sub(r"\n|(?<=/>)\s+(?=<)", "", text)


@pytest.fixture
def told(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give what each report says of the test."""
    folder = pytester.path
    for name, text in SOURCES.items():
        (folder / name).write_text(text, "utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    options = (option for words in OPTIONS for option in words.split())
    run = pytester.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options)
    files = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.is_file()}
    return {**files, "terminal": run.stdout.str()}


def test_every_report_says_what_is_shown_of_it(told: dict[str, str]) -> None:
    assert {name for name, _ in SHOWN} == {
        "terminal",
        "summary.md",
        "junit.xml",
        "connections.json",
    }
    assert told["connections.html"].startswith("<!doctype html>")
    for name, text in SHOWN:
        assert without_what_differs(text) in without_what_differs(told[name]), told[name]
