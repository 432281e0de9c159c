"""http.client, and with it urllib.request, urllib3, requests and botocore, which stand on it.

Rules
1. A request is on a connection once ``endheaders`` has returned: before, there may be none.
   Its request line and fields are read off the buffer that ``endheaders`` sends.
2. The head came when ``getresponse`` returns; interim responses never show (RFC 9110, 15.2).
3. An exchange ends when the response lets go of its file: complete when nothing was missing.
4. What this file costs is paid by each request: everything that holds for a connection is
   looked up once, when it is adopted.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from pytest_keepalive._call_site import CallSiteFinder, client_in_sight, find_call_site
from pytest_keepalive._events import (
    UNSENT,
    Adopted,
    ClosedBy,
    CloseTrigger,
    Course,
    Ending,
    Sink,
    Trouble,
    discard,
    next_number,
)
from pytest_keepalive._origin import Origin, Pair, pair_of
from pytest_keepalive._probes._closing import error_passing, trigger_of_close
from pytest_keepalive._probes._course import end_course
from pytest_keepalive._probes._head import kept_fields
from pytest_keepalive._probes._http_client_course import Asked, read_course
from pytest_keepalive._probes._identity import Identities
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._running import thread_number
from pytest_keepalive._probes._seam import seam_of

_LABELS = {"http": "http.client", "urllib": "urllib.request"}
_FAMILY = frozenset(("botocore", "http", "requests", "urllib", "urllib3"))
_REDIRECTION = 300
_NO_LINES = (b"",)
_NO_FIELDS: tuple[tuple[str, str], ...] = ()


class Owner(NamedTuple):
    """Who owns an ``HTTPConnection`` object.

    Args:
        origin: Who the owner's user asked for.
        pool: The number of the pool.
        pool_name: Its class, such as ``urllib3.HTTPConnectionPool``.
        pool_key: What pools are told apart by, as (field, text) pairs.
        manager: The number of the object above the pool, 0 where there is none.
    """

    origin: Origin
    pool: int
    pool_name: str
    pool_key: tuple[tuple[str, str], ...] = ()
    manager: int = 0


OwnerOf = Callable[[Any], "Owner | None"]
PairOf = Callable[[Any], "Pair | None"]


class Known:
    """An ``HTTPConnection`` object and the socket it uses now."""

    __slots__ = ("answered", "asked", "course", "pair", "prefix", "reference", "sites", "unsent")

    def __init__(self, reference: weakref.ref[Any], pair: Pair, origin: Origin) -> None:
        self.reference = reference
        self.pair = pair
        self.prefix = str(origin)
        self.sites = CallSiteFinder()
        self.course: Course | None = None
        self.answered = False
        self.asked: Asked | None = None
        self.unsent: tuple[Asked, float] | None = None


class HttpClientProbe:
    """Watches ``http.client``.

    Args:
        sink: Where it states its events.
        owner_of: Tells who owns an ``HTTPConnection``, where somebody does.
        pair_of: Gives both ends of a socket that was seen to connect.
    """

    client = "http.client"
    module = "http.client"
    loses = "the requests of http.client, urllib3, requests and botocore"

    def __init__(self, sink: Sink, owner_of: OwnerOf, pair_of: PairOf) -> None:
        self.sink = sink
        self._owner_of = owner_of
        self._pair_of = pair_of
        self._patches = Patches()
        self._identities = Identities()
        self._known: dict[int, Known] = {}
        self._responses: dict[int, Course] = {}

    def install(self, module: ModuleType) -> None:
        """Wrap the classes of ``http.client``.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        connection = seam_of(module, "HTTPConnection")
        response = seam_of(module, "HTTPResponse")
        self._patches.wrap(connection, "endheaders", self._endheaders)
        self._patches.wrap(connection, "getresponse", self._getresponse)
        self._patches.wrap(connection, "close", self._close)
        self._patches.wrap(response, "_close_conn", self._close_conn)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard
        self.forget()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        for known in self._known.values():
            if known.course:
                end_course(known.course, None)
        for course in self._responses.values():
            end_course(course, None)
        self._known.clear()
        self._responses.clear()

    # What stands in the place of the patched names; these run for each request (rule 4).

    def _endheaders(self, original: Callable[..., Any]) -> Callable[..., Any]:
        every_known = self._known

        def endheaders(connection: Any, *args: Any, **kwargs: Any) -> Any:
            at = perf_counter()
            # The head is gone from there once it is sent.
            head = b"\n".join(getattr(connection, "_buffer", _NO_LINES))
            try:
                result = original(connection, *args, **kwargs)
            except BaseException as error:
                self._sent_in_part(connection, head, at, error)
                raise
            try:
                sock = connection.sock
                known = every_known.get(id(connection))
                if known is None or known.reference() is not sock:
                    known = self._adopt(connection, sock)
                    if known is None:
                        return result
                known.unsent = None
                asked = known.pair, known.prefix, known.sites.find(), get_ident(), head
                if asked == known.asked:
                    asked = known.asked
                else:
                    known.asked = asked
                known.course = course = [read_course, 0, asked, next_number(), at]
                self.sink(course)
            except Exception as error:
                self._trouble(error)
            return result

        return endheaders

    def _getresponse(self, original: Callable[..., Any]) -> Callable[..., Any]:
        every_known, responses = self._known, self._responses

        # urllib3 1.26 asks with an argument first, and again without when that is refused.
        def getresponse(connection: Any) -> Any:
            known = every_known.get(id(connection))
            try:
                response = original(connection)
            except BaseException as error:
                self._fail(known, Ending.FAILED, error)
                raise
            if known is None:
                return response
            course = known.course or self._sent_after_all(known)
            if course is None:
                return response
            try:
                at = perf_counter()
                known.course = None
                status, will_close, length = response.status, response.will_close, response.length
                headers = _NO_FIELDS
                if not known.answered or will_close or status >= _REDIRECTION or length is None:
                    known.answered = True
                    headers = kept_fields(response.headers.items())
                said = response.version, will_close, headers, length, response.chunked
                course.append((at, status, *said))
                if length == 0 or response.fp is None:
                    course.append(at)
                else:
                    responses[id(response)] = course
            except Exception as error:
                self._trouble(error)
            return response

        return getresponse

    def _close_conn(self, original: Callable[..., Any]) -> Callable[..., Any]:
        responses = self._responses

        def _close_conn(response: Any) -> Any:
            course = responses.pop(id(response), None)
            if course is not None:
                if response.length == 0:
                    course.append(perf_counter())
                else:
                    self._let_go(response, course)
            return original(response)

        return _close_conn

    def _close(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def close(connection: Any) -> Any:
            known = self._known.get(id(connection))
            if known is not None and known.reference() is connection.sock:
                self._closing(known)
            return original(connection)

        return close

    # What they do besides.

    @observing
    def _sent_in_part(self, connection: Any, head: bytes, at: float, error: BaseException) -> None:
        sock = connection.sock
        known = self._known.get(id(connection))
        if known is None or known.reference() is not sock:
            known = self._adopt(connection, sock)
        if known is None:
            return
        asked = known.pair, known.prefix, find_call_site(4), get_ident(), head
        known.unsent = asked, at
        self._begin(known, asked, at)
        self._fail(known, UNSENT, error)

    def _sent_after_all(self, known: Known) -> Course | None:
        """Take a request that broke off, and is answered all the same, for an exchange."""
        unsent, known.unsent = known.unsent, None
        return self._begin(known, *unsent) if unsent is not None else None

    def _begin(self, known: Known, asked: Asked, at: float) -> Course:
        known.course = course = [read_course, 0, asked, next_number(), at]
        self.sink(course)
        return course

    @observing
    def _let_go(self, response: Any, course: Course) -> None:
        ending, error = _ending_of(response, sys._getframe(3))
        missing = None if response.chunked else response.length
        course.append((perf_counter(), ending, error, missing))

    @observing
    def _closing(self, known: Known) -> None:
        trigger, awaiting = trigger_of_close(4)
        at = perf_counter()
        self.sink(ClosedBy(known.pair, at, trigger, "", find_call_site(4)))
        if known.course and not awaiting:
            # Nobody will ask for the response any more.
            ending = Ending.FAILED if trigger is CloseTrigger.FAILED else Ending.ABANDONED
            end_course(known.course, (at, ending))
            known.course = None

    def _fail(self, known: Known | None, ending: Ending, error: BaseException) -> None:
        if known is not None and known.course:
            end_course(known.course, (perf_counter(), ending, type(error).__name__))
            known.course = None

    def _trouble(self, error: Exception) -> None:
        self.sink(Trouble(self.client, f"its probe failed with {error!r}"))

    def _forgetter(self, key: int) -> Callable[[weakref.ref[Any]], None]:
        known = self._known

        def forget(reference: weakref.ref[Any]) -> None:
            if key in known and known[key].reference is reference:
                del known[key]

        return forget

    def _adopt(self, connection: Any, sock: Any) -> Known | None:
        pair = self._pair(sock) if sock is not None else None
        if pair is None:
            return None
        owner = self._owner_of(connection) or self._own(connection)
        at = perf_counter()
        known = self._known[id(connection)] = Known(
            weakref.ref(sock, self._forgetter(id(connection))), pair, owner.origin
        )
        library = client_in_sight(_FAMILY, 3) or "http"
        self.sink(
            Adopted(
                pair,
                at,
                _LABELS.get(library, library),
                owner.origin,
                owner.pool,
                owner.pool_name,
                owner.pool_key,
                0,  # whatever loop runs, a blocking client is not bound to it
                thread_number(),
                owner.manager,
                find_call_site(4),
            )
        )
        return known

    def _pair(self, sock: Any) -> Pair | None:
        # TLS inside TLS is an object of urllib3's own around the socket.
        plain = getattr(sock, "socket", sock)
        try:
            return self._pair_of(plain) or pair_of(plain.getsockname(), plain.getpeername())
        except OSError:
            # It was reset, and nobody saw it connect.
            return None

    def _own(self, connection: Any) -> Owner:
        """Take a connection that nobody owns for its own owner."""
        number = self._identities.number_of(connection)
        return Owner(_origin_of(connection), number, type(connection).__qualname__)


def _origin_of(connection: Any) -> Origin:
    host, port = connection._tunnel_host or connection.host, connection.port
    if connection._tunnel_host:
        port = connection._tunnel_port or connection.port
    scheme = "https" if hasattr(connection.sock, "context") else "http"
    return Origin(scheme, host, port)


def _ending_of(response: Any, caller: FrameType) -> tuple[Ending, str | None]:
    """Tell how a response ended of which something may be missing, from who lets go of it."""
    outer = caller.f_back if caller.f_code.co_name == "close" else None
    error = error_passing(outer or caller)
    if isinstance(error, Exception):
        return Ending.FAILED, type(error.__cause__ or error).__name__
    if response.length is not None and not response.chunked:
        return Ending.ABANDONED, None
    # urllib3 takes chunks apart itself, and closes the response behind the last.
    complete = outer is None or outer.f_code.co_name == "read_chunked"
    return Ending.COMPLETE if complete else Ending.ABANDONED, None
