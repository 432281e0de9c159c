"""Files that are written whole or not at all.

Rules
1. What was there stays until the new text is on the disk: it is written beside, then renamed.
2. A name that leads to a new text leads to all of it, after a loss of power too, where asked for.
3. Who may not write a file cannot replace it either, though renaming would let him.
4. A device or a pipe is no file that could be replaced: it is written to.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from secrets import token_hex


class UnusableFile(Exception):
    """A file cannot be read or written.

    Args:
        path: The file.
        reason: Why, as a phrase.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def read_file(path: Path) -> str | None:
    """Give the text of a file, or ``None`` when there is none.

    Raises:
        UnusableFile: It cannot be read.
    """
    try:
        if stat.S_ISCHR(path.stat().st_mode):
            # Some of them never end.
            raise UnusableFile(path, "is a device")
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFile(path, reason_of(error)) from None


def check_writable(path: Path) -> None:
    """Make as sure as can be, without writing, that a file can be written.

    Raises:
        UnusableFile: It cannot be.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _check_folder(path)
    except OSError as error:
        raise UnusableFile(path, reason_of(error)) from None
    if stat.S_ISDIR(mode):
        raise UnusableFile(path, "is a folder")
    # The superuser may write everything; the file says all the same that it is not to be.
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise UnusableFile(path, "is read-only")
    if stat.S_ISREG(mode):
        _check_folder(path)
    return None


def check_replaceable(path: Path) -> None:
    """Make as sure as can be that a file can be read, and written anew.

    Raises:
        UnusableFile: It cannot be.
    """
    check_writable(path)
    if path.exists() and not path.is_file():
        raise UnusableFile(path, "is no file that could be replaced")


def check_distinct(paths: Iterable[Path]) -> None:
    """Make sure that no file takes the place of another one that is written, too.

    Raises:
        UnusableFile: Two of the paths lead to one file.
    """
    targets: set[Path] = set()
    for path in paths:
        target = path.resolve()
        if target in targets and (target.is_file() or not target.exists()):
            raise UnusableFile(path, "is named by two options, and can hold only one of them")
        targets.add(target)


def replace_file(path: Path, chunks: Iterable[str], durable: bool = False) -> None:
    """Write a file beside the old one, and put it in its place.

    Args:
        path: Its folder is made where it is missing.
        chunks: The text, in parts.
        durable: Whether the disk is waited for (rule 2): for what cannot be made again.

    Raises:
        UnusableFile: It cannot be written; what was there is unchanged.
    """
    try:
        # A link stays one: what it leads to is replaced.
        target = path.resolve()
        if target.exists() and not target.is_file():
            return _write(target, chunks)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".keepalive-{token_hex(8)}")
        _write_beside(beside, target, chunks, durable)
    except OSError as error:
        raise UnusableFile(path, reason_of(error)) from None


def append_to(path: Path, text: str) -> None:
    """Add text to the end of a file.

    Raises:
        UnusableFile: It cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise UnusableFile(path, reason_of(error)) from None


def _write_beside(beside: Path, target: Path, chunks: Iterable[str], durable: bool) -> None:
    try:
        _write(beside, chunks, "x", durable)
        if target.exists():
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(beside, target)
        if durable:
            _sync_folder(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _write(path: Path, chunks: Iterable[str], mode: str = "w", durable: bool = False) -> None:
    with path.open(mode, encoding="utf-8", newline="\n") as file:
        file.writelines(chunks)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Not every system opens a folder; the file is whole by now, under its old name or its new one.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_folder(path: Path) -> None:
    # Of a link, what it leads to is written.
    folder = path.resolve().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UnusableFile(path, f"{folder} is not a folder")
    if not folder.stat().st_mode & 0o222 or not os.access(folder, os.W_OK):
        raise UnusableFile(path, f"the folder {folder} is read-only")


def reason_of(error: Exception) -> str:
    """Say why a file could not be read or written, as a phrase."""
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8 text"
    return (getattr(error, "strerror", None) or str(error)).lower()
