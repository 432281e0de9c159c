"""What the tests of this folder need of the machine."""

from __future__ import annotations

import os
import shutil

import pytest


def tool(name: str, install: str) -> str:
    """Give the path of a program; without it CI fails, and others skip."""
    path = shutil.which(name)
    if path is None:
        message = f"{name} is needed: {install}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def curl() -> str:
    return tool("curl", "apt-get install curl")


def node() -> str:
    return tool("node", "apt-get install nodejs")
