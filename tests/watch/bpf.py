"""Runs a classic BPF program as the kernel does: what a filter decides, on any machine."""

from __future__ import annotations

import struct

_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06


def decide(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Give the action that a filter returns for a system call."""
    padded = (*arguments, *[0] * 6)[:6]
    data = struct.pack("<iIQ6Q", number - (1 << 32 if number >> 31 else 0), arch, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        if code == _RETURN:
            return int(value)
        if code == _LOAD:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code in (_JUMP_EQUAL, _JUMP_SET):
            holds = accumulator == value if code == _JUMP_EQUAL else accumulator & value
            at += if_true if holds else if_false
        else:
            raise AssertionError(f"instruction {code:#x} is not known here")
