"""The program's own process, from its birth to its first instruction.

Rules
1. It has a group of its own, so that all of it can be killed. The session is the helper's, and
   no terminal's: Linux shares the processor out to sessions (autogroups, sched(7)), and these
   two take turns. Signals are as a program expects them (Python ignores SIGPIPE and SIGXFSZ).
2. It comes under the filter here, hands the listener over, and goes on when the supervisor has
   it: not one connect is missed, and none waits for nobody.
3. Where the kernel refuses the filter, the program runs without, and this is told.
4. It inherits no descriptor but its three standard ones.
"""

from __future__ import annotations

import errno
import os

from pytest_keepalive._watch._control import FAILED, LISTENER, REFUSED, Control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# argv, env, cwd, the path of the program, what may trace it (0 for nothing in particular)
Job = tuple["list[bytes]", "dict[bytes, bytes]", "bytes | None", bytes, int]

_signal = __import__("_signal")
_CANNOT_RUN = 127


def launch(job: Job, supervisor: Control | None, starter: Control) -> NoReturn:
    """Become the program; call it in a new process.

    Args:
        job: What to run.
        supervisor: Who is handed the listener; ``None`` for no filter.
        starter: Who is told when the program cannot be run.
    """
    argv, env, cwd, path, tracer = job
    os.setpgid(0, 0)
    for name in ("SIGPIPE", "SIGXFSZ"):
        _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    where = cwd
    try:
        if cwd is not None:
            os.chdir(cwd)
        where = path
        if tracer:
            _allow_tracing(tracer)
        if supervisor is not None:
            _come_under_watch(supervisor)
        os.execve(path, argv, env)
    except OSError as error:
        starter.send(FAILED, error.errno, os.fsdecode(where or b""))
    finally:
        os._exit(_CANNOT_RUN)


def _allow_tracing(tracer: int) -> None:
    # Yama lets only ancestors look into a process, unless it names somebody else.
    from pytest_keepalive._watch._system_calls import PR_SET_PTRACER, prctl

    try:
        prctl(PR_SET_PTRACER, tracer)
    except OSError:
        return


def _come_under_watch(supervisor: Control) -> None:
    from pytest_keepalive._watch._seccomp import install, program, this_machine

    machine = this_machine()
    assert machine is not None
    try:
        listener = install(program(machine))
    except OSError as error:
        supervisor.send(REFUSED, error.errno)
    else:
        supervisor.send(LISTENER, descriptor=listener)
        os.close(listener)
    message, _ = supervisor.receive()
    if not message:
        raise OSError(errno.EOWNERDEAD, os.strerror(errno.EOWNERDEAD))
