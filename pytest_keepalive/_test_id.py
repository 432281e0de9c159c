"""The id of a test that stays the same however the run was started."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

import pytest

_REPEAT = "__pytest_repeat_step_number"


def node_of(item: pytest.Item) -> str:
    """Give the node id of a test, which no other one has.

    Of a file outside the root, as of a second project, pytest's id tells only where it is below
    the argument of the command line: two of them may share it. Here it is seen from the root.
    """
    root, path = item.config.rootpath, item.path
    # Asked several times of each test, and most stand below the root: paths are slow to compare.
    if str(path).startswith(f"{root}{os.sep}"):
        return item.nodeid
    file = _file_outside(root, path)
    return item.nodeid if file is None else "".join((file, *item.nodeid.partition("::")[1:]))


def steady_id(item: pytest.Item) -> str:
    """Give the id of a test: its node id without what other plugins add to it."""
    return _without_repetition(item, _without_group(item, node_of(item)))


@lru_cache(maxsize=256)
def _file_outside(root: Path, path: Path) -> str | None:
    """Give the way from the root to a file that is not below it, where there is one."""
    if path.is_relative_to(root):
        return None
    try:
        return os.path.relpath(path, root).replace(os.sep, "/")
    except ValueError:
        return None  # It is on another drive.


def _without_group(item: pytest.Item, node: str) -> str:
    # pytest-xdist writes the group behind the node id, for --dist loadgroup.
    if item.get_closest_marker("xdist_group") is None or "@" not in node:
        return node
    tail = node.rpartition("@")
    return tail[0] if tail[0].endswith(item.name) else node


def _without_repetition(item: pytest.Item, node: str) -> str:
    # pytest-repeat makes parameters of the repetitions: the last of them, as in [a-2-10].
    callspec = getattr(item, "callspec", None)
    if callspec is None or _REPEAT not in callspec.params:
        return node
    return re.sub(r"\[\d+-\d+\]$|-\d+-\d+(?=\]$)", "", node)
