from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark.clients import CLIENTS
from tests.benchmark.figure import Figure, ratios

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--rounds=1", "--requests=5", "--tests=2", "--connections=20", "--sockets=20")
FEW = ("--reported=2", "--spread=2")


def test_it_prints_every_figure_with_its_limit() -> None:
    command = (sys.executable, "-m", "tests.benchmark", *TINY, *FEW)
    lines = subprocess.check_output(command, cwd=ROOT, encoding="utf-8").splitlines()
    watch = 7 + bool(shutil.which("strace")) if sys.platform == "linux" else 0
    assert len(lines) == 1 + 2 + len(CLIENTS) + 2 + 5 + watch
    assert all("≤" in line for line in lines[1:])


def test_a_figure_holds_when_its_median_does() -> None:
    figure = Figure("cost", [1.0, 1.2, 1.02], 1.02)
    assert figure.holds
    assert " ".join(str(figure).split()) == "cost 1.020 × ≤ 1.020 × 1.000 × to 1.200 ×"


def test_a_figure_above_its_limit_says_so() -> None:
    figure = Figure("weight", [2000.0], 1024, "B")
    assert not figure.holds
    assert str(figure).endswith("above")


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([2.0, 3.0], [1.0, 2.0]) == [2.0, 1.5]
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [])
