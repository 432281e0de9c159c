"""What is published: the wheel and the sdist, built as an installer would, without network."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
DEPENDENCIES = {"pytest", "psutil", "urllib3", "httpx"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def wheel(built: Path) -> Iterator[ZipFile]:
    (path,) = built.glob("*.whl")
    with ZipFile(path) as archive:
        yield archive


@pytest.fixture
def metadata(wheel: ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_holds_the_package_and_nothing_else(wheel: ZipFile) -> None:
    files = [path for path in ROOT.glob("pytest_keepalive/**/*.*") if path.suffix != ".pyc"]
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert "pytest_keepalive/py.typed" in held
    assert held == {path.relative_to(ROOT).as_posix() for path in files}


def test_the_sdist_holds_the_tests_and_the_examples_too(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"README.md", "LICENSE", "tests/test_wheel.py", ".ci/run", "examples/__main__.py"}
    assert wanted <= held
    assert not [name for name in held if "__pycache__" in name]


def test_pytest_finds_the_plugin(wheel: ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    lines = wheel.read(name).decode().split("\n")
    assert lines[:2] == ["[pytest11]", "keepalive = pytest_keepalive.plugin"]


def test_it_brings_four_dependencies_with_wide_ranges(metadata: Message) -> None:
    needed = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    always = [each for each in needed if each.marker is None]
    assert {each.name for each in always} == DEPENDENCIES
    assert {clause.operator for each in always for clause in each.specifier} == {">="}


def test_everything_else_is_an_extra(metadata: Message) -> None:
    needed = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    extras = [each for each in needed if each.marker is not None]
    assert all("extra ==" in str(each.marker) for each in extras)
    assert set(metadata.get_all("Provides-Extra", [])) == {"examples", "http2", "test", "tls"}
