"""From a notification to a record: which socket, which destination, and whether it counts.

Rules
1. Only TCP and MPTCP (RFC 8684) count, and only towards IPv4 and IPv6. SOL_TCP's options are
   what those two have and others have not.
2. A connect counts when the socket is in state CLOSE at that moment: repeated connects of a
   pending socket, and calls that a signal made start anew, find it in another state. A socket
   that connects again after AF_UNSPEC dissolved its association (connect(2)) counts again.
3. Where descriptors may not be duplicated (pidfd_getfd refused), the name of the protocol in
   ``/proc/TID/fd`` tells TCP, and the inode tells sockets apart; no state is known there, so
   that a socket counts once until its association is dissolved.
4. Where neither can be looked at, the call is recorded as hidden: it may be anything.
5. The duplicate of a descriptor is closed at once: a held one would delay the FIN.
6. SO_ERROR is never read, since that takes it away from the program (socket(7)).
"""

from __future__ import annotations

import _socket
import errno
import os
import struct
import time

from pytest_keepalive._watch import _ring
from pytest_keepalive._watch._notification import Calls
from pytest_keepalive._watch._system_calls import Duplicator, MemoryReader
from pytest_keepalive._watch._task import Task, Tasks

_SOL_TCP, _TCP_INFO, _SO_COOKIE, _SO_PROTOCOL = 6, 11, 57, 38
_MPTCP = 262
_CLOSE = 7
_UNSPEC, _INET, _INET6 = 0, 2, 10
_SIZES = {_INET: 16, _INET6: 24}
_SOCKADDR_SIZE = 28
_FAMILY = struct.Struct("=H")
_IPV4 = struct.Struct("!2xH4s")
_IPV6 = struct.Struct("!2xH4x16s")
_SCOPE = struct.Struct("=24xI")
_COOKIE = struct.Struct("=Q")
_TCP_NAMES = frozenset((b"TCP", b"TCPv6", b"MPTCP", b"MPTCPv6"))
_NO_SOCKET = frozenset((errno.ENOENT, errno.EOPNOTSUPP, errno.ENODATA))
# Sockets of which no state is known, and that have connected; the oldest are forgotten.
_REMEMBERED = 65536

Fields = tuple["int | float | bytes", ...]
# family, port, address, scope
Destination = tuple[int, int, bytes, int]
# look, cookie, inode
Look = tuple[int, int, int]

_NOWHERE: Destination = (0, 0, b"", 0)
_NOT_SEEN: Look = (_ring.UNSEEN, 0, 0)


