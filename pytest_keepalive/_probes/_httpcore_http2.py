"""The exchanges of httpcore over HTTP/2: streams, of which a connection carries several.

Rules
1. A request is on a connection when its head is written there, for then it has a stream.
2. Exchanges are told apart by their streams (RFC 9113, section 5.1.1), and end when httpcore lets
   go of the stream: complete when h2 says that nothing is missing.
3. Behind GOAWAY the pool keeps the connection, and never uses it again.
"""

from __future__ import annotations

import sys
from threading import get_ident
from time import perf_counter
from typing import Any

from pytest_keepalive._call_site import find_call_site
from pytest_keepalive._events import ClosedBy, CloseTrigger, Sink, next_number
from pytest_keepalive._probes._httpcore_adoption import Adoption
from pytest_keepalive._probes._httpcore_course import read_course
from pytest_keepalive._probes._httpcore_state import (
    COMPLETE,
    breakage_of,
    failure_of,
    goaway_in,
    goaway_of,
    is_stream_complete,
)
from pytest_keepalive._probes._running import running_task


class Streams:
    """What the wrappers of ``[Async]HTTP2Connection`` tell.

    Args:
        sink: Where courses and closes are stated.
        adoption: Of the connection objects.
    """

    def __init__(self, sink: Sink, adoption: Adoption) -> None:
        self.sink = sink
        self._adoption = adoption
        self._known = adoption.connections.known

    def begun(self, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begin an exchange."""
        at = perf_counter()
        request, known = kwargs["request"], self._known.get(id(connection))
        if known is None:
            known, at = self._adoption.adopt(connection, request.url, at)
        if known.pair is None or known.closed:
            return
        worker = running_task() if known.has_tasks else get_ident()
        # What finds sites quickly is for one thread at a time.
        site, made, target = find_call_site(3), request.method, request.url.target
        head = known.pair, known.prefix, site, worker, made, target, request.headers
        course = [read_course, 0, known.sent.keep(head), next_number(), at]
        known.under_way[kwargs["stream_id"]] = course, id(request)
        self.sink(course)

    def answered(self, connection: Any, request: Any, response: Any) -> None:
        """Take down the head of a response."""
        at, extensions = perf_counter(), response.extensions
        known = self._known.get(id(connection))
        exchange = known and known.under_way.get(extensions["stream_id"])
        if known is None or not exchange:
            return
        course, version = exchange[0], extensions["http_version"]
        head = response.status, version, request.method, response.headers
        course.append((at, not known.answered, known.came.keep(head)))
        known.last, known.answered = course, True

    def let_go(self, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """End an exchange whose stream httpcore is done with."""
        known, stream_id = self._known.get(id(connection)), kwargs["stream_id"]
        if known is None or stream_id not in known.under_way:
            return
        if is_stream_complete(connection, stream_id):
            known.end(stream_id, COMPLETE)
        else:
            known.end(stream_id, breakage_of(connection, stream_id, sys._getframe(2)))

    def failed(self, connection: Any, request: Any, error: BaseException) -> None:
        """End an exchange that was not answered, and tell of GOAWAY."""
        known = self._known.get(id(connection))
        if known is None:
            return
        stream_id = known.stream_of(request)
        # httpcore has let go of it before, unless the exception reached it in the midst of that.
        if stream_id is not None:
            known.end(stream_id, failure_of(connection, stream_id, error))
        goaway = goaway_of(connection) or goaway_in(error)
        if goaway and known.pair is not None and not known.closed:
            known.closed = True
            self.sink(ClosedBy(known.pair, perf_counter(), CloseTrigger.SERVER_SAID_CLOSE, goaway))
