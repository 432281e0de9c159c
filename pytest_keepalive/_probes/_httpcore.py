"""httpcore and httpcore2, and with them httpx and httpx2, which stand on them.

Rules
1. A request is on a connection when its head is written there: before, httpcore may find that
   the connection is not available after all, and takes another.
2. A CONNECT to a proxy is no exchange of the user's (RFC 9110, section 9.3.6): the connection is
   known from the first request through the tunnel.
3. An exchange ends when httpcore lets go of its response: complete when h11 or h2 say that
   nothing is missing. Over HTTP/2 several are under way, told apart by their streams.
4. A connection's address pair does not change: it is asked for once, and where there is none
   (Unix sockets, mocks) nothing is stated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from types import ModuleType
from typing import Any

from pytest_keepalive._call_site import client_in_sight, find_call_site
from pytest_keepalive._events import (
    Adopted,
    ClosedBy,
    CloseTrigger,
    Ending,
    Handshaken,
    Sink,
    Trouble,
    discard,
    next_number,
)
from pytest_keepalive._origin import Origin, Pair
from pytest_keepalive._probes._course import end_course
from pytest_keepalive._probes._httpcore_calls import followed, noticed, sent, within
from pytest_keepalive._probes._httpcore_connections import Connections, Known, PairOfSocket
from pytest_keepalive._probes._httpcore_course import read_course
from pytest_keepalive._probes._httpcore_head import asked_origin
from pytest_keepalive._probes._httpcore_pool import Call, Pools, calls, closing, crowd_of
from pytest_keepalive._probes._httpcore_state import (
    COMPLETE,
    How,
    breakage_of,
    failure_of,
    goaway_in,
    goaway_of,
    is_complete,
    is_pools_doing,
    trigger_behind,
    trigger_while_idle,
)
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._running import (
    root_task,
    running_loop,
    running_task,
    thread_number,
)
from pytest_keepalive._probes._tls import Handshake

_FAMILY = frozenset(("httpcore", "httpcore2", "httpx", "httpx2"))


class HttpcoreProbe:
    """Watches one of httpcore and httpcore2.

    Args:
        sink: Where it states its events.
        handshake_of: Tells what was measured of an ``ssl.SSLObject``, or ``None``.
        pair_of_socket: Gives both ends of a socket that was seen to connect, or ``None``.
        module: The name of the module.
    """

    def __init__(
        self,
        sink: Sink,
        handshake_of: Callable[[Any], Handshake | None],
        pair_of_socket: PairOfSocket,
        module: str = "httpcore",
    ) -> None:
        self.sink = sink
        self.client = self.module = module
        self.loses = f"the requests of {module} and {module.replace('core', 'x')}"
        self._handshake_of = handshake_of
        self._patches = Patches()
        self._pools = Pools(module)
        self._connections = Connections(self._give_up, pair_of_socket)

    def install(self, module: ModuleType) -> None:
        """Wrap the pools and the connections, those for threads and those for tasks.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        self._wrap(module, "", "handle_request", "close", coroutine=False)
        self._wrap(module, "Async", "handle_async_request", "aclose", coroutine=True)

    def _wrap(
        self, module: ModuleType, prefix: str, handle: str, close: str, coroutine: bool
    ) -> None:
        wrap, pool = self._patches.wrap, getattr(module, f"{prefix}ConnectionPool")
        wrap(pool, handle, within(calls, self._pools.call_of, coroutine))
        wrap(pool, close, within(closing, _yes, coroutine))
        told = self._report, coroutine
        for protocol in ("HTTP11", "HTTP2"):
            connection = getattr(module, f"{prefix}{protocol}Connection")
            # Without h2 there is a stand-in that can only be refused.
            if hasattr(connection, close):
                wrap(connection, handle, followed(self._answered, self._failed, *told))
                wrap(connection, "_send_request_headers", sent(self._requested, *told))
                wrap(connection, "_response_closed", noticed(self._let_go, *told))
                wrap(connection, close, noticed(self._closes, *told))

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard
        self.forget()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        self._connections.forget()
        self._pools.forget()

    # What the wrappers tell; the first three for each request.

    def _requested(self, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        at = perf_counter()
        request = args[0] if args else kwargs["request"]
        known = self._connections.known.get(id(connection))
        if known is None:
            if request.method == b"CONNECT" and not _is_the_users():
                return
            known, at = self._adopt(connection, request.url, at)
        if known.pair is None or known.closed:
            return
        stream_id = kwargs.get("stream_id", 0)
        # A finder is for one thread at a time, which a connection of HTTP/2 is not.
        site = find_call_site(3) if stream_id else known.sites.find()
        worker = running_task() if known.has_tasks else get_ident()
        sent = request.method, request.url.target, known.prefix, request.headers
        course = [read_course, 0, (next_number(), known.pair, at, *sent, site, worker)]
        known.under_way[stream_id] = course, id(request)
        self.sink(course)

    def _answered(self, connection: Any, request: Any, response: Any) -> None:
        at, extensions = perf_counter(), response.extensions
        known = self._connections.known.get(id(connection))
        exchange = known and known.under_way.get(extensions.get("stream_id", 0))
        if known is None or not exchange:
            return
        course, is_first = exchange[0], not known.answered
        came = at, response.status, extensions["http_version"], response.headers
        course.append((*came, request.method, is_first))
        known.last, known.answered = course, True

    def _let_go(self, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        known = self._connections.known.get(id(connection))
        stream_id = kwargs.get("stream_id", 0)
        if known is None or stream_id not in known.under_way:
            return
        if not is_complete(connection, stream_id):
            self._end(known, stream_id, breakage_of(connection, stream_id, sys._getframe(2)))
            return
        known.ended, known.ended_at = COMPLETE, perf_counter()
        course, _ = known.under_way.pop(stream_id)
        if len(course) == 3:
            course.append(None)
        course.append((known.ended_at, Ending.COMPLETE))

    @observing
    def _failed(self, connection: Any, request: Any, error: BaseException) -> None:
        known = self._connections.known.get(id(connection))
        if known is None:
            return
        stream_id = known.stream_of(request)
        # httpcore has let go of it before, unless the exception reached it in the midst of that.
        if stream_id is not None:
            self._end(known, stream_id, failure_of(connection, stream_id, error))
        goaway = goaway_of(connection) or goaway_in(error)
        if goaway and known.pair is not None and not known.closed:
            # The pool keeps the connection, and never uses it again.
            known.closed = True
            self.sink(ClosedBy(known.pair, perf_counter(), CloseTrigger.SERVER_SAID_CLOSE, goaway))

    def _closes(self, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        known = self._connections.known.get(id(connection))
        if known is None or known.pair is None or known.closed:
            return
        at = perf_counter()
        trigger, detail = self._trigger_of(connection, known, at)
        known.closed = True
        self.sink(ClosedBy(known.pair, at, trigger, detail, find_call_site(3)))

    # What they come down to.

    def _adopt(self, connection: Any, url: Any, at: float) -> tuple[Known, float]:
        call, origin = calls.get(), asked_origin(url)
        known = self._connections.add(connection, origin, call)
        if known.pair is not None:
            ssl_object = connection._network_stream.get_extra_info("ssl_object")
            handshake = self._handshake_of(ssl_object)
            if handshake is not None:
                self.sink(Handshaken(known.pair, *handshake))
            self._state_adoption(known.pair, at, origin, call)
        # The request came first, then the connect that it needed.
        return known, at if call is None else call[1]

    def _state_adoption(self, pair: Pair, at: float, origin: Origin, call: Call | None) -> None:
        pool = call[0] if call is not None else None
        self.sink(
            Adopted(
                pair,
                at,
                client_in_sight(_FAMILY, 5) or self.client,
                origin,
                pool.number if pool else 0,
                pool.name if pool else "",
                pool.key(origin) if pool else (),
                running_loop() or self._trio_run(),
                thread_number(),
                0,
                find_call_site(5),
            )
        )

    def _end(self, known: Known, stream_id: int, how: How) -> None:
        known.ended, known.ended_at = how, perf_counter()
        end_course(known.under_way.pop(stream_id)[0], (known.ended_at, *how))

    def _give_up(self, known: Known) -> None:
        for stream_id in list(known.under_way):
            self._end(known, stream_id, How(Ending.ABANDONED))

    def _trigger_of(self, connection: Any, known: Known, at: float) -> tuple[CloseTrigger, str]:
        if closing.get():
            return CloseTrigger.CLIENT_CLOSED, ""
        goaway = goaway_of(connection)
        if goaway:
            return CloseTrigger.SERVER_SAID_CLOSE, goaway
        failed = known.ended is not None and known.ended.error is not None
        if not connection.is_idle() or (failed and getattr(connection, "_connection_error", False)):
            return trigger_behind(None if known.under_way else known.ended, known.last_head)
        idle = f"idle {at - known.ended_at:.1f} s" if known.ended_at else "idle"
        pool = known.call[0] if known.call is not None else None
        alive = pool.reference() if pool is not None else None
        if pool is None or alive is None or not is_pools_doing(sys._getframe(3)):
            return trigger_while_idle(connection, idle, None)
        crowd = crowd_of(alive, self._connections.idle_in(pool.number))
        return trigger_while_idle(connection, idle, crowd)

    def _trio_run(self) -> int:
        root = root_task()
        return 0 if root is None else self._pools.number_of(root)

    def _report(self, error: Exception) -> None:
        self.sink(Trouble(self.client, f"its probe failed with {error!r}"))


def _yes(pool: Any, nothing: Any) -> bool:
    return True


def _is_the_users() -> bool:
    call = calls.get()
    return call is not None and call[2]