class Examiner:
    """Judges notifications.

    Args:
        machine: What ``os.uname().machine`` says.
        runners: Whether to find the runners that processes descend from.
    """

    def __init__(self, machine: str, runners: bool) -> None:
        self._memory = MemoryReader()
        self._duplicator = Duplicator()
        self._calls = Calls(machine, self._memory)
        self._tasks = Tasks(runners)
        self._connected: dict[int, None] = {}

    def examine(self, call: list[int]) -> Fields | None:
        """Give the fields of a record, or ``None`` when the call opens no TCP connection.

        Args:
            call: A notification, without its identity.

        Raises:
            OSError: The caller is gone.
        """
        tid = call[0]
        try:
            target = self._calls.target_of(call)
            if target is None:
                return _fields(_ring.IO_URING, self._tasks.meet(tid), -1, _NOWHERE, _NOT_SEEN)
            destination = self._destination(tid, target[1], target[2])
        except PermissionError:
            target, destination = (call[5] & 0xFFFFFFFF, 0, 0), _NOWHERE
        except OSError as error:
            if error.errno == errno.EFAULT:
                return None
            raise
        if destination is None:
            return None
        try:
            return self._judge(self._tasks.get(tid), target[0], destination)
        except ProcessLookupError:
            # The number was another thread's when it was last met.
            return self._judge(self._tasks.meet(tid), target[0], destination)

    def _destination(self, tid: int, address: int, size: int) -> Destination | None:
        """Read a sockaddr; ``None`` when the kernel would refuse it, or it is no IP address."""
        if size < _FAMILY.size:
            return None
        data = self._memory.read(tid, address, min(size, _SOCKADDR_SIZE))
        family = _FAMILY.unpack_from(data)[0]
        if family == _UNSPEC:
            return _UNSPEC, 0, b"", -1
        if size < _SIZES.get(family, 1 << 32):
            return None
        if family == _INET:
            port, host = _IPV4.unpack_from(data)
            return family, port, host, 0
        port, host = _IPV6.unpack_from(data)
        return family, port, host, _SCOPE.unpack_from(data)[0] if size >= _SOCKADDR_SIZE else 0

    def _judge(self, task: Task, descriptor: int, destination: Destination) -> Fields | None:
        dissolving = destination[3] < 0
        look = self._look(task, descriptor, dissolving)
        if look is None or dissolving:
            return None
        kind = _ring.HIDDEN if look is _NOT_SEEN else _ring.CONNECT
        return _fields(kind, task, descriptor, destination, look)

    def _look(self, task: Task, descriptor: int, dissolving: bool) -> Look | None:
        """Look at a socket; ``None`` when this call opens no TCP connection."""
        if dissolving and not self._connected:
            return None
        try:
            duplicate = self._duplicator.duplicate(task.pidfd, descriptor)
        except OSError as error:
            if error.errno == errno.EBADF and task.pidfd >= 0:
                return None
            if error.errno == errno.ESRCH:
                raise
            return self._look_by_name(task.tid, descriptor, dissolving)
        try:
            # Told everything, the constructor asks the kernel for next to nothing.
            sock = _socket.socket(_INET, _socket.SOCK_STREAM, _SOL_TCP, duplicate)
        except OSError:
            os.close(duplicate)
            return None
        try:
            return self._look_at(sock, dissolving)
        finally:
            sock.close()

    def _look_at(self, sock: _socket.socket, dissolving: bool) -> Look | None:
        try:
            state = sock.getsockopt(_SOL_TCP, _TCP_INFO, 1)[0]
        except OSError:
            state = None
        if state is not None and state != _CLOSE:
            return None
        if state is None and not _is_mptcp(sock):
            return None
        cookie: int = _COOKIE.unpack(sock.getsockopt(_socket.SOL_SOCKET, _SO_COOKIE, 8))[0]
        if state is None and not self._counts(cookie, dissolving):
            return None
        return _ring.BY_DESCRIPTOR, cookie, 0

    def _look_by_name(self, tid: int, descriptor: int, dissolving: bool) -> Look | None:
        path = f"/proc/{tid}/fd/{descriptor}"
        try:
            name = os.getxattr(path, "system.sockprotoname").rstrip(b"\0")
            inode = os.stat(path).st_ino
        except OSError as error:
            # No such descriptor, or no socket: connect(2) is about to say so itself.
            return None if error.errno in _NO_SOCKET else _NOT_SEEN
        if name not in _TCP_NAMES or not self._counts(inode, dissolving):
            return None
        return _ring.BY_NAME, 0, inode

    def _counts(self, identity: int, dissolving: bool) -> bool:
        """Tell whether a socket without a known state connects for the first time."""
        if dissolving:
            self._connected.pop(identity, None)
            return False
        if identity in self._connected:
            return False
        if len(self._connected) >= _REMEMBERED:
            del self._connected[next(iter(self._connected))]
        self._connected[identity] = None
        return True


def _fields(kind: int, task: Task, descriptor: int, destination: Destination, look: Look) -> Fields:
    family, port, host, scope = destination
    how, cookie, inode = look
    now = time.monotonic()
    task.refresh_names(now)
    # The order is that of ``_record.Record``, from its third field on.
    whose = (now, cookie, inode, task.tid, task.tgid, task.run, descriptor)
    names = (task.name, task.process_name)
    return (*whose, scope, family, port, kind, how, _ring.IN_HAND, host, *names)


def _is_mptcp(sock: _socket.socket) -> bool:
    try:
        return sock.getsockopt(_socket.SOL_SOCKET, _SO_PROTOCOL) == _MPTCP
    except OSError:
        return False
