from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_keepalive._watch._support import look_for_support
from tests.watch import needs
from tests.watch.counting_server import CountingServer

_PROGRAMS = Path(__file__).with_name("programs")

Compile = Callable[[str], str]


@pytest.fixture(scope="session")
def kernel_watch() -> None:
    """Skip where the kernel watch cannot be had."""
    missing = look_for_support().missing
    if missing:
        pytest.skip("; ".join(missing))


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    with CountingServer() as server:
        yield server


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile a program of the folder ``programs``, statically, and give its path."""
    folder = tmp_path_factory.mktemp("programs")

    def compiled(name: str) -> str:
        target = folder / name
        if not target.exists():
            compiler = needs.tool("gcc", "apt-get install gcc libc6-dev")
            source = _PROGRAMS / f"{name}.c"
            flags = ["-O1", "-static", "-pthread"]
            subprocess.run([compiler, *flags, "-o", target, source], check=True)
        return str(target)

    return compiled
