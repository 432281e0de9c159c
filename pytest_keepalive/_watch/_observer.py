"""The kernel watch as an observer: what it saw, stated as events, each connection once.

Rules
1. A connect of this process that a probe stated is not stated again: the same peer, and a
   moment between the call of the probe's connect and its return.
2. What became of a connect is stated as soon as the kernel tells; what it never tells counts as
   established, since a connect that failed would have been told.
3. What may have connected unseen (io_uring, a process that hides) is suspected for as long as it
   is there, and accused only when the kernel counted more opens than were seen.
4. What this package connects for others, as a relay, is no client's and is not stated.
5. A program that a test ran has stated its connects itself, unless it ran under this watch.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from time import perf_counter
from typing import NamedTuple

from pytest_keepalive._events import (
    Attempted,
    Closed,
    Doubted,
    Event,
    Outcome,
    Settled,
    Sink,
    Stated,
    new_number,
)
from pytest_keepalive._origin import Address
from pytest_keepalive._own_connects import own_connects
from pytest_keepalive._unfolding import event_of
from pytest_keepalive._watch._facts import KernelConnect, Suspicion
from pytest_keepalive._watch._process_watch import ProcessWatch

OBSERVER = "kernel"
_UNKNOWN_PEER: Address = ("unknown destination", 0)


class Call(NamedTuple):
    """A connect that a probe of this process stated.

    Args:
        called_at: When connect was called, in seconds.
        returned_at: When it had returned, in seconds.
    """

    called_at: float
    returned_at: float


class KernelObserver:
    """States what the watch of this process saw.

    Args:
        watch: The watch.
        sink: Where it states its events.
    """

    def __init__(self, watch: ProcessWatch, sink: Sink) -> None:
        self.sink = sink
        self._watch = watch
        self._position = watch.position
        self._stated: dict[Address, deque[Call]] = defaultdict(deque)
        self._pending: dict[int, KernelConnect] = {}
        self._troubled = False

    @property
    def opens(self) -> int:
        """How many active opens the watch accounts for."""
        return self._watch.attributed

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What hides from the watch now, and what did before."""
        return self._watch.suspicions

    def pass_on(self, stated: Stated) -> None:
        """Take an event of a probe, and state it: the sink of the probes under the watch."""
        if type(stated) is tuple:
            stated = event_of(stated)
        if isinstance(stated, Attempted):
            self._stated[stated.peer].append(Call(stated.started_at, perf_counter()))
        self.sink(stated)

    def settle(self) -> None:
        """State what the watch has seen since it was asked last."""
        self._state_pending()
        trace = self._watch.trace_since(self._position)
        self._position = trace.position
        for connect in trace.connects:
            if connect.process != os.getpid() or not self._is_known(connect):
                self._state(connect)
        if trace.lost:
            self.sink(Doubted(OBSERVER, f"{trace.lost} records were overwritten"))
        self._state_trouble()

    def _state(self, connect: KernelConnect) -> None:
        number = new_number()
        for event in events_of(connect, number):
            self.sink(event)
        if connect.outcome is Outcome.PENDING:
            self._pending[number] = connect

    def _state_pending(self) -> None:
        pending = list(self._pending.items())
        known = self._watch.look_again(connect for _, connect in pending)
        for (number, _), connect in zip(pending, known, strict=True):
            if connect.outcome is not Outcome.PENDING:
                del self._pending[number]
                outcome = connect.outcome or Outcome.ESTABLISHED
                self.sink(Settled(number, perf_counter(), False, outcome, connect.local))

    def _state_trouble(self) -> None:
        trouble = self._watch.trouble
        if trouble is not None and not self._troubled:
            self._troubled = True
            self.sink(Doubted(OBSERVER, trouble))

    def _is_known(self, connect: KernelConnect) -> bool:
        return self._was_stated(connect) or own_connects.include(connect.thread, connect.at)

    def _was_stated(self, connect: KernelConnect) -> bool:
        stated = self._stated.get(connect.peer or _UNKNOWN_PEER)
        for candidate in stated or ():
            if candidate.called_at <= connect.at <= candidate.returned_at:
                assert stated is not None
                stated.remove(candidate)
                return True
        return False


def events_of(connect: KernelConnect, number: int) -> tuple[Event, ...]:
    """State a connect as a probe would.

    Args:
        connect: What the kernel saw.
        number: The attempt's (see ``new_number``).
    """
    outcome = connect.outcome or Outcome.ESTABLISHED
    inside = connect.process == os.getpid()
    attempted = Attempted(
        number,
        connect.at,
        None,
        outcome,
        connect.local,
        connect.peer or _UNKNOWN_PEER,
        observer=OBSERVER,
        process=0 if inside else connect.process,
        process_name="" if inside else connect.process_name,
    )
    pair = connect.pair
    if pair is None or outcome is not Outcome.ESTABLISHED or connect.is_open is not False:
        return (attempted,)
    closed = Closed(pair, perf_counter(), None, connect.sent, connect.received)
    return attempted, closed
