"""The system calls that open a TCP connection, by architecture.

Rules
1. connect(2) opens one. sendto, sendmsg and sendmmsg do with MSG_FASTOPEN (RFC 7413).
2. socketcall(2) with SYS_CONNECT is the way of older 32-bit programs; its other calls carry
   their arguments in memory, where no filter can look: Fast Open through it is not seen.
3. io_uring connects by itself (IORING_OP_CONNECT), and no filter sees that: that a ring was
   set up is all there is to know.
4. This module imports nothing: the helper process has to start quickly.
"""

from __future__ import annotations

CONNECT, SENDTO, SENDMSG, SENDMMSG, SOCKETCALL, IO_URING_SETUP = range(1, 7)
SYS_CONNECT = 3
MSG_FASTOPEN = 0x20000000
# Which argument holds the flags that MSG_FASTOPEN is looked for in.
FLAGS_ARGUMENT = {SENDTO: 3, SENDMSG: 2, SENDMMSG: 3}

_X32 = 0x40000000


class Abi:
    """One way of making system calls.

    Args:
        arch: The AUDIT_ARCH number, which is what a filter sees.
        wide: Whether pointers have 64 bits.
        calls: What each system call number does.
    """

    __slots__ = ("arch", "calls", "wide")

    def __init__(self, arch: int, wide: bool, calls: dict[int, int]) -> None:
        self.arch = arch
        self.wide = wide
        self.calls = calls


class Machine:
    """A kind of processor.

    Args:
        seccomp: The number of seccomp(2).
        abis: The ways of making system calls, the 32-bit ones too.
    """

    __slots__ = ("abis", "seccomp")

    def __init__(self, seccomp: int, *abis: Abi) -> None:
        self.seccomp = seccomp
        self.abis = abis


def _calls(
    connect: int, sendto: int, sendmsg: int, sendmmsg: int, offset: int = 0
) -> dict[int, int]:
    numbers = {connect: CONNECT, sendto: SENDTO, sendmsg: SENDMSG, sendmmsg: SENDMMSG}
    numbers[425] = IO_URING_SETUP
    return {number + offset: kind for number, kind in numbers.items()}


MACHINES = {
    "x86_64": Machine(
        317,
        Abi(0xC000003E, True, _calls(42, 44, 46, 307)),
        Abi(0xC000003E, False, _calls(42, 44, 518, 538, _X32)),
        Abi(0x40000003, False, {**_calls(362, 369, 370, 345), 102: SOCKETCALL}),
    ),
    "aarch64": Machine(
        277,
        Abi(0xC00000B7, True, _calls(203, 206, 211, 269)),
        Abi(0x40000028, False, _calls(283, 290, 296, 374)),
    ),
}
