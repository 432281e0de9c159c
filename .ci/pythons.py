"""Prints the interpreters of this machine that the tests run on, the newest first.

One a line for each of Python 3.10 to 3.13: from PATH, or from pyenv's folder.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess

VERSIONS = ("3.13", "3.12", "3.11", "3.10")
_ASK = "import sys; print('{}.{}'.format(*sys.version_info), sys.executable)"


def interpreter_of(version: str) -> str | None:
    """Give the path of an interpreter that is of a version, and that starts."""
    pyenv = os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python")
    on_path = shutil.which(f"python{version}")
    for candidate in (*sorted(glob.glob(pyenv)), *([on_path] if on_path else [])):
        # Behind a name on PATH there may be a shim that refuses to start.
        done = subprocess.run((candidate, "-c", _ASK), capture_output=True, text=True)
        found, _, path = done.stdout.strip().partition(" ")
        if found == version:
            return path
    return None


if __name__ == "__main__":
    for interpreter in filter(None, map(interpreter_of, VERSIONS)):
        print(interpreter)
