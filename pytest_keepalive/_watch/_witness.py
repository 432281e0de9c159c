"""The kernel's own count of connects, and who besides Python's sockets could have made some.

Rules
1. ``/proc/self/net/snmp``, ``Tcp: ActiveOpens``, counts every SYN that the network namespace
   sent first (RFC 2012, tcpActiveOpens), refused ones too. Other systems have no such file.
2. The namespace is shared: the count bounds what this process did, and accuses nobody.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

NATIVE_CLIENTS = {
    "curl_cffi": "curl_cffi",
    "grpc._cython.cygrpc": "grpcio",
    "httpr": "httpr",
    "primp": "primp",
    "psycopg2": "psycopg2",
    "psycopg_binary": "psycopg",
    "psycopg_c": "psycopg",
    "pycurl": "pycurl",
    "pyreqwest": "pyreqwest",
    "rnet": "rnet",
}
_ENDINGS = (b"AttemptFails", b"EstabResets")
_LABEL = b"\nTcp:"
_SNMP = "/proc/self/net/snmp"
# cminflt, counted from the state.
_CHILDRENS_FAULTS = 8


class Endings(NamedTuple):
    """How attempts and connections of the network namespace ended badly (RFC 2012).

    Args:
        attempts_failed: ``tcpAttemptFails``: those that never became connections.
        connections_reset: ``tcpEstabResets``: those that were reset, by either side.
    """

    attempts_failed: int
    connections_reset: int


class Witness:
    """Reads the count; the file is kept open, so that a reading costs some microseconds."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._column = 0
        self._ending_columns: list[int] = []
        try:
            self._descriptor = os.open(_SNMP, os.O_RDONLY)
            names = self._line(0).split()
            self._column = names.index(b"ActiveOpens")
            self._ending_columns = [names.index(name) for name in _ENDINGS]
        except (OSError, ValueError, IndexError):
            self.close()

    def opens(self) -> int | None:
        """Give the count of active opens so far, or ``None`` where the kernel tells none."""
        values = self._values(self._column)
        return None if values is None else int(values[self._column])

    def endings(self) -> Endings | None:
        """Give the counts of how attempts and connections ended badly so far."""
        values = self._values(max(self._ending_columns, default=0))
        if values is None:
            return None
        return Endings(*(int(values[column]) for column in self._ending_columns))

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _values(self, last: int) -> list[bytes] | None:
        """Give the values up to a column."""
        if self._descriptor is None:
            return None
        try:
            return self._line(1).split(None, last + 1)
        except (OSError, ValueError):
            # The file is that of the process that opened it: a fork may outlive it.
            return None

    def _line(self, number: int) -> bytes:
        """Give the line of names (0) or of values (1)."""
        assert self._descriptor is not None
        content = os.pread(self._descriptor, 16384, 0)
        begin = content.index(_LABEL)
        if number:
            begin = content.index(_LABEL, begin + len(_LABEL))
        return content[begin : content.index(b"\n", begin + 1)]


def native_clients() -> tuple[str, ...]:
    """Name the client libraries in this process that connect without Python's sockets."""
    loaded = NATIVE_CLIENTS.keys() & sys.modules.keys()
    return tuple(sorted({NATIVE_CLIENTS[module] for module in loaded})) if loaded else ()


def children_figure() -> int:
    """Give a figure that changes when a child process is started, or has ended and was reaped."""
    return hash((reaped(), running()))


def reaped() -> int:
    """Give a figure that changes when a child of this process has ended and was waited for."""
    if sys.platform == "win32":
        return 0
    import resource

    # Every process faults pages in, so each one that was waited for shows here.
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt


def reaped_by(process: int) -> int | None:
    """Give the same figure of another process, ``None`` where the system does not tell."""
    # What stands before the last bracket may hold anything (proc_pid_stat(5)).
    facts = _read(f"/proc/{process}/stat").rpartition(b")")[2].split()
    return int(facts[_CHILDRENS_FAULTS]) if len(facts) > _CHILDRENS_FAULTS else None


def running(process: int | None = None) -> tuple[bytes, ...]:
    """Name the children that a process has now.

    Args:
        process: Its number; ``None`` for this process.
    """
    if process is None and not _has_children():
        return ()
    tasks = f"/proc/{process or 'self'}/task"
    try:
        names = os.listdir(tasks)
    except OSError:
        return ()
    children = (_read(f"{tasks}/{name}/children") for name in names)
    return tuple(child for listed in children for child in listed.split())


def _has_children() -> bool:
    """Tell whether there are children, dead ones that nobody waited for included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return False
    return True


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""  # The thread has ended, or this kernel does not tell.
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
