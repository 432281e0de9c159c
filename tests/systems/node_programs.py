"""The Node.js programs of this folder, and the packages that they need."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.watch.needs import node, tool

HERE = Path(__file__).parent / "node"
CACHE = Path(__file__).parents[2] / ".environments"


def clients() -> tuple[str, str]:
    """Give the interpreter and the program, with its packages beside it."""
    return node(), str(_folder() / "clients.js")


def _folder() -> Path:
    wanted = (HERE / "package.json").read_bytes()
    folder = CACHE / f"node-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        _install(folder)
    # The program may have changed since; the packages have not.
    shutil.copy(HERE / "clients.js", folder)
    return folder


def _install(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", folder)
    npm = tool("npm", "apt-get install npm")
    command = (npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
    subprocess.run(command, cwd=folder, check=True)
    (folder / "complete").touch()
