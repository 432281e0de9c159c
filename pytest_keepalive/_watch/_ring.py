"""The memory that a supervisor shares with those who read what it saw.

Rules
1. One process writes: the supervisor, and after its death its successor. Many read.
2. A record is in the ring before the call that it is about goes on, so that it can be read as
   soon as that call returns.
3. A record is in hand until the kernel has taken the supervisor's answer; one whose caller was
   gone by then is void, since its call was never made.
4. The number of records ever written stays right when the oldest are overwritten.
5. Times are seconds of CLOCK_MONOTONIC, which on Linux is ``time.perf_counter``'s clock.
6. This module imports little: the helper process has to start quickly.
"""

from __future__ import annotations

import mmap
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CAPACITY = 65536
NOTIFICATION_SIZE = 80

IN_HAND, LET_GO, VOID = range(3)
# What a record is about.
CONNECT, HIDDEN, IO_URING = range(3)
# How the socket of a connect was looked at.
UNSEEN, BY_DESCRIPTOR, BY_NAME = range(3)

_HEADER_SIZE = 4096
_COUNT = struct.Struct("=Q")
_COUNT_AT = 0
_PROCESS = struct.Struct("=I")
_PROGRAM_AT = 8
_SUPERVISOR_AT = 12
_NOTIFICATION_AT = 64
# Above 1024 bytes Python hands a buffer to ioctl(2) as it is.
_NEVER_COPIED = 2048
_MISHAP_AT = 256
_MISHAP_SIZE = 1024
# sequence, notification, at, cookie, inode, tid, tgid, run, descriptor, scope, family, port,
# kind, look, progress, address, thread name, process name: see ``_record.Record``
_RECORD = struct.Struct("=QQdQIIIIiIHHBBBx16s16s32s")
_PROGRESS_AT = 62
_SOCKET = struct.Struct("=24xQ26xH")
_STEP = 128
_SIZE = _HEADER_SIZE + CAPACITY * _STEP

assert _RECORD.size == _STEP


class Ring:
    """The ring, mapped into this process.

    Args:
        descriptor: The shared memory's.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)

    @property
    def count(self) -> int:
        """How many records were ever written."""
        return int(_COUNT.unpack_from(self._memory, _COUNT_AT)[0])

    @property
    def program(self) -> int:
        """The process that the supervisor started, 0 before it has."""
        return int(_PROCESS.unpack_from(self._memory, _PROGRAM_AT)[0])

    @program.setter
    def program(self, pid: int) -> None:
        _PROCESS.pack_into(self._memory, _PROGRAM_AT, pid)

    @property
    def supervisor(self) -> int:
        """The process that supervises now, 0 before one does."""
        return int(_PROCESS.unpack_from(self._memory, _SUPERVISOR_AT)[0])

    @supervisor.setter
    def supervisor(self, pid: int) -> None:
        _PROCESS.pack_into(self._memory, _SUPERVISOR_AT, pid)

    @property
    def mishap(self) -> str:
        """What went wrong in the supervisor, empty when nothing did."""
        text = self._memory[_MISHAP_AT : _MISHAP_AT + _MISHAP_SIZE]
        return text.rstrip(b"\0").decode("ascii", "replace")

    @mishap.setter
    def mishap(self, text: str) -> None:
        data = text.encode("ascii", "replace")[:_MISHAP_SIZE]
        self._memory[_MISHAP_AT : _MISHAP_AT + len(data)] = data

    def close(self) -> None:
        """Let go of the memory; nothing can be read any more."""
        self._memory.close()

    def slot(self) -> memoryview:
        """Give the place whose beginning keeps the notification in hand, for a successor to find.

        It is as long as it takes for ``fcntl.ioctl`` to have the kernel write here: what goes
        through a copy of Python's own is lost with a supervisor that is killed right then.
        """
        return memoryview(self._memory)[_NOTIFICATION_AT : _NOTIFICATION_AT + _NEVER_COPIED]

    def append(self, notification: int, fields: tuple[int | float | bytes, ...]) -> int:
        """Write a record, and give its position."""
        memory = self._memory
        position: int = _COUNT.unpack_from(memory, _COUNT_AT)[0]
        place = _HEADER_SIZE + position % CAPACITY * _STEP
        _RECORD.pack_into(memory, place, position + 1, notification, *fields)
        _COUNT.pack_into(memory, _COUNT_AT, position + 1)
        return position

    def settle(self, position: int, progress: int) -> None:
        """Note what became of a record that was in hand."""
        place = _HEADER_SIZE + position % CAPACITY * _STEP
        self._memory[place + _PROGRESS_AT] = progress

    def socket_at(self, position: int) -> tuple[int, int]:
        """Read the cookie and the port of a record."""
        place = _HEADER_SIZE + position % CAPACITY * _STEP
        cookie, port = _SOCKET.unpack_from(self._memory, place)
        return cookie, port

    def fields_at(self, position: int) -> tuple[Any, ...] | None:
        """Read a record, or give ``None`` when it was overwritten or is not there yet."""
        place = _HEADER_SIZE + position % CAPACITY * _STEP
        fields = _RECORD.unpack_from(self._memory, place)
        return fields if fields[0] == position + 1 else None


def make_memory() -> int:
    """Make the shared memory, and give its descriptor.

    Raises:
        OSError: The system has no such thing.
    """
    if not hasattr(os, "memfd_create"):
        raise OSError("this system has no memfd_create")
    descriptor = os.memfd_create("keepalive-watch", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _SIZE)
    return descriptor
