"""The filter that tells a supervisor of every connect(2) (seccomp_unotify(2)).

Rules
1. The filter notifies and never decides: the supervisor lets every call go on. What opens no
   connection is allowed by the filter itself, so that it costs next to nothing.
2. A filter cannot be removed, and children inherit it.
3. PR_SET_NO_NEW_PRIVS is set only where the kernel asks for it (EACCES): a set-uid program
   keeps its privilege under a privileged watch.
4. Flags that the kernel does not know (EINVAL) are left out, the youngest first.
5. Only one filter in a process tree can have a listener (EBUSY).
"""

from __future__ import annotations

import os
import struct

from pytest_keepalive._watch._calls import (
    FLAGS_ARGUMENT,
    MACHINES,
    MSG_FASTOPEN,
    SOCKETCALL,
    SYS_CONNECT,
    Abi,
    Machine,
)

NOTIFY = 0x7FC00000
ALLOW = 0x7FFF0000
ERRNO = 0x00050000

_SET_MODE_FILTER = 1
_GET_ACTION_AVAIL = 2
_TSYNC, _SPEC_ALLOW, _NEW_LISTENER, _TSYNC_ESRCH, _WAIT_KILLABLE = 1, 4, 8, 16, 32
_OPTIONAL = (_WAIT_KILLABLE, _SPEC_ALLOW)
_PR_SET_NO_NEW_PRIVS = 38
_EACCES, _EINVAL = 13, 22

_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_INSTRUCTION = struct.Struct("=HBBI")

Instruction = tuple[int, int, int, int]


def this_machine() -> Machine | None:
    """Give the numbers of this processor's system calls, or ``None`` when they are not known."""
    uname = getattr(os, "uname", None)
    return MACHINES.get(uname().machine) if uname is not None else None


def program(machine: Machine) -> bytes:
    """Write the filter, as classic BPF (seccomp(2)).

    Args:
        machine: The processor that it is for.
    """
    instructions: list[Instruction] = [(_LOAD, 0, 0, _ARCH_AT)]
    for arch in dict.fromkeys(abi.arch for abi in machine.abis):
        table = _table([abi for abi in machine.abis if abi.arch == arch])
        instructions += [(_JUMP_EQUAL, 0, len(table), arch), *table]
    instructions.append(_returning(ALLOW))
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions)


def _table(abis: list[Abi]) -> list[Instruction]:
    table: list[Instruction] = [(_LOAD, 0, 0, _NUMBER_AT)]
    for abi in abis:
        for number, kind in abi.calls.items():
            table += _rule(number, kind)
    return [*table, _returning(ALLOW)]


def _rule(number: int, kind: int) -> list[Instruction]:
    """Notify of one system call, and only when its flags say that it connects."""
    if kind in FLAGS_ARGUMENT:
        test = (_JUMP_SET, 0, 1, MSG_FASTOPEN)
        rule = [*_argument(FLAGS_ARGUMENT[kind]), test, _returning(NOTIFY), _returning(ALLOW)]
    elif kind == SOCKETCALL:
        test = (_JUMP_EQUAL, 0, 1, SYS_CONNECT)
        rule = [*_argument(0), test, _returning(NOTIFY), _returning(ALLOW)]
    else:
        rule = [_returning(NOTIFY)]
    return [(_JUMP_EQUAL, 0, len(rule), number), *rule]


def _argument(index: int) -> list[Instruction]:
    # The low word comes first: every machine here is little endian.
    return [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index)]


def _returning(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def forbidding(number: int, error: int) -> bytes:
    """Write a filter under which one system call fails.

    Args:
        number: The system call's.
        error: The error number that it fails with.
    """
    return b"".join(
        _INSTRUCTION.pack(*instruction)
        for instruction in (
            (_LOAD, 0, 0, _NUMBER_AT),
            (_JUMP_EQUAL, 0, 1, number),
            _returning(ERRNO | error),
            _returning(ALLOW),
        )
    )


def install(code: bytes, *, listener: bool = True, all_threads: bool = False) -> int:
    """Put this thread under a filter, for good.

    Args:
        code: The filter.
        listener: Whether the filter notifies.
        all_threads: Whether the other threads of this process come under it too.

    Returns:
        The listener's file descriptor, 0 without one.

    Raises:
        OSError: With the kernel's error number; EBUSY when a filter of this process already
            has a listener.
    """
    flags = _SPEC_ALLOW
    if listener:
        flags |= _NEW_LISTENER | _WAIT_KILLABLE
    if all_threads:
        flags |= _TSYNC | (_TSYNC_ESRCH if listener else 0)
    try:
        return _install(code, flags)
    except OSError as error:
        if error.errno != _EACCES:
            raise
    _forgo_new_privileges()
    return _install(code, flags)


def _install(code: bytes, flags: int) -> int:
    laid_out = _Program(code)
    for left_out in (0, *_OPTIONAL):
        flags &= ~left_out
        try:
            return _seccomp(_SET_MODE_FILTER, flags, laid_out.address)
        except OSError as error:
            if error.errno != _EINVAL or left_out == _OPTIONAL[-1]:
                raise
    raise AssertionError("the last attempt returns or raises")


def notifies() -> bool:
    """Tell whether this kernel can notify (Linux 5.0 and later).

    Raises:
        OSError: It refuses to be asked.
    """
    action = struct.pack("=I", NOTIFY)
    try:
        _seccomp(_GET_ACTION_AVAIL, 0, _address_of(action))
    except OSError as error:
        import errno

        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            return False
        raise
    return True


class _Program:
    """A filter laid out as the kernel reads it: ``struct sock_fprog``."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        length = len(code) // _INSTRUCTION.size
        self._header = struct.pack("@HP", length, _address_of(code))
        self.address = _address_of(self._header)


def _address_of(data: bytes) -> int:
    import ctypes

    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def _forgo_new_privileges() -> None:
    from pytest_keepalive._watch._system_calls import prctl

    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _seccomp(operation: int, flags: int, address: int) -> int:
    from pytest_keepalive._watch._system_calls import holding_the_interpreter

    machine = this_machine()
    assert machine is not None
    return holding_the_interpreter(machine.seccomp, operation, flags, address)
