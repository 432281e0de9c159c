"""A lock beside a file that several runs may bring up to date at the same time.

Rules
1. The operating system holds the lock, not the file that it is taken on: what a crashed process
   leaves behind is an empty file that locks nothing, and that the next one takes over.
2. The lock's file is there only while somebody holds the lock or waits for it.
3. Nobody is waited for without end: who holds a lock for so long hangs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_keepalive._report_file import UnusableFile, reason_of

# One for the folder: the name of a file may be too long to add to it.
LOCK_NAME = ".keepalive.lock"
# A file is read and written in much less than a second.
_PATIENCE = 30.0
_PAUSE = 0.02
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def held_lock(path: Path, patience: float = _PATIENCE) -> Iterator[None]:
    """Keep other runs from writing a file meanwhile.

    Args:
        path: Of the file; its folder is made where it is missing.
        patience: For how many seconds others are waited for.

    Raises:
        UnusableFile: Another one holds the lock for too long, or there can be none.
    """
    # Links lead to one file, which has one lock.
    target = path.resolve()
    if target.name == LOCK_NAME:
        raise UnusableFile(path, "has the name of the lock that guards such files")
    lock = target.with_name(LOCK_NAME)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _take(lock, time.monotonic() + patience)
    except OSError as error:
        raise UnusableFile(path, f"{lock} cannot be locked: {reason_of(error)}") from None
    if descriptor is None:
        raise UnusableFile(
            path, f"another run has held {lock} for {patience:.0f} seconds; this one gave up"
        )
    try:
        yield
    finally:
        _give_back(lock, descriptor)


def _take(lock: Path, deadline: float) -> int | None:
    """Give what the lock is held with, or ``None`` when it was too late."""
    while True:
        descriptor = _try_to_take(lock)
        if descriptor is not None:
            return descriptor
        if time.monotonic() >= deadline:
            return None
        # To wait in the system for a lock cannot be given up after a time.
        time.sleep(_PAUSE)


def _try_to_take(lock: Path) -> int | None:
    descriptor, taken = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666), False
    try:
        taken = _locked(descriptor) and _is_still(lock, descriptor)
    finally:
        if not taken:
            os.close(descriptor)
    return descriptor if taken else None


def _is_still(lock: Path, descriptor: int) -> bool:
    # Who held the lock before may have deleted the file that was opened here.
    try:
        return os.path.samestat(os.stat(lock), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _give_back(lock: Path, descriptor: int) -> None:
    # Windows deletes no open file; elsewhere, a lock that was let go may be another one's.
    if sys.platform == "win32":
        os.close(descriptor)
    with contextlib.suppress(OSError):
        lock.unlink()
    if sys.platform != "win32":
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock an open file, unless somebody else has."""
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            # A file system without locks: an update is as safe there as it can be.
            return True
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
