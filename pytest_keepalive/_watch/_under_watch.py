"""A program run with a helper beside it; Linux only.

Rules
1. The program is a child of the helper, and this process waits for both: for what the program
   writes, for what the helper tells, and for the time that is allowed, whichever comes first.
2. Whatever ends the wait too early (a time-out, an interrupt) ends the program too, with all
   its descendants; if the helper does not do it in time, the group is killed from here.
3. Under the watch of this very process no filter is installed (EBUSY): the program's connects
   are in that watch's ring, told by its runner.
"""

from __future__ import annotations

import errno
import marshal
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import ClassVar

from pytest_keepalive._watch._client_run import ClientRun, ClientTimeout, Seen, WatchLost
from pytest_keepalive._watch._control import EXITED, FAILED, KILL, REFUSED, STARTED
from pytest_keepalive._watch._evidence import Evidence
from pytest_keepalive._watch._helper import RUN, RUN_BARE
from pytest_keepalive._watch._program import Program
from pytest_keepalive._watch._pump import Pump
from pytest_keepalive._watch._ring import Ring, make_memory
from pytest_keepalive._watch._sampling import SAMPLED, Sampler
from pytest_keepalive._watch._starting import Starter
from pytest_keepalive._watch._support import explain, refusal

_KILLING_SECONDS = 3.0
_LEAVING_SECONDS = 1.0
_A_WHILE_SECONDS = 60.0
_SAMPLE_SECONDS = 0.02
# How long obituaries may take to come behind the end of their process.
_OBITUARY_SECONDS = 0.02


