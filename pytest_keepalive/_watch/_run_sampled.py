"""A program run where no watch can be had: its open sockets are sampled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from pytest_keepalive._watch._client_run import ClientRun, ClientTimeout
from pytest_keepalive._watch._program import Program
from pytest_keepalive._watch._sampling import SAMPLED, Sampler

_PAUSE_SECONDS = 0.02
_LAST_WORDS_SECONDS = 0.2


class Sampled:
    """A program that is being run.

    Args:
        program: What to run.
        data: What it reads.
        why: Why it is not watched, each a clause.
    """

    def __init__(self, program: Program, data: bytes, why: tuple[str, ...]) -> None:
        self._program = program
        self._began = time.monotonic()
        self._data: bytes | None = data
        self._output = self._error = b""
        self._process = _start(program)
        self._sampler: Sampler | None = None
        try:
            self._sampler = Sampler(self._process.pid)
            self._why = (*why, SAMPLED)
        except ModuleNotFoundError:
            self._why = (*why, "psutil is not installed, so nothing could be sampled either")
        except OSError:
            self._why = (*why, SAMPLED)

    def run(self, timeout: float | None) -> ClientRun:
        """Wait for the end of the program.

        Args:
            timeout: What it is given, in seconds; ``None`` for as long as it takes.

        Raises:
            ClientTimeout: It did not end in time.
        """
        deadline = None if timeout is None else self._began + timeout
        in_time = False
        try:
            in_time = self._wait(deadline)
        finally:
            if not in_time:
                self._kill()
            self._take_last_words()
        if not in_time and timeout is not None:
            raise ClientTimeout(self._result(), timeout)
        return self._result()

    def _wait(self, deadline: float | None) -> bool:
        while self._process.poll() is None:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            if self._sampler is not None:
                self._sampler.sample()
            self._communicate(_PAUSE_SECONDS)
        return True

    def _communicate(self, seconds: float) -> None:
        data, self._data = self._data, None
        try:
            self._output, self._error = self._process.communicate(data, seconds)
        except subprocess.TimeoutExpired as early:
            self._output = early.stdout or b""
            self._error = early.stderr or b""

    def _take_last_words(self) -> None:
        """Read what is left; a daemon that holds the other end is not waited for."""
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed:
                self._communicate(_LAST_WORDS_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _kill(self) -> None:
        if self._sampler is not None:
            self._sampler.kill()
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _result(self) -> ClientRun:
        return ClientRun(
            argv=tuple(os.fsdecode(argument) for argument in self._program.argv),
            returncode=self._process.returncode,
            stdout=self._output.decode("utf-8", "replace"),
            stderr=self._error.decode("utf-8", "replace"),
            connects=self._sampler.connects if self._sampler is not None else (),
            exact=False,
            why_not=self._why,
            seconds=time.monotonic() - self._began,
            sampled=True,
        )


def _start(program: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [os.fsdecode(argument) for argument in program.argv],
        executable=os.fsdecode(program.path),
        env={os.fsdecode(name): os.fsdecode(value) for name, value in program.env.items()},
        cwd=None if program.cwd is None else os.fsdecode(program.cwd),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=sys.platform != "win32",
    )
