"""Where the repository begins: what is told of a file to others is told from there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def repository_of(folder: Path, environment: Mapping[str, str]) -> Path:
    """Give the root of the repository that a folder is in.

    Args:
        folder: A whole path, itself the answer where nothing tells.
        environment: ``GITHUB_WORKSPACE`` tells where there is no ``.git``, as in an archive.
    """
    workspace = environment.get("GITHUB_WORKSPACE")
    for parent in (folder, *folder.parents):
        if (parent / ".git").exists() or (workspace and parent == Path(workspace)):
            return parent
    return folder


def from_repository(path: str, folder: Path, repository: Path) -> str:
    """Give a path as seen from the repository, with slashes; as it is where it leads out of it.

    Args:
        path: From the folder, or a whole one.
        folder: A whole path.
        repository: That of the folder.
    """
    whole = os.path.normpath(folder / path)
    inside = path and whole.startswith(f"{repository}{os.sep}")
    return whole[len(str(repository)) + 1 :].replace(os.sep, "/") if inside else path
