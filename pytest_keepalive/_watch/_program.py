"""The program that is to be run: found, and judged, before anything is started.

Rules
1. A name without a slash is looked for in the PATH that the program is going to have, as
   execvp(3) does.
2. Under a watch that had to give up new privileges (PR_SET_NO_NEW_PRIVS) a set-uid or set-gid
   program, or one with file capabilities, runs without them (execve(2)): that is said before.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Union

Argument = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

_CAPABILITIES = "security.capability"


class PrivilegeWarning(UserWarning):
    """A program is going to run without the privilege that its file gives."""


class Program(NamedTuple):
    """What is going to be run.

    Args:
        path: Of the file.
        argv: Its arguments, itself being the first.
        env: Its environment.
        cwd: Its working directory; ``None`` for this process's.
    """

    path: bytes
    argv: list[bytes]
    env: dict[bytes, bytes]
    cwd: bytes | None

    @property
    def name(self) -> str:
        """What it was called."""
        return os.fsdecode(self.argv[0])

    def privilege(self) -> str | None:
        """Name what its file gives and a watch takes away, or ``None``."""
        status = os.stat(self.path)
        if status.st_mode & stat.S_ISUID and status.st_uid != os.geteuid():
            return "set-uid"
        if status.st_mode & stat.S_ISGID and status.st_gid != os.getegid():
            return "set-gid"
        return "file capabilities" if _has_capabilities(self.path) else None


def find_program(
    argv: Sequence[Argument],
    env: Mapping[str, str] | None = None,
    cwd: Argument | None = None,
) -> Program:
    """Find the program that an argument vector names.

    Args:
        argv: The program and its arguments; one text is no argument vector.
        env: Its whole environment; ``None`` for this process's.
        cwd: Its working directory; ``None`` for this process's.

    Raises:
        TypeError: ``argv`` is not a sequence of arguments.
        ValueError: It is empty, or something in it holds a null character.
        FileNotFoundError: There is no such program, or no such directory.
        NotADirectoryError: The working directory is none.
        PermissionError: The program is not executable.
    """
    arguments = _arguments(argv)
    environment = _environment(os.environ if env is None else env)
    directory = None if cwd is None else os.fsencode(cwd)
    _check_directory(directory)
    path = _locate(arguments[0], environment.get(b"PATH", os.fsencode(os.defpath)), directory)
    return Program(path, arguments, environment, directory)


def _arguments(argv: Sequence[Argument]) -> list[bytes]:
    if isinstance(argv, (str, bytes, os.PathLike)):
        raise TypeError(f"argv must be a list such as ['curl', url], not the text {argv!r}")
    arguments = [os.fsencode(argument) for argument in argv]
    if not arguments or not arguments[0]:
        raise ValueError("argv is empty: its first item is the program to run")
    if any(b"\0" in argument for argument in arguments):
        raise ValueError("an argument holds a null character, which no program can be given")
    return arguments


def _environment(env: Mapping[str, str]) -> dict[bytes, bytes]:
    pairs = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
    for name, value in pairs.items():
        if not name or b"=" in name or b"\0" in name + value:
            raise ValueError(f"{os.fsdecode(name)!r} cannot be an environment variable")
    return pairs


def _check_directory(directory: bytes | None) -> None:
    if directory is not None and not os.path.isdir(directory):
        number = errno.ENOTDIR if os.path.exists(directory) else errno.ENOENT
        raise OSError(number, "the working directory is no directory", os.fsdecode(directory))


def _locate(name: bytes, search: bytes, directory: bytes | None) -> bytes:
    base = directory or b""
    if b"/" in name:
        candidates = [os.path.join(base, name)]
    else:
        places = search.split(os.fsencode(os.pathsep))
        candidates = [os.path.join(base, place or b".", name) for place in places]
    if sys.platform == "win32":
        # It is rather the extension that makes a program there.
        candidates = [os.fsencode(found) for found in [shutil.which(os.fsdecode(name))] if found]
    existing = [path for path in candidates if os.path.isfile(path)]
    for path in existing:
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    shown = os.fsdecode(name)
    if existing:
        found = os.fsdecode(existing[0])
        raise PermissionError(errno.EACCES, "the program is not executable", found)
    if b"/" in name and os.path.exists(candidates[0]):
        raise PermissionError(errno.EACCES, "this is no program but a directory or device", shown)
    raise FileNotFoundError(errno.ENOENT, _not_found(name), shown)


def _not_found(name: bytes) -> str:
    return "there is no such program" if b"/" in name else "there is no such program in PATH"


def _has_capabilities(path: bytes) -> bool:
    try:
        return bool(os.getxattr(path, _CAPABILITIES))
    except (OSError, AttributeError):
        return False
