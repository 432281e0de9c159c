"""The exchanges of httpcore over HTTP/1.1, of which a connection carries one at a time.

Rules
1. A request is on a connection when it is handed to it, unless httpcore finds there that the
   connection is not available after all, and takes another.
2. Of several requests that are handed to it at once, one is taken: the first, unless a thread came
   in between. Which one it was shows when it is answered or fails, and is put right then.
3. An exchange ends when httpcore lets go of its response: complete when h11 says that nothing is
   missing.
4. The first three of these run for each request: no call is made that could be left out.
"""

from __future__ import annotations

import sys
from threading import get_ident
from time import perf_counter
from typing import Any

from pytest_keepalive._events import Sink, next_number
from pytest_keepalive._probes._course import is_unanswered, withdraw_course
from pytest_keepalive._probes._httpcore_adoption import Adoption
from pytest_keepalive._probes._httpcore_connections import Known, UnderWay
from pytest_keepalive._probes._httpcore_course import read_course
from pytest_keepalive._probes._httpcore_state import (
    COMPLETE,
    OVER,
    breakage_of,
    failure_of,
    was_refused,
)
from pytest_keepalive._probes._running import running_task


class SingleExchanges:
    """What the wrappers of ``[Async]HTTP11Connection`` tell.

    Args:
        sink: Where courses are stated.
        adoption: Of the connection objects.
    """

    def __init__(self, sink: Sink, adoption: Adoption) -> None:
        self.sink = sink
        self._adoption = adoption
        self._known = adoption.connections.known

    def begun(self, connection: Any, request: Any) -> UnderWay | None:
        """Begin an exchange; ``None`` where there is none of the user's."""
        at = perf_counter()
        known = self._known.get(id(connection))
        if known is None:
            if self._adoption.is_own_connect(request):
                return None
            known, at = self._adoption.adopt(connection, request.url, at)
        if known.pair is None or known.closed:
            return None
        site = known.sites.find()
        worker = running_task() if known.has_tasks else get_ident()
        made, target, fields = request.method, request.url.target, request.headers
        head = known.pair, known.prefix, site, worker, made, target, fields
        course = [read_course, 0, known.sent.keep(head), next_number(), at]
        exchange = course, id(request)
        if known.under_way.setdefault(0, exchange) is exchange:
            self.sink(course)
        return exchange

    def answered(self, connection: Any, exchange: UnderWay, response: Any) -> None:
        """Take down the head of a response."""
        at = perf_counter()
        known = self._known.get(id(connection))
        if known is None:
            return
        if known.under_way.get(0) is not exchange:
            self._put_right(known, exchange)
        course = exchange[0]
        version, method = response.extensions["http_version"], course[2][4]
        head = response.status, version, method, response.headers
        course.append((at, not known.answered, known.came.keep(head)))
        known.last, known.answered = course, True

    def let_go(self, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """End an exchange whose response httpcore is done with."""
        known = self._known.get(id(connection))
        if known is None or 0 not in known.under_way:
            return
        if connection._h11_state.their_state.__name__ not in OVER:
            known.end(0, breakage_of(connection, 0, sys._getframe(2)))
            return
        known.ended, known.ended_at = COMPLETE, perf_counter()
        course, _ = known.under_way.pop(0)
        if is_unanswered(course):
            course.append(None)
        course.append(known.ended_at)

    def failed(self, connection: Any, exchange: UnderWay, error: BaseException) -> None:
        """End an exchange that was not answered, unless httpcore has let go of it before."""
        known = self._known.get(id(connection))
        if known is None:
            return
        is_written_down = known.under_way.get(0) is exchange
        if was_refused(error):
            if is_written_down:
                withdraw_course(known.under_way.pop(0)[0], perf_counter())
        elif is_written_down or is_unanswered(exchange[0]):
            if not is_written_down:
                self._put_right(known, exchange)
            known.end(0, failure_of(connection, 0, error))

    def _put_right(self, known: Known, exchange: UnderWay) -> None:
        other = known.under_way.get(0)
        if other is not None:
            withdraw_course(other[0], perf_counter())
        known.under_way[0] = exchange
        self.sink(exchange[0])
