"""A program run under the kernel watch, and what it did.

Rules
1. The program is under the watch from its first instruction, with all its descendants.
2. It never depends on the watch: where that is refused the program runs all the same, and the
   result says what is not known.
3. A doubt about a process that hides is dispelled when the kernel's own count of active opens
   has no room for a connection that was not seen; a ring of io_uring leaves a result inexact.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_keepalive._watch._facts import Doubt, KernelConnect


@dataclass(frozen=True)
class ClientRun:
    """What a program did.

    Args:
        argv: What was run.
        returncode: Its exit status, negative for the signal that killed it; ``None`` when it
            was still running.
        stdout: What it wrote to standard output, as text.
        stderr: What it wrote to standard error, as text.
        connects: The connects of the program and its descendants, failed ones too.
        exact: Whether these are all; when not, there may have been more.
        why_not: Why it is not exact, each a sentence without its full stop.
        seconds: How long it ran.
        left_running: Whether processes that it started outlived it.
        doubts: What may have opened connections that were not seen.
        sampled: Whether nobody watched, and the open sockets were looked at now and then.
        look: Gives what is known now; see ``now``.
    """

    argv: tuple[str, ...]
    returncode: int | None
    stdout: str
    stderr: str
    connects: tuple[KernelConnect, ...]
    exact: bool
    why_not: tuple[str, ...]
    seconds: float
    left_running: bool = False
    doubts: tuple[Doubt, ...] = ()
    sampled: bool = False
    look: Callable[[], Seen] | None = field(default=None, repr=False, compare=False)

    @property
    def connections(self) -> tuple[KernelConnect, ...]:
        """The connects that became connections."""
        return tuple(connect for connect in self.connects if connect.is_connection)

    @property
    def ending(self) -> str:
        """How the program ended, in words."""
        if self.returncode is None:
            return "was still running"
        if self.returncode >= 0:
            return f"ended with status {self.returncode}"
        try:
            name = signal.Signals(-self.returncode).name
        except ValueError:
            name = f"signal {-self.returncode}"
        return f"was killed by {name}"

    @property
    def count_in_words(self) -> str:
        """How many connections there were, with the words that say how sure that is."""
        count = len(self.connections)
        if self.sampled:
            return f"at least {count} (sampled)"
        return str(count) if self.exact else f"at least {count}"

    def now(self) -> ClientRun:
        """Give the same result with what is known now, of processes that outlived it too."""
        if self.look is None:
            return self
        seen = self.look()
        return replace(
            self,
            connects=seen.connects,
            doubts=seen.doubts,
            exact=not seen.why_not,
            why_not=seen.why_not,
            left_running=seen.left_running,
        )

    def __repr__(self) -> str:
        return (
            f"<ClientRun {self.argv[0]} {self.ending} after {self.seconds:.2f} s, "
            f"connections: {self.count_in_words}>"
        )


@dataclass(frozen=True)
class Seen:
    """What was seen of a program.

    Args:
        connects: Its connects.
        doubts: What may have opened connections that were not seen.
        why_not: Why these may not be all; empty when they are.
        left_running: Whether there may be more, of processes that outlived the program.
    """

    connects: tuple[KernelConnect, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    why_not: tuple[str, ...] = ()
    left_running: bool = False


class ClientTimeout(TimeoutError):
    """A program did not end in time, and was killed with all that it had started.

    Args:
        run: What was seen until then.
        timeout: What it was given, in seconds.

    Attributes:
        seen: The connections until then, as ``run_client`` gives them; ``None`` without it.
    """

    seen: Any = None

    def __init__(self, run: ClientRun, timeout: float) -> None:
        super().__init__(run, timeout)
        self.run = run
        self.timeout = timeout

    @property
    def stdout(self) -> str:
        """What the program had written to standard output."""
        return self.run.stdout

    @property
    def stderr(self) -> str:
        """What the program had written to standard error."""
        return self.run.stderr

    def __str__(self) -> str:
        seen = f"connections until then: {self.run.count_in_words}"
        return f"{self.run.argv[0]} did not end within {self.timeout:g} s and was killed; {seen}"


class WatchLost(RuntimeError):
    """The watch itself was killed while a program ran; the program was killed too.

    Args:
        run: What was seen until then.
        what: What happened, as a clause.
    """

    def __init__(self, run: ClientRun, what: str) -> None:
        super().__init__(run, what)
        self.run = run
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}; {self.run.argv[0]} was killed, since it could connect no more"
