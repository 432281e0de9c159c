"""``run_watched``: a program in any language, and the connections that it opened."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from pytest_keepalive._watch._client_run import ClientRun
from pytest_keepalive._watch._process_watch import current_watch
from pytest_keepalive._watch._program import Argument, PrivilegeWarning, Program, find_program
from pytest_keepalive._watch._run_sampled import Sampled
from pytest_keepalive._watch._support import look_for_support, privileges_are_lost, refusal


def run_watched(
    argv: Sequence[Argument],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Argument | None = None,
    input: str | bytes | None = None,
    timeout: float | None = 30.0,
) -> ClientRun:
    """Run a program, and tell what it and all its descendants connected to.

    It returns when the program has ended, and does not wait for processes that outlive it; see
    ``ClientRun.now`` for what these do.

    Args:
        argv: The program and its arguments.
        env: Its whole environment; ``None`` for this process's.
        cwd: Its working directory; ``None`` for this process's.
        input: What it reads from standard input; text is given as UTF-8.
        timeout: What it is given, in seconds; ``None`` for as long as it takes.

    Raises:
        FileNotFoundError: There is no such program.
        PermissionError: It is not executable.
        OSError: It cannot be run for another reason.
        ClientTimeout: It did not end in time; it was killed with all that it had started.
        WatchLost: The watch was killed.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has no meaning.
    """
    program = find_program(argv, env, cwd)
    data = _encoded(input)
    _check_timeout(timeout)
    support = look_for_support()
    if not support.available:
        return Sampled(program, data, tuple(map(refusal, support.missing))).run(timeout)
    _tell_of_lost_privilege(program)
    from pytest_keepalive._watch._under_watch import UnderWatch

    watch = current_watch()
    outer, tracer = (None, 0) if watch is None else (watch.ring, watch.helper)
    return UnderWatch(program, data, outer, tracer).run(timeout)


def _encoded(text: str | bytes | None) -> bytes:
    if text is None:
        return b""
    if isinstance(text, str):
        return text.encode()
    if not isinstance(text, (bytes, bytearray, memoryview)):
        raise TypeError(f"input must be str or bytes, not {type(text).__name__}")
    return bytes(text)


def _check_timeout(timeout: float | None) -> None:
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}")
    if not timeout > 0:
        raise ValueError(f"timeout must be above 0 seconds, not {timeout!r}")


def _tell_of_lost_privilege(program: Program) -> None:
    privilege = program.privilege()
    if privilege is not None and privileges_are_lost():
        warnings.warn(
            f"{program.name} is a {privilege} program: under the watch it runs without that "
            "privilege, since an unprivileged watch sets PR_SET_NO_NEW_PRIVS",
            PrivilegeWarning,
            stacklevel=3,
        )
