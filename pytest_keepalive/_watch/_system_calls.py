"""System calls that Python has no function for; Linux only, nothing is loaded before a call.

Rules
1. ``holding_the_interpreter`` does not let go of the GIL: between the installation of a filter
   and the hand-over of its listener no other thread may run Python.
"""

from __future__ import annotations

import errno
import os
import struct

PIDFD_THREAD = getattr(os, "O_EXCL", 0)
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_SET_PTRACER = 0x59616D61

# The numbers of calls younger than 2019 are the same on every architecture.
_PIDFD_GETFD = 438
_VECTOR = struct.Struct("@PN")
_READ_AT_MOST = 128


class _Libraries:
    """The C library, loaded twice.

    ``careful`` converts arguments and keeps the error number. ``swift`` does neither, and holds
    on to the GIL: in the helper process that costs a third, and there is no other thread.
    """

    def __init__(self) -> None:
        import ctypes

        self.careful = ctypes.CDLL(None, use_errno=True)
        self.holding = ctypes.PyDLL(None, use_errno=True)
        self.swift = ctypes.PyDLL(None)
        for library in (self.careful, self.holding):
            library.syscall.restype = ctypes.c_long
            library.syscall.argtypes = (ctypes.c_long,) * 5
            library.prctl.argtypes = (ctypes.c_int,) + (ctypes.c_ulong,) * 4
        self.errno = ctypes.get_errno


_libraries: _Libraries | None = None


def libraries() -> _Libraries:
    """Give the C library."""
    global _libraries
    if _libraries is None:
        _libraries = _Libraries()
    return _libraries


def _checked(result: int) -> int:
    if result < 0:
        number = libraries().errno()
        raise OSError(number, os.strerror(number))
    return result


def holding_the_interpreter(number: int, *arguments: int) -> int:
    """Make a system call without letting go of the GIL.

    Raises:
        OSError: It failed.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(libraries().holding.syscall(number, *padded))


def prctl(option: int, argument: int) -> int:
    """Set an attribute of this process (prctl(2)).

    Raises:
        OSError: It failed.
    """
    return _checked(libraries().careful.prctl(option, argument, 0, 0, 0))


def name_this_process(name: str) -> None:
    """Set what ``ps`` and ``/proc/PID/comm`` call this process, 15 bytes at most."""
    import ctypes

    buffer = ctypes.create_string_buffer(name.encode()[:15])
    prctl(PR_SET_NAME, ctypes.addressof(buffer))


class Duplicator:
    """Duplicates descriptors of other processes (pidfd_getfd(2))."""

    def __init__(self) -> None:
        import ctypes

        self._number = ctypes.c_long(_PIDFD_GETFD)
        self._swift = libraries().swift.syscall
        self._careful = libraries().careful.syscall

    def duplicate(self, pidfd: int, descriptor: int) -> int:
        """Give a descriptor of this process.

        Raises:
            OSError: It failed; ESRCH when that process is gone.
        """
        got: int = self._swift(self._number, pidfd, descriptor, 0)
        if got >= 0:
            return got
        return _checked(self._careful(_PIDFD_GETFD, pidfd, descriptor, 0, 0))


class MemoryReader:
    """Reads a few bytes of another process's memory (process_vm_readv(2))."""

    def __init__(self) -> None:
        import ctypes

        def address_of(buffer: bytearray) -> int:
            return ctypes.addressof(ctypes.c_char.from_buffer(buffer))

        self._buffer = bytearray(_READ_AT_MOST)
        self._remote = bytearray(_VECTOR.size)
        self._local = bytearray(_VECTOR.pack(address_of(self._buffer), _READ_AT_MOST))
        # Ready-made arguments: converting them anew costs as much as the call.
        self._local_at = ctypes.c_void_p(address_of(self._local))
        self._remote_at = ctypes.c_void_p(address_of(self._remote))
        self._one, self._none = ctypes.c_ulong(1), ctypes.c_ulong(0)
        self._call = libraries().swift.process_vm_readv

    def read(self, tid: int, address: int, size: int) -> bytearray:
        """Give a buffer that begins with the bytes; it is good until the next reading.

        Raises:
            OSError: The memory cannot be read: EFAULT where there is none.
        """
        _VECTOR.pack_into(self._remote, 0, address, size)
        one = self._one
        if self._call(tid, self._local_at, one, self._remote_at, one, self._none) != size:
            self._read_file(tid, address, size)
        return self._buffer

    def _read_file(self, tid: int, address: int, size: int) -> None:
        # Older container profiles forbid process_vm_readv and not the file.
        descriptor = os.open(f"/proc/{tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(descriptor, size, address)
        except OSError as error:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT)) from error
        finally:
            os.close(descriptor)
        self._buffer[: len(data)] = data
