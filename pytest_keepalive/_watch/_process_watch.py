"""The watch of this whole process, and of everything that it starts from now on.

Rules
1. A filter cannot be removed: ``stop`` leaves it in place, harmless, with a supervisor that
   lives as long as any task is under it.
2. The supervisor is a process of its own. A thread of this one could not answer for a native
   client that connects while it holds the GIL.
3. Nor may any thread run Python between the installation and the hand-over of the listener:
   it could connect like that when nobody answers yet.
4. There is one watch in a process, and one in a tree of processes.
5. What hides from it is followed for as long as it lasts, whoever measures meanwhile.
"""

from __future__ import annotations

import atexit
import os
import select
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_keepalive._watch._facts import KernelConnect, Suspicion
from pytest_keepalive._watch._ring import Ring
from pytest_keepalive._watch._support import WatchRefused, explain, look_for_support
from pytest_keepalive._watch._suspects import Suspects
from pytest_keepalive._watch._trace import Trace, look_again, trace_since

if TYPE_CHECKING:
    from pytest_keepalive._watch._control import Control

_PATIENCE_SECONDS = 10.0
_UNDISTURBED_SECONDS = 100.0

_current: ProcessWatch | None = None


def current_watch() -> ProcessWatch | None:
    """Give the watch that this process is under, or ``None``."""
    return _current


class ProcessWatch:
    """The watch of this process; make it with ``watch_this_process``.

    Args:
        ring: Where the supervisor writes.
        control: The conversation with the supervisor.
        helper: The process above the supervisor.
    """

    def __init__(self, ring: Ring, control: Control, helper: int) -> None:
        from pytest_keepalive._watch._outcomes import Outcomes

        self.ring = ring
        self.helper = helper
        self._control = control
        self._outcomes = Outcomes(ring)
        self._counted_up_to = 0
        self._counted = 0
        self._suspects = Suspects()

    @property
    def supervisor(self) -> int:
        """The process that answers for this one now."""
        return self.ring.supervisor

    @property
    def position(self) -> int:
        """How far the record has come: where ``trace_since`` may begin later."""
        return self.ring.count

    @property
    def attributed(self) -> int:
        """How many active opens the watch accounts for, since it began."""
        self._count(self.trace_since(self._counted_up_to))
        return self._counted

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What hides from the watch now, and what did before."""
        self._count(self.trace_since(self._counted_up_to))
        return self._suspects.look()

    @property
    def trouble(self) -> str | None:
        """What keeps the watch from being exact from some moment on, or ``None``."""
        if not self._is_kept():
            return "the processes that kept the watch were killed: connect(2) fails with ENOSYS"
        mishap = self.ring.mishap
        return f"the supervisor had a mishap: {mishap}" if mishap else None

    def trace_since(self, position: int) -> Trace:
        """Give what this process and its descendants connected to.

        Args:
            position: Where to begin: a ``position``, or that of an earlier trace.
        """
        return trace_since(self.ring, position, self._outcomes)

    def look_again(self, connects: Iterable[KernelConnect]) -> tuple[KernelConnect, ...]:
        """Give the same connects as they are known now."""
        return look_again(self.ring, connects, self._outcomes)

    def stop(self) -> None:
        """Let go of everything; the filter stays, and its supervisor as long as it is needed."""
        self._outcomes.close()
        self._control.close()

    def _count(self, trace: Trace) -> None:
        went_out = sum(connect.went_out for connect in trace.connects)
        self._counted += went_out + trace.lost
        self._counted_up_to = trace.position
        for doubt in trace.doubts:
            self._suspects.doubt(doubt)

    def _is_kept(self) -> bool:
        """Tell whether somebody is at the other end of the conversation."""
        if self._control.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._control.fileno(), 0)
        return not poll.poll(0)


def watch_this_process() -> ProcessWatch:
    """Watch this process from now on; a second call gives the same watch.

    Raises:
        WatchRefused: The system does not allow it; the text says what is missing, or who
            watches already.
    """
    global _current
    if _current is None:
        support = look_for_support()
        if not support.available:
            raise WatchRefused("; ".join(support.missing))
        _current = _begin()
    return _current


def _begin() -> ProcessWatch:
    from pytest_keepalive._watch._control import READY
    from pytest_keepalive._watch._helper import WATCH
    from pytest_keepalive._watch._ring import make_memory
    from pytest_keepalive._watch._starting import Starter

    memory = make_memory()
    try:
        ring = Ring(memory)
        starter = Starter(WATCH, memory)
    finally:
        os.close(memory)
    message = _answer(starter.control, ring)
    starter.wait(_PATIENCE_SECONDS)
    assert message[0] == READY
    _allow_tracing(message[1])
    _install(starter.control, ring)
    watch = ProcessWatch(ring, starter.control, message[1])
    atexit.register(watch.stop)
    return watch


def _install(control: Control, ring: Ring) -> None:
    """Come under the filter, and hand the listener over (rule 3)."""
    from pytest_keepalive._watch._control import LISTENER
    from pytest_keepalive._watch._seccomp import install, program, this_machine

    machine = this_machine()
    assert machine is not None
    code = program(machine)
    with _undisturbed():
        try:
            listener = install(code, all_threads=True)
        except OSError as error:
            control.close()
            raise WatchRefused(explain(error.errno or 0)) from error
        control.send(LISTENER, descriptor=listener)
    try:
        _answer(control, ring)
    finally:
        os.close(listener)


def _answer(control: Control, ring: Ring) -> tuple[Any, ...]:
    control.set_timeout(_PATIENCE_SECONDS)
    try:
        message, _ = control.receive()
    except TimeoutError:
        message = ()
    # With a time-out a socket waits before it sends, and lets go of the GIL to do so.
    control.set_timeout(None)
    if not message:
        control.close()
        raise WatchRefused(f"the supervisor did not start: {ring.mishap or 'it was killed'}")
    return message


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Have no other thread run Python until this one waits for something."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_UNDISTURBED_SECONDS)
    try:
        if threading.active_count() > 1:
            # Those who wait for the GIL now still do so by the old interval.
            time.sleep(2 * interval)
        yield
    finally:
        sys.setswitchinterval(interval)


def _allow_tracing(helper: int) -> None:
    # Yama lets only ancestors look into a process, unless it names somebody else.
    from pytest_keepalive._watch._system_calls import PR_SET_PTRACER, prctl

    try:
        prctl(PR_SET_PTRACER, helper)
    except OSError:
        return