class UnderWatch:
    """A program that is being run.

    Args:
        program: What to run.
        data: What it reads.
        outer: The ring of the watch that this process is under, ``None`` without one.
        tracer: The supervisor of that watch, 0 without one.
    """

    def __init__(self, program: Program, data: bytes, outer: Ring | None, tracer: int) -> None:
        self._program = program
        self._began = time.monotonic()
        self._pump = Pump(data)
        memory = make_memory()
        job = _write_job(program, tracer)
        try:
            # What there is now is not the program's: this comes before it is started.
            self._evidence = Evidence(outer or Ring(memory), 0 if outer else None)
            self._helper = self._start(RUN_BARE if outer else RUN, memory, job)
        finally:
            os.close(memory)
            os.close(job)
            self._pump.let_go_of_standard()
        self._pump.watch(self._helper.control.fileno(), self._told)
        self._sampler: Sampler | None = None
        self._refusal: tuple[str, ...] = ()
        self._pid = 0
        self._status: int | None = None
        self._over = False
        self._ended = False
        self._left_running = False
        self._failure: OSError | None = None
        self._texts = ("", "")
        self._looking = Lock()

    def _start(self, purpose: str, memory: int, job: int) -> Starter:
        try:
            return Starter(purpose, memory, job, self._pump.standard)
        except BaseException:
            self._evidence.close()
            self._pump.close()
            raise

    def run(self, timeout: float | None) -> ClientRun:
        """Wait for the end of the program.

        Args:
            timeout: What it is given, in seconds; ``None`` for as long as it takes.

        Raises:
            ClientTimeout: It did not end in time.
            WatchLost: The helper was killed.
            OSError: The program cannot be run.
        """
        try:
            in_time = self._wait(timeout)
            self._end()
            result = self._result()
        except BaseException:
            self._end()
            self._evidence.close()
            raise
        if not in_time and timeout is not None:
            raise ClientTimeout(result, timeout)
        if self._status is None:
            raise WatchLost(result, "the processes that kept the watch were killed")
        return result

    def _wait(self, timeout: float | None) -> bool:
        """Wait until the program is over; tell whether it is."""
        deadline = None if timeout is None else self._began + timeout
        while not self._over:
            left = _A_WHILE_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            if self._sampler is not None:
                self._sampler.sample()
                left = min(left, _SAMPLE_SECONDS)
            self._pump.move(min(left, self._evidence.seconds_between))
            self._evidence.listen()
        return True

    def _end(self) -> None:
        """Kill what is still there, take in the rest, and let go of everything."""
        if self._ended:
            return
        self._ended = True
        if not self._over:
            self._kill()
        self._pump.drain()
        self._texts = self._pump.texts()
        self._pump.close()
        self._helper.wait(0.0 if self._left_running else _LEAVING_SECONDS)
        self._helper.control.close()

    def _kill(self) -> None:
        self._helper.control.send(KILL)
        deadline = time.monotonic() + _KILLING_SECONDS
        while not self._over and (left := deadline - time.monotonic()) > 0:
            self._pump.move(left)
        if not self._over:
            self._kill_group()

    def _kill_group(self) -> None:
        if self._pid:
            with suppress(OSError):
                os.killpg(self._pid, signal.SIGKILL)

    # What the helper tells.

    def _told(self) -> None:
        message, _ = self._helper.control.receive()
        if not message:
            # The helper leaves only behind the program: it was killed.
            self._kill_group()
            self._finish()
            return
        kind, *details = message
        self._HANDLERS[kind](self, *details)

    def _started(self, pid: int, runner: int) -> None:
        self._pid = pid
        if self._evidence.run is not None:
            self._evidence.run = runner
        if self._refusal:
            with suppress(OSError, ModuleNotFoundError):
                self._sampler = Sampler(pid)

    def _refused(self, number: int) -> None:
        self._refusal = (refusal(explain(number)), SAMPLED)

    def _failed(self, number: int, where: str) -> None:
        self._failure = _failure(number, where)
        self._finish()

    def _exited(self, status: int | None, left_running: bool) -> None:
        self._status, self._left_running = status, left_running
        self._finish()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._pump.unwatch(self._helper.control.fileno())

    _HANDLERS: ClassVar[dict[str, Callable[..., None]]] = {
        STARTED: _started,
        REFUSED: _refused,
        FAILED: _failed,
        EXITED: _exited,
    }

    # What comes of it.

    def _result(self) -> ClientRun:
        if self._failure is not None:
            raise self._failure
        seen = self._seen()
        stdout, stderr = self._texts
        if not self._left_running:
            self._evidence.close()
        return ClientRun(
            argv=tuple(os.fsdecode(argument) for argument in self._program.argv),
            returncode=None if self._status is None else os.waitstatus_to_exitcode(self._status),
            stdout=stdout,
            stderr=stderr,
            connects=seen.connects,
            exact=not seen.why_not,
            why_not=seen.why_not,
            seconds=time.monotonic() - self._began,
            left_running=self._left_running,
            doubts=seen.doubts,
            sampled=bool(self._refusal),
            look=self._look_later if self._left_running else None,
        )

    def _look_later(self) -> Seen:
        """Tell what is known now of a program that left processes behind."""
        with self._looking:
            # Asked first: what the last of them did is in the ring by the time it has left.
            left_running = not self._helper.has_left()
            return replace(self._evidence.seen(), left_running=left_running)

    def _seen(self) -> Seen:
        if self._refusal:
            connects = self._sampler.connects if self._sampler is not None else ()
            return Seen(connects, (), self._refusal)
        return self._evidence.seen(_OBITUARY_SECONDS)


def _write_job(program: Program, tracer: int) -> int:
    """Write down what to run where the helper can read it, and give the descriptor."""
    job = (program.argv, program.env, program.cwd, program.path, tracer)
    descriptor = os.memfd_create("keepalive-job", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        marshal.dump(job, file)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _failure(number: int, where: str) -> OSError:
    if number == errno.ENOEXEC:
        return OSError(number, "the kernel cannot run this file; does it lack a #! line?", where)
    if number == errno.ENOENT:
        return FileNotFoundError(number, "its interpreter does not exist", where)
    return OSError(number, os.strerror(number), where)
