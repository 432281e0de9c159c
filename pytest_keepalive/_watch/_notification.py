"""What the kernel tells a supervisor, and the supervisor's answer (seccomp_unotify(2)).

Rules
1. The answer is always that the call goes on (SECCOMP_USER_NOTIF_FLAG_CONTINUE).
2. An answer that the kernel does not take (ENOENT) means that the caller was interrupted or
   killed, and that its call was not made.
3. This module imports little: the helper process has to start quickly.
"""

from __future__ import annotations

import struct

from pytest_keepalive._watch._calls import CONNECT, IO_URING_SETUP, MACHINES, SENDTO, SOCKETCALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_keepalive._watch._system_calls import MemoryReader

# identity; thread, flags; number, arch, instruction pointer, six arguments
NOTIFICATION = struct.Struct("=QIIiIQ6Q")

_RECEIVE, _SEND, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082104
_SYNC_WAKE_UP = 1
_ANSWER = struct.Struct("=QqiI")
_CONTINUE = 1
_WORD = 0xFFFFFFFF
_MESSAGE_HEAD = {True: struct.Struct("=QI"), False: struct.Struct("=II")}
_SOCKETCALL_ARGUMENTS = struct.Struct("=III")

# What follows the identity.
Call = list[int]
# A destination as the caller gave it: descriptor, address of the sockaddr, and its size.
Target = tuple[int, int, int]


class Listener:
    """The supervisor's end of a filter.

    Args:
        descriptor: What the installation gave.
        slot: Where notifications are to be put by the kernel itself (see ``Ring.slot``); the
            beginning is zeroes whenever one is received.
    """

    def __init__(self, descriptor: int, slot: memoryview) -> None:
        from fcntl import ioctl

        self.descriptor = descriptor
        self._slot = slot
        self._answer = bytearray(_ANSWER.size)
        self._ioctl = ioctl
        # The caller and the supervisor take turns: better on one processor (Linux 6.6).
        _try(ioctl, descriptor, _SET_FLAGS, _SYNC_WAKE_UP)

    def receive(self) -> bool:
        """Take the next notification, and tell whether there was one."""
        try:
            self._ioctl(self.descriptor, _RECEIVE, self._slot)
        except OSError:
            return False
        return True

    def let_go(self, notification: int) -> bool:
        """Let a call go on, and tell whether its caller was still waiting."""
        _ANSWER.pack_into(self._answer, 0, notification, 0, 0, _CONTINUE)
        while True:
            try:
                self._ioctl(self.descriptor, _SEND, self._answer)
            except InterruptedError:
                continue
            except OSError:
                return False
            return True


class Calls:
    """Tells what a notified call is about.

    Args:
        machine: What ``os.uname().machine`` says.
        memory: Reads the callers' memory.
    """

    def __init__(self, machine: str, memory: MemoryReader) -> None:
        self._memory = memory
        self._kinds = {
            (abi.arch, number): (kind, abi.wide)
            for abi in MACHINES[machine].abis
            for number, kind in abi.calls.items()
        }

    def target_of(self, call: Call) -> Target | None:
        """Give the descriptor, and where and how long the socket address is.

        Returns:
            ``None`` when the call is io_uring_setup, which has none.

        Raises:
            OSError: The caller's memory cannot be read.
        """
        # thread, flags; number, arch, instruction pointer, then the arguments
        kind, wide = self._kinds[call[3], call[2]]
        if kind == CONNECT:
            return call[5] & _WORD, call[6], call[7] & _WORD
        if kind == SENDTO:
            return call[5] & _WORD, call[9], call[10] & _WORD
        if kind == SOCKETCALL:
            return self._socketcall(call[0], call[6])
        if kind == IO_URING_SETUP:
            return None
        return call[5] & _WORD, *self._message_name(call[0], call[6], wide)

    def _socketcall(self, tid: int, address: int) -> Target:
        layout = _SOCKETCALL_ARGUMENTS
        descriptor, name, size = layout.unpack_from(self._memory.read(tid, address, layout.size))
        return descriptor, name, size

    def _message_name(self, tid: int, address: int, wide: bool) -> tuple[int, int]:
        # msghdr and mmsghdr both begin with the address of the name, and its length.
        head = _MESSAGE_HEAD[wide]
        name, size = head.unpack_from(self._memory.read(tid, address, head.size))
        return name, size


def _try(call: Callable[..., object], *arguments: object) -> None:
    try:
        call(*arguments)
    except OSError:
        return
