"""Virtual environments below ``.environments``, each made when it is first needed.

Nothing but the standard library is used, and nothing outside the folder is touched. One is made
anew when Python, what was asked for or the dependencies in pyproject.toml have changed.

``python3 .ci/environment.py PURPOSE REQUIREMENT...`` prints the path of the interpreter of an
environment with these requirements; ``.[extra]`` is this project, from this folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".environments"
OLDEST_PYTHON = (3, 10)
# The first that installs a project with hatchling in place (PEP 660).
_OLDEST_PIP = (21, 3)


def make(purpose: str, *requirements: str) -> str:
    """Make an environment, unless it is there, and give the path of its interpreter.

    Args:
        purpose: The beginning of its name.
        requirements: As pip takes them.

    Raises:
        SystemExit: It cannot be made; the text says why.
    """
    if sys.version_info < OLDEST_PYTHON:
        _stop("Python 3.10 or later is needed; this is {}.{}".format(*sys.version_info))
    folder = HOME / f"{purpose}-{_python()}-{_key(requirements)}"
    interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "complete").exists():
        _remove_others(purpose, folder)
        _say(f"making {folder.relative_to(ROOT)} with {' '.join(requirements)}")
        _create(folder)
        _upgrade_pip(str(interpreter))
        _pip(str(interpreter), *requirements)
        (folder / "complete").touch()
    return str(interpreter)


def run(*command: str) -> int:
    """Run a command in the project's folder, and give its exit code."""
    _say(" ".join(("python", *command[1:])))
    return subprocess.run(command, cwd=ROOT).returncode


def _python() -> str:
    return "{}.{}".format(*sys.version_info)


def _key(requirements: tuple[str, ...]) -> str:
    parts = (sys.version, sys.base_prefix, *requirements, *_dependencies())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def _dependencies() -> list[str]:
    """Give the sections of pyproject.toml that say what is installed: 3.10 cannot read TOML."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    sections = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    return [part for part in sections if part.startswith(("[build-system]", "[project"))]


def _remove_others(purpose: str, folder: Path) -> None:
    for other in HOME.glob(f"{purpose}-{_python()}-*"):
        if other == folder or re.fullmatch(r"[0-9a-f]{10}", other.name.rpartition("-")[2]):
            shutil.rmtree(other)


def _create(folder: Path) -> None:
    done = subprocess.run((sys.executable, "-m", "venv", str(folder)))
    if done.returncode:
        _stop("python -m venv failed; on Debian and Ubuntu, install python3-venv")


def _upgrade_pip(interpreter: str) -> None:
    program = "import pip; print(pip.__version__)"
    version = subprocess.check_output((interpreter, "-c", program), text=True)
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _OLDEST_PIP:
        _pip(interpreter, "--upgrade", "pip")


def _pip(interpreter: str, *arguments: str) -> None:
    command = (interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if subprocess.run((*command, *arguments), cwd=ROOT, stdout=sys.stderr).returncode:
        _stop(f"pip could not install {' '.join(arguments)}")


def _say(what: str) -> None:
    print(f"# {what}", file=sys.stderr, flush=True)


def _stop(why: str) -> None:
    raise SystemExit(f"{Path(sys.argv[0]).name}: {why}")


if __name__ == "__main__":
    print(make(sys.argv[1], *sys.argv[2:]))
