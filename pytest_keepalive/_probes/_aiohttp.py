"""aiohttp 3.8 to 3.14: who is on which connection, and why a connection is let go.

Rules
1. A request is on a connection once ``BaseConnector.connect`` has returned; a proxy's CONNECT is
   made inside it, and so is no exchange of the user's.
2. A small body is at its end before ``ClientResponse.start`` returns with the head: its end, and
   the close that may follow, are kept back and stated behind the head.
3. An exchange is over when its connection is released: complete when the payload is at its end,
   whether or not anybody read it, since that is what lets aiohttp keep the connection. What is
   released behind its head is told by ``Connection.add_callback``, and costs small bodies nothing.
4. Nothing is taken for a failure because an exception happens to be handled: the caller may be
   inside an ``except`` of its own. It must be on the protocol, or unwind the response.
5. A pool is never full here: above its limit aiohttp makes requests wait, so that no connection
   is ever evicted.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from time import perf_counter
from types import FrameType, ModuleType
from typing import Any

from pytest_keepalive._call_site import CallSite, client_in_sight, find_call_site
from pytest_keepalive._events import (
    COMPLETE,
    Adopted,
    ClosedBy,
    CloseTrigger,
    Course,
    Ending,
    Handshaken,
    Sink,
    Trouble,
    discard,
    next_number,
)
from pytest_keepalive._origin import pair_of
from pytest_keepalive._probes._aiohttp_course import read_course
from pytest_keepalive._probes._aiohttp_failure import (
    failure_of,
    is_at_end,
    missing_of,
    name_of,
    unwinding,
)
from pytest_keepalive._probes._aiohttp_key import fields_of, origin_of, shown, why_never_kept
from pytest_keepalive._probes._aiohttp_release import Known, Reason
from pytest_keepalive._probes._course import end_course
from pytest_keepalive._probes._head import kept_fields
from pytest_keepalive._probes._identity import Identities
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._running import running_loop, thread_number
from pytest_keepalive._probes._seam import seam_of

HandshakeOf = Callable[[Any], "tuple[float, float, str | None] | None"]

_FAMILY = frozenset(("aiobotocore", "aiohttp", "httpx"))
_HTTP_1_1 = (1, 1)
_SUCCESS, _REDIRECTION = 200, 300
# Where the connector closes what it finds unfit to be used again.
_SWEEPERS = frozenset(("_get", "_cleanup"))


class AiohttpProbe:
    """Watches aiohttp's client.

    Args:
        sink: Where it states its events.
        handshake_of: Tells when the TLS handshake of an ``SSLObject`` began and ended, in
            seconds, and what ALPN chose; ``None`` where nobody saw it.
    """

    client = "aiohttp"
    module = "aiohttp"
    loses = "the requests of aiohttp"

    def __init__(self, sink: Sink, handshake_of: HandshakeOf = lambda _: None) -> None:
        self.sink = sink
        self._handshake_of = handshake_of
        self._patches = Patches()
        self._identities = Identities()
        self._known: dict[int, Known] = {}
        self._announces_close = True
        # Field names as aiohttp has them are found without being folded to one case.
        self._connection_field, self._expect_field = "Connection", "Expect"
        self._length_field = "Content-Length"
        self._current_task: Callable[[], Any] = _nobody

    def install(self, module: ModuleType) -> None:
        """Wrap the connector, the response and the protocol.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        connector = seam_of(module, "connector.BaseConnector")
        response = seam_of(module, "client_reqrep.ClientResponse")
        protocol = seam_of(module, "client_proto.ResponseHandler")
        names = seam_of(module, "hdrs")
        self._connection_field, self._expect_field = names.CONNECTION, names.EXPECT
        self._length_field = names.CONTENT_LENGTH
        self._current_task = sys.modules["asyncio"].current_task
        # Before 3.11 a connector with force_close did not say so to the server.
        self._announces_close = not hasattr(module.ClientRequest, "keep_alive")
        self._patches.wrap(connector, "connect", self._connect)
        self._patches.wrap(response, "start", self._start)
        self._patches.wrap(protocol, "close", self._close)
        if hasattr(protocol, "abort"):
            self._patches.wrap(protocol, "abort", self._close)
        self._patches.wrap(protocol, "connection_lost", self._connection_lost)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard
        self.forget()
        shown.cache_clear()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        for known in self._known.values():
            if known.course is not None:
                end_course(known.course, None)
        self._known.clear()

    # What stands in the place of the patched names. The first two run for each request, and every
    # call that they do without is felt.

    def _connect(self, original: Callable[..., Any]) -> Callable[..., Any]:
        known_ones = self._known

        async def connect(connector: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            at = perf_counter()
            connection = await original(connector, request, *args, **kwargs)
            try:
                protocol = connection.protocol
                known = known_ones.get(id(protocol))
                if known is None:
                    known = self._adopt(connector, request, connection)
                    if known is None:
                        return connection
                headers = request.headers
                said = headers.get(self._connection_field)
                if said is None:
                    closing = self._announces_close and connector.force_close
                else:
                    closing = said.lower() == "close"
                site, method, task = known.sites.find(), request.method, id(self._current_task())
                expecting, has_body = self._expect_field in headers, request.body != b""
                asked = known.pair, method, request.url, site, closing, expecting, has_body, task
                if asked == known.asked:
                    asked = known.asked
                else:
                    known.asked = asked
                known.course = course = [read_course, 0, asked, next_number(), at]
                known.started = known.answered = False
                known.method, known.length = method, None
                self.sink(course)
            except Exception as error:
                self._trouble(error)
            return connection

        return connect

    def _start(self, original: Callable[..., Any]) -> Callable[..., Any]:
        known_ones = self._known

        async def start(response: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
            protocol = connection.protocol
            known = known_ones.get(id(protocol))
            course = known.course if known is not None else None
            if known is None or course is None:
                return await original(response, connection, *args, **kwargs)
            known.started = True
            try:
                result = await original(response, connection, *args, **kwargs)
            except BaseException as error:
                self._failed(known, response, error)
                raise
            try:
                at, status = perf_counter(), response.status
                known.head_at, known.answered = at, True
                if (
                    not known.greeted
                    or not _SUCCESS <= status < _REDIRECTION
                    or getattr(protocol, "_should_close", True)
                    or self._length_field not in response.headers
                    or response.version != _HTTP_1_1
                ):
                    self._state_unusual_head(known, course, response, protocol)
                else:
                    course.append((at, status, "HTTP/1.1", False, (), True))
                if connection.protocol is not None:
                    self._state_more(known, course, response, connection)
                    return result
                # Its last byte came with its head.
                course.append(at)
                known.idle_since, known.ending, known.course = at, COMPLETE, None
                if known.reason is not None:
                    self._state_close(known, known.reason_kept_back())
            except Exception as error:
                self._trouble(error)
            return result

        return start

    def _close(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def close(protocol: Any) -> Any:
            known = self._known_of(protocol)
            if known is not None and not known.closing:
                self._closed(known, protocol)
            return original(protocol)

        return close

    def _connection_lost(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def connection_lost(protocol: Any, error: BaseException | None) -> Any:
            known = self._known_of(protocol)
            if known is None:
                return original(protocol, error)
            if known.course is None:
                self._dropped(known, error)
            payload = getattr(protocol, "_payload", None)
            result = original(protocol, error)
            if known.course is not None:
                self._cut_off(known, payload)
            return result

        return connection_lost

    # What they do.

    def _state_more(self, known: Known, course: Course, response: Any, connection: Any) -> None:
        """See to it that the end of a body is told of that has not come with its head."""
        headers = response.headers
        if "Content-Encoding" not in headers:
            known.length = _number(headers.get("Content-Length"))
        connection.add_callback(lambda: self._released(known, course))

    def _state_unusual_head(
        self, known: Known, course: Course, response: Any, protocol: Any
    ) -> None:
        headers, status = response.headers, response.status
        version = "HTTP/{}.{}".format(*response.version)
        framed = "Content-Length" in headers or "Transfer-Encoding" in headers
        closes = getattr(protocol, "_should_close", False)
        framed = known.answer(status, version, headers.get("Connection"), framed, closes)
        forbidden = bool(known.reuse_forbidden)
        kept = kept_fields(headers.items())
        course.append((known.head_at, status, version, forbidden, kept, framed))

    @observing
    def _failed(self, known: Known, response: Any, error: BaseException) -> None:
        writer = getattr(response, "_stream_writer", None)
        # A head that waits for its body is sent with it, or never (3.12 and later).
        unsent = writer is not None and getattr(writer, "output_size", 1) == 0
        self._end(known, Ending.UNSENT if unsent else Ending.FAILED, name_of(error))

    @observing
    def _released(self, known: Known, course: Course) -> None:
        if known.course is course:
            self._settle(known, known.reference())

    @observing
    def _closed(self, known: Known, protocol: Any) -> None:
        transport = protocol.transport
        if transport is None:
            return
        known.closing = True
        caller = sys._getframe(3)
        if caller.f_code.co_name in _SWEEPERS:
            self._state_close(known, known.why_swept(transport.is_closing()))
            return
        if known.course is not None and not known.awaits_head:
            self._settle(known, protocol)
        if caller.f_code.co_name == "_release":
            self._let_go(known, protocol, caller.f_back)
        else:
            self._state_close(known, Reason(CloseTrigger.CLIENT_CLOSED), find_call_site(4))

    def _let_go(self, known: Known, protocol: Any, caller: FrameType | None) -> None:
        """State why a connection is closed that is released."""
        broken_off = caller is not None and caller.f_code.co_name == "close"
        forbidden = getattr(protocol, "_should_close", False)
        reason = known.why_closed(name_of(protocol.exception()), forbidden, broken_off)
        # Nobody waits for the head any more, so it has come.
        if known.awaits_head and getattr(protocol, "_waiter", None) is None:
            known.reason = reason
        else:
            self._state_close(known, reason)

    @observing
    def _dropped(self, known: Known, error: BaseException | None) -> None:
        if not known.closing:
            known.closing = True
            self._state_close(known, known.why_lost(name_of(error)))

    @observing
    def _cut_off(self, known: Known, payload: Any) -> None:
        if not known.answered:
            # Whoever waits for the head is told by an exception, and so are we.
            return
        if known.upgraded:
            self._end(known, COMPLETE)
        elif is_at_end(payload):
            # The upload is not over: the connection is released behind it.
            known.at_end = True
        else:
            error = payload.exception() if payload is not None else None
            self._end(known, Ending.FAILED, name_of(error), missing_of(known.length, payload))

    def _settle(self, known: Known, protocol: Any) -> None:
        """End the exchange of a connection that is being let go."""
        payload = getattr(protocol, "_payload", None)
        if not known.started:
            self._end(known, Ending.UNSENT, name_of(sys.exc_info()[1]))
        elif known.at_end or known.upgraded or is_at_end(payload):
            self._end(known, COMPLETE)
        else:
            failure, leaving = failure_of(protocol, payload), unwinding()
            ending = known.why_incomplete(failure, leaving)
            self._end(known, ending, failure or leaving, missing_of(known.length, payload))

    def _end(
        self, known: Known, ending: Ending, error: str | None = None, missing: int | None = None
    ) -> None:
        course, known.course = known.course, None
        if course is not None:
            known.ending, known.error, known.missing = ending, error, missing
            known.idle_since = at = perf_counter()
            end_course(course, (at, ending, error, missing))

    def _state_close(
        self, known: Known, reason: Reason | None, site: CallSite | None = None
    ) -> None:
        if reason is not None:
            self.sink(ClosedBy(known.pair, perf_counter(), *reason, site))

    def _trouble(self, error: Exception) -> None:
        self.sink(Trouble(self.client, f"its probe failed with {error!r}"))

    def _known_of(self, protocol: Any) -> Known | None:
        known = self._known.get(id(protocol))
        return known if known is not None and known.reference() is protocol else None

    def _adopt(self, connector: Any, request: Any, connection: Any) -> Known | None:
        protocol, transport = connection.protocol, connection.transport
        pair = pair_of(transport.get_extra_info("sockname"), transport.get_extra_info("peername"))
        if pair is None:
            return None
        adopted = Adopted(
            pair,
            perf_counter(),
            client_in_sight(_FAMILY, 4) or self.client,
            origin_of(request.url),
            self._identities.number_of(connector),
            f"{type(connector).__module__.partition('.')[0]}.{type(connector).__name__}",
            # That of the request may be another by now: connecting adds a field for the proxy.
            fields_of(getattr(connection, "_key", None), self._identities),
            running_loop(),
            thread_number(),
            self._identities.number_of(getattr(request, "_session", None)),
            find_call_site(5),
        )
        key, known = id(protocol), self._known
        reference = weakref.ref(protocol, lambda _: known.pop(key, None))
        limit = getattr(connector, "_keepalive_timeout", None)
        known[key] = Known(reference, pair, limit, why_never_kept(connector, protocol))
        handshake = self._handshake_of(transport.get_extra_info("ssl_object"))
        if handshake is not None:
            self.sink(Handshaken(pair, *handshake))
        self.sink(adopted)
        return known[key]


def _nobody() -> None:
    """Stand for whoever tells the running task, until somebody does."""


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
