"""The threads that connect, and what has to be known of them while they still exist.

Rules
1. A thread that is being asked about waits in its system call, so what is read of it then is
   its own. A number may have been given anew since: a pidfd of the thread that had it before
   fails with ESRCH.
2. Names are read at once: the thread may be gone when somebody asks.
3. This module imports little: the helper process has to start quickly.
"""

from __future__ import annotations

import os

from pytest_keepalive._watch._system_calls import PIDFD_THREAD

RUNNER_NAME = "keepalive-run"

_AT_MOST = 128
_NAME_SIZE = 16
_NAMES_LAST_SECONDS = 0.01


class Task:
    """A thread, and its process.

    Args:
        tid: The thread's number.
        runner: Whether to find the runner that it descends from.
    """

    __slots__ = ("_comm", "_read_at", "name", "pidfd", "process_name", "run", "tgid", "tid")

    def __init__(self, tid: int, runner: bool) -> None:
        self.tid = tid
        self.pidfd, self.tgid = _open(tid)
        self._comm = _open_quietly(f"/proc/{tid}/comm")
        self._read_at = 0.0
        self.name = b""
        self.process_name = b""
        self.run = _runner_of(self.tgid) if runner else 0

    def refresh_names(self, now: float) -> None:
        """Read the names anew, unless that was done a moment ago.

        Args:
            now: Seconds of CLOCK_MONOTONIC.

        Raises:
            ProcessLookupError: The thread is gone.
        """
        if now - self._read_at < _NAMES_LAST_SECONDS or self._comm < 0:
            return
        self._read_at = now
        name = os.pread(self._comm, _NAME_SIZE, 0)[:-1]
        if name != self.name:
            # A new name may come of exec, which changes the arguments too.
            self.name = name
            self.process_name = _first_argument(self.tid)

    def close(self) -> None:
        """Let go of the descriptors."""
        for descriptor in (self.pidfd, self._comm):
            if descriptor >= 0:
                os.close(descriptor)


class Tasks:
    """The threads that connected lately.

    Args:
        runners: Whether to find the runners that they descend from.
    """

    def __init__(self, runners: bool) -> None:
        self._runners = runners
        self._known: dict[int, Task] = {}

    def get(self, tid: int) -> Task:
        """Give the thread of a number.

        Raises:
            OSError: It is gone.
        """
        task = self._known.get(tid)
        return self.meet(tid) if task is None else task

    def meet(self, tid: int) -> Task:
        """Give the thread that a number belongs to now.

        Raises:
            OSError: It is gone.
        """
        self._forget(tid)
        if len(self._known) >= _AT_MOST:
            self._forget(next(iter(self._known)))
        task = self._known[tid] = Task(tid, self._runners)
        return task

    def _forget(self, tid: int) -> None:
        known = self._known.pop(tid, None)
        if known is not None:
            known.close()


def _open(tid: int) -> tuple[int, int]:
    """Give a pidfd of a thread, or -1, and the number of its process."""
    try:
        return os.pidfd_open(tid), tid
    except ProcessLookupError:
        raise
    except (OSError, AttributeError):
        tgid = _status_number(tid, b"Tgid:")
    # A leader that ended before its other threads has no descriptors: ask for the thread.
    for number, flags in ((tid, PIDFD_THREAD), (tgid, 0)):
        try:
            return os.pidfd_open(number, flags), tgid
        except (OSError, AttributeError):
            continue
    return -1, tgid


def _open_quietly(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _read(path: str) -> bytes:
    descriptor = _open_quietly(path)
    if descriptor < 0:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _status_number(tid: int, label: bytes) -> int:
    for line in _read(f"/proc/{tid}/status").splitlines():
        if line.startswith(label):
            return int(line.split()[1])
    return tid


def _first_argument(tid: int) -> bytes:
    # That of the thread: its process shows none any more when the first thread has ended.
    first = _read(f"/proc/{tid}/cmdline").partition(b"\0")[0]
    return first.rpartition(b"/")[2][:32]


def _runner_of(tgid: int) -> int:
    """Give the nearest ancestor that is a runner: it adopts orphans, so none leaves it."""
    pid = tgid
    while pid > 1:
        # PID (NAME) STATE PARENT ...; the name may hold anything (proc_pid_stat(5)).
        before, _, after = _read(f"/proc/{pid}/stat").rpartition(b")")
        if before.partition(b"(")[2] == RUNNER_NAME.encode():
            return pid
        fields = after.split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return 0
