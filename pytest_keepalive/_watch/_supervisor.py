"""The process that answers notifications, from the first to the last.

Rules
1. A record is written before the call goes on (see ``_ring``).
2. Every call goes on, whatever goes wrong here: a mishap is told, and lets nobody wait.
3. It stays until no task is under the filter any more (POLLHUP), and until the program that
   it started has been waited for.
4. It reaps whatever the program left behind: it is the one that adopts orphans.
5. A successor answers first what its predecessor had in hand when it was killed.
"""

from __future__ import annotations

import os
import select

from pytest_keepalive._watch import _ring
from pytest_keepalive._watch._examiner import Examiner
from pytest_keepalive._watch._notification import NOTIFICATION, Listener
from pytest_keepalive._watch._offspring import Offspring
from pytest_keepalive._watch._ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The C module under ``signal``, see ``_offspring``.
_signal = __import__("_signal")

_NOTHING = bytes(_ring.NOTIFICATION_SIZE)
_IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGALRM")


class Supervisor:
    """Answers notifications.

    Args:
        ring: Where records are written.
        listener: The descriptor of the filter's listener; ``None`` when there is no filter, and
            all there is to do is to wait for the program.
        runners: Whether to find the runners that processes descend from.
        on_exit: Called with the wait status of the program, ``None`` where it was lost, and
            whether others are left.
    """

    def __init__(
        self,
        ring: Ring,
        listener: int | None,
        runners: bool,
        on_exit: Callable[[int | None, bool], object],
        spared: set[int],
    ) -> None:
        self._ring = ring
        self._on_exit = on_exit
        self._examiner = Examiner(os.uname().machine, runners)
        slot = ring.slot()
        self._slot = slot[: _ring.NOTIFICATION_SIZE]
        self._listener = None if listener is None else Listener(listener, slot)
        # Seldom ready: behind one descriptor they cost a notification less.
        self._others = select.epoll()
        self._handlers: dict[int, Callable[[int], object]] = {}
        self._hung_up = False
        self._offspring = Offspring(ring, self._program_ended, spared)
        self.watch(self._offspring.wake_up, lambda _: self._offspring.woken())
        if self._offspring.foreign_program:
            self._heed_program(self._offspring.foreign_program)
        ring.supervisor = os.getpid()

    def watch(self, descriptor: int, handle: Callable[[int], object]) -> None:
        """Call a function with the poll events of a descriptor whenever there are any."""
        self._handlers[descriptor] = handle
        self._others.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Take no notice of a descriptor any more."""
        if self._handlers.pop(descriptor, None) is not None:
            self._others.unregister(descriptor)

    def run(self) -> None:
        """Work until there is nothing left to do (rule 3)."""
        poll = select.poll()
        others = self._others.fileno()
        poll.register(others, select.POLLIN)
        if self._listener is not None:
            self._resume(self._listener)
            poll.register(self._listener.descriptor, select.POLLIN)
        self._offspring.reap()
        while not self._done():
            for descriptor, events in poll.poll():
                if descriptor == others:
                    self._attend_to_others()
                elif events & select.POLLIN:
                    self._attend()
                else:
                    self._hung_up = True
                    poll.unregister(descriptor)

    def _attend_to_others(self) -> None:
        for descriptor, events in self._others.poll(0):
            handle = self._handlers.get(descriptor)
            if handle is not None:
                handle(events)

    def _done(self) -> bool:
        if self._ring.program:
            return False
        return self._hung_up if self._listener is not None else not self._offspring.any_left

    # Notifications.

    def _attend(self) -> None:
        listener = self._listener
        if listener is not None and listener.receive():
            self._answer(listener)

    def _answer(self, listener: Listener) -> None:
        notification, *call = NOTIFICATION.unpack(self._slot)
        position = self._record(notification, call)
        waiting = listener.let_go(notification)
        if position >= 0:
            self._ring.settle(position, _ring.LET_GO if waiting else _ring.VOID)
        self._slot[:] = _NOTHING

    def _record(self, notification: int, call: list[int]) -> int:
        """Write down what a call is about; give the record's position, -1 for none."""
        try:
            fields = self._examiner.examine(call)
        except (ProcessLookupError, FileNotFoundError):
            return -1  # killed meanwhile
        except Exception as error:
            self._ring.mishap = f"{type(error).__name__}: {error}"
            return -1
        return -1 if fields is None else self._ring.append(notification, fields)

    def _resume(self, listener: Listener) -> None:
        """Answer what a predecessor had in hand; its record may be written already."""
        notification = NOTIFICATION.unpack(self._slot)[0]
        if not notification:
            return
        position = self._ring.count - 1
        last = self._ring.fields_at(position) if position >= 0 else None
        if last is None or last[1] != notification:
            self._answer(listener)
            return
        # No longer waiting means here that the predecessor had answered before it died.
        listener.let_go(notification)
        self._ring.settle(position, _ring.LET_GO)
        self._slot[:] = _NOTHING

    # The program.

    def kill_program(self) -> None:
        """Kill the program, and everything that came of it."""
        self._offspring.kill(lambda: not self._others_left())

    def _heed_program(self, program: int) -> None:
        try:
            pidfd = os.pidfd_open(program)
        except OSError:
            self._offspring.program_ended(None)
        else:
            self.watch(pidfd, lambda _: self._program_left(pidfd))

    def _program_left(self, pidfd: int) -> None:
        self.unwatch(pidfd)
        self._offspring.reap()
        self._offspring.program_ended(None)

    def _program_ended(self, status: int | None) -> None:
        self._on_exit(status, self._others_left())

    def _others_left(self) -> bool:
        if self._listener is None:
            return self._offspring.any_left
        poll = select.poll()
        poll.register(self._listener.descriptor, select.POLLIN)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))


def ignore_signals() -> None:
    """Let no signal that is meant for the watched programs end this process."""
    for name in _IGNORED:
        _signal.signal(getattr(_signal, name), _signal.SIG_IGN)
