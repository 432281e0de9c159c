"""Python run in a process of its own: a filter cannot be taken from the one that has it.

The helpers below are for the scripts; ``watch`` is what most of them begin with.
"""

from __future__ import annotations

import ctypes
import errno
import json
import socket
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_PROLOGUE = """
import errno, json, os, platform, signal, socket, subprocess, sys, threading, time
from tests.watch.elsewhere import *
"""
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION = 0x20080522


def run(script: str | list[str], *arguments: object) -> Any:
    """Run a script, and give what it told.

    Args:
        script: Python, in one or more blocks, with everything of this module at hand.
        arguments: Its ``sys.argv[1:]``.
    """
    blocks = [script] if isinstance(script, str) else script
    code = _PROLOGUE + "".join(textwrap.dedent(block) + "\n" for block in blocks)
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


# For the scripts.


def tell(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def port() -> int:
    return int(sys.argv[1])


def connect(times: int = 1) -> None:
    for _ in range(times):
        socket.create_connection(("127.0.0.1", port())).close()


def connect_holding_the_interpreter(times: int) -> None:
    """Connect as a native client may: without letting any other thread run."""
    library = ctypes.PyDLL(None)
    address = struct.pack("=H", 2) + struct.pack("!H", port()) + b"\x7f\0\0\1" + bytes(8)
    for _ in range(times):
        with socket.socket() as sock:
            if library.connect(sock.fileno(), address, len(address)):
                raise OSError("connect")


def read(path: str) -> str:
    return Path(path).read_text()


def give_up_capabilities() -> None:
    """Become what an ordinary user is, without another user's number."""
    library = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("=II", _CAPABILITY_VERSION, 0)
    if library.capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


def forbid(number: int, error: int = errno.EPERM) -> None:
    """Come under a filter that makes a system call fail, as that of a container may."""
    from pytest_keepalive._watch import _seccomp

    _seccomp.install(_seccomp.forbidding(number, error), listener=False)
