"""How the helper process is started.

Rules
1. By ``subprocess`` with Python as the program: this process may have threads, and forking it
   to run Python in the child is not safe then.
2. The interpreter is started bare (``-I -S``), and loads nothing of this package but what the
   helper needs: the time it takes is the user's.
3. The process that is started is waited for as soon as it has left: at once with the watch of
   a whole process (see ``_helper``), behind the last process of a program otherwise.
"""

from __future__ import annotations

import atexit
import os
import select
import subprocess
import sys

from pytest_keepalive._watch._control import Control, make_pair

Standard = int

# The package without its __init__, which would import all of it.
_BOOT = (
    "import sys; package = type(sys)('pytest_keepalive'); package.__path__ = [sys.argv[1]]; "
    "sys.modules['pytest_keepalive'] = package; "
    "from pytest_keepalive._watch._helper import main; main(*sys.argv[2:6])"
)
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


# Helpers of daemons that outlive their program.
_staying: list[subprocess.Popen[bytes]] = []


class Starter:
    """A helper that is being started.

    Args:
        purpose: ``WATCH``, ``RUN`` or ``RUN_BARE``, see ``_helper``.
        memory: The descriptor of the ring.
        job: The descriptor of a file with the job, -1 without one.
        standard: The descriptors that the program has as its standard ones; the null device
            without them.

    Raises:
        OSError: No process can be started.
    """

    def __init__(
        self,
        purpose: str,
        memory: int,
        job: int = -1,
        standard: tuple[Standard, Standard, Standard] | None = None,
    ) -> None:
        _bury_the_dead()
        self.control, theirs = make_pair()
        passed = [theirs.fileno(), memory, *([job] if job >= 0 else [])]
        nothing = subprocess.DEVNULL
        stdin, stdout, stderr = standard or (nothing, nothing, nothing)
        try:
            self._process = subprocess.Popen(
                _command(purpose, theirs, memory, job),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=passed,
                start_new_session=True,
            )
        except BaseException:
            self.control.close()
            raise
        finally:
            theirs.close()

    def has_left(self) -> bool:
        """Tell whether the helper has left, behind the last process of its program."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait for the helper, or take it off this process's hands.

        Args:
            seconds: How long; daemons that a program left keep their helper for longer.
        """
        if _ends_within(self._process.pid, seconds):
            self._process.wait()
        else:
            _staying.append(self._process)


def _command(purpose: str, theirs: Control, memory: int, job: int) -> list[str]:
    arguments = [purpose, str(theirs.fileno()), str(memory), str(job)]
    # The last argument is there to be read in a list of processes.
    return [
        sys.executable,
        *("-I", "-S", "-c"),
        _BOOT,
        _PACKAGE,
        *arguments,
        f"pytest-keepalive for process {os.getpid()}",
    ]


def _ends_within(pid: int, seconds: float) -> bool:
    """Wait for the end of a child; ``Popen.wait`` with a time-out sleeps in between."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(pidfd)


def _bury_the_dead() -> None:
    _staying[:] = [process for process in _staying if process.poll() is None]


def _disown() -> None:
    # They are meant to outlive this process, which Popen would complain of.
    _bury_the_dead()
    for process in _staying:
        process.returncode = 0


atexit.register(_disown)
