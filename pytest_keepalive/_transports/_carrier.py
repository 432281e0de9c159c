"""Connections of httpx and what they carry, as the transport sees both from the outside.

Rules
1. A request is on a connection when its head is written there, in the context of that request:
   the CONNECT to a proxy and the greeting of SOCKS begin otherwise, and are no exchanges.
2. Why a connection closes is stated where it can be told from outside, and else not at all: a
   GOAWAY does not show here (RFC 9113, section 6.8).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from pytest_keepalive._call_site import CallSite, find_call_site
from pytest_keepalive._events import Adopted, Closed, ClosedBy, CloseTrigger, Ending, Sink
from pytest_keepalive._origin import Origin, Pair
from pytest_keepalive._probes._httpcore_pool import Pool, crowd_of
from pytest_keepalive._probes._httpcore_pool import closing as pool_closing
from pytest_keepalive._probes._httpcore_state import Head, How, trigger_behind
from pytest_keepalive._probes._patch import observing
from pytest_keepalive._probes._running import root_task, running_loop, thread_number
from pytest_keepalive._transports._opened import OpenConnection

CLIENT = "httpx"
ABANDONED = How(Ending.ABANDONED)
_PREFACE = b"PRI * HTTP/2.0"  # RFC 9113, section 3.4


class RecordedPool:
    """What the connections of one transport share.

    Args:
        sink: Where they state their events.
        pool: What is known of the pool that keeps them.
        number_of: Gives the number of an object.
        keepalive_expiry: After how many idle seconds it closes one; ``None`` for never.
    """

    def __init__(
        self,
        sink: Sink,
        pool: Pool,
        number_of: Callable[[Any], int],
        keepalive_expiry: float | None,
    ) -> None:
        self.sink = sink
        self.pool = pool
        self._number_of = number_of
        self.keepalive_expiry = keepalive_expiry
        self.carriers: set[Carrier] = set()

    def idle(self) -> int:
        """Count the connections that carry nothing now."""
        return sum(not carrier.under_way for carrier in list(self.carriers))

    def loop(self) -> int:
        """Give a number for the event loop that runs, 0 outside one."""
        return running_loop() or self._number_of(root_task())


class Last(NamedTuple):
    """The exchange that a connection carried last.

    Args:
        how: It ended.
        head: Of its response, with that of its request; ``None`` when none came.
        written: Whether nothing went wrong in sending the request.
        at: When it ended, in seconds.
    """

    how: How
    head: Head | None
    written: bool
    at: float

    @property
    def allows_reuse(self) -> bool:
        """Whether another exchange could follow over HTTP/1.1 (RFC 9112, section 9.3)."""
        if self.how.ending is not Ending.COMPLETE or not self.written or self.head is None:
            return False
        return not (self.head.will_close or self.head.closing) and (
            self.head.http_version != "HTTP/1.0"
        )


class Carrier(OpenConnection):
    """A connection that carries exchanges.

    Args:
        pool: Of its transport.
        pair: Its ends.
    """

    def __init__(self, pool: RecordedPool, pair: Pair) -> None:
        super().__init__(CLIENT, pool.sink, pair)
        self.multiplexed = False
        self.under_way: set[object] = set()
        self.last: Last | None = None
        self._pool = pool
        self._is_adopted = self._is_closing = self._was_answered = False
        pool.carriers.add(self)

    def begins_with(self, written: bytes, method: str) -> bool:
        """Tell whether a request begins with what is written (rule 1).

        Args:
            written: In the context of the request.
            method: Of the request.
        """
        if written.startswith(_PREFACE):
            self.multiplexed = True
        return self.multiplexed or written.startswith(method.encode("ascii") + b" ")

    def adopt(self, origin: Origin, call_site: CallSite | None) -> bool:
        """State that the client uses this connection, and tell whether that is news.

        Args:
            origin: Who the client asks for.
            call_site: The user's line that makes the request.
        """
        first, self._is_adopted = not self._is_adopted, True
        if first:
            pool, at, loop = self._pool.pool, perf_counter(), self._pool.loop()
            key, thread = pool.key(origin), thread_number()
            known = pool.number, pool.name, key, loop, thread, 0, call_site
            self.sink(Adopted(self.pair, at, CLIENT, origin, *known))
        return first

    def hears_first(self) -> bool:
        """Tell whether no response has come here before this one."""
        first, self._was_answered = not self._was_answered, True
        return first

    @observing
    def closing(self, is_readable: object) -> None:
        """State why the client closes this connection now, where that can be told.

        Args:
            is_readable: Whether something has come on its socket, or the peer's close.
        """
        if self._is_closing:
            return
        self._is_closing, at = True, perf_counter()
        found = self._trigger(bool(is_readable), at)
        if found is not None:
            self.sink(ClosedBy(self.pair, at, *found, find_call_site()))

    def _close(self, closed: Closed) -> None:
        self._pool.carriers.discard(self)
        super()._close(closed)

    def _trigger(self, is_readable: bool, at: float) -> tuple[CloseTrigger, str] | None:
        if pool_closing.get():
            return CloseTrigger.CLIENT_CLOSED, ""
        if self.under_way:
            # httpcore closes it while it handles what went wrong.
            return trigger_behind(_how_from(sys.exc_info()[1]), None)
        last = self.last
        if last is None:
            return None
        if not self.multiplexed and not last.allows_reuse:
            return trigger_behind(last.how, last.head)
        return self._trigger_while_idle(is_readable, at - last.at)

    def _trigger_while_idle(
        self, is_readable: bool, idle: float
    ) -> tuple[CloseTrigger, str] | None:
        # Over HTTP/2 settings and pings come at any time.
        if is_readable and not self.multiplexed:
            return CloseTrigger.DROPPED, f"idle {idle:.1f} s"
        expiry = self._pool.keepalive_expiry
        if expiry is not None and idle >= expiry:
            return CloseTrigger.EXPIRED, f"idle {idle:.1f} s, keepalive_expiry {expiry} s"
        pool = self._pool.pool.reference()
        crowd = crowd_of(pool, self._pool.idle()) if pool is not None else None
        if crowd is None or self.multiplexed:
            return None
        if crowd.most_idle == 0:
            return CloseTrigger.KEEPALIVE_OFF, "max_keepalive_connections 0"
        return CloseTrigger.EVICTED, str(crowd)


def _how_from(error: BaseException | None) -> How | None:
    if error is None:
        return None
    if isinstance(error, GeneratorExit):
        return ABANDONED
    return How(Ending.FAILED, type(error).__name__)
