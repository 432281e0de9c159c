"""One request of httpx, from when its transport takes it to when its response is let go.

Rules
1. An exchange is complete when its body was read to its end; a response let go before is
   abandoned, and one whose reading raised has failed.
2. A request whose writing failed or was broken off is unsent; over HTTP/1.1 it was sent whole
   when the response is read for.
3. An exchange that was never put on a connection is none, and nothing is stated of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from threading import get_ident
from time import perf_counter
from typing import Any, TypeVar

from pytest_keepalive._call_site import find_call_site
from pytest_keepalive._events import Answered, Ended, Ending, Requested, new_number
from pytest_keepalive._origin import DEFAULT_PORTS, Origin
from pytest_keepalive._probes._head import kept_fields
from pytest_keepalive._probes._httpcore_head import framing_of, said_by, url_of
from pytest_keepalive._probes._httpcore_state import COMPLETE, Head, How
from pytest_keepalive._probes._patch import observing
from pytest_keepalive._probes._running import running_task
from pytest_keepalive._transports._carrier import (
    ABANDONED,
    CLIENT,
    Carrier,
    Last,
    RecordedPool,
)

_REDIRECTION = 300
_BODILESS = frozenset((101, 204, 304))  # RFC 9112, section 6.3

Fields = list[tuple[bytes, bytes]]
Value = TypeVar("Value")


class ExchangeUnderWay:
    """A request, and what becomes of it.

    Args:
        pool: Of the transport.
        request: A ``httpx.Request``.
    """

    client = CLIENT

    def __init__(self, pool: RecordedPool, request: Any) -> None:
        self.sink = pool.sink
        self.carrier: Carrier | None = None
        self._request = request
        self._call_site = find_call_site()
        self._number = new_number()
        self._began_at = perf_counter()
        self._head: Head | None = None
        self._said_close = self._write_failed = self._was_read_for = self._is_over = False
        self._remaining: int | None = None

    @observing
    def writing(self, carrier: Carrier, written: bytes) -> None:
        """Note what is about to be written in the context of this request."""
        if self.carrier is None and carrier.begins_with(written, self._request.method):
            self._put_on(carrier)

    def write_failed(self) -> None:
        """Note that something could not be written."""
        self._write_failed = True

    def reading(self) -> None:
        """Note that something is about to be read in the context of this request."""
        self._was_read_for = self.carrier is not None

    @observing
    def answered(self, status: int, version: bytes, fields: Fields) -> None:
        """State that the head of the response came."""
        if self.carrier is None:
            return
        at, spoken, method = perf_counter(), version.decode("ascii"), self._request.method
        will_close, framed = framing_of(fields, spoken, status, method)
        self._head = Head(will_close, self._said_close, spoken, status)
        told = {name.lower(): value for name, value in fields}
        self._remaining = _length_of(told, status, method)
        kept: tuple[tuple[str, str], ...] = ()
        # A stream is told from other bodies by its type, and is sent in chunks.
        telling = will_close or status >= _REDIRECTION or b"transfer-encoding" in told
        if self.carrier.hears_first() or telling:
            kept = kept_fields((str(n, "latin-1"), str(v, "latin-1")) for n, v in fields)
        self.sink(Answered(self._number, at, status, spoken, will_close, kept, framed))

    def received(self, part: bytes) -> None:
        """Count what was read of the body."""
        if self._remaining is not None:
            self._remaining -= len(part)

    def failed(self, error: BaseException) -> None:
        """State that there is no response, or not all of it."""
        carrier = self.carrier
        sent = not self._write_failed
        if carrier is not None and not carrier.multiplexed:
            sent = sent and self._was_read_for
        sent = sent or self._head is not None
        missing = self._remaining if self._head is not None else None
        self.over(How(Ending.FAILED if sent else Ending.UNSENT, type(error).__name__, missing))

    def complete(self) -> None:
        """State that the response was read to its end."""
        self.over(COMPLETE)

    def abandoned(self) -> None:
        """State that the response was let go, unless the exchange had ended before."""
        self.over(ABANDONED._replace(missing=self._remaining))

    @observing
    def over(self, how: How) -> None:
        """State how the exchange ended, once."""
        if self.carrier is None or self._is_over:
            return
        self._is_over, at = True, perf_counter()
        self.carrier.under_way.discard(self)
        self.carrier.last = Last(how, self._head, not self._write_failed, at)
        self.sink(Ended(self._number, at, how.ending, how.error, how.missing))

    def _put_on(self, carrier: Carrier) -> None:
        request, self.carrier = self._request, carrier
        url = request.url
        origin = _origin_of(url.scheme, url.raw_host, url.port)
        first = carrier.adopt(origin, self._call_site)
        carrier.under_way.add(self)
        # The request came first, then the connect that it needed.
        at = self._began_at if first else perf_counter()
        said = said_by(request.headers.raw)
        self._said_close = said[0]
        place, shown = (self._number, carrier.pair, at), url_of(str(origin), url.raw_path)
        worker = running_task() or get_ident()
        self.sink(Requested(*place, request.method, shown, self._call_site, *said, worker))


current: ContextVar[ExchangeUnderWay | None] = ContextVar("current", default=None)


@contextmanager
def setting(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    """Set a context variable for the length of a block."""
    token = variable.set(value)
    try:
        yield
    finally:
        # A coroutine that was given up is closed in whichever context the collector runs in;
        # the one that it set something in is gone with it.
        with suppress(ValueError):
            variable.reset(token)


@lru_cache(maxsize=256)
def _origin_of(scheme: str, host: bytes, port: int | None) -> Origin:
    return Origin(scheme, host.decode("ascii"), port or DEFAULT_PORTS.get(scheme, 0))


def _length_of(told: dict[bytes, bytes], status: int, method: str) -> int | None:
    """Give the length of a body in bytes, where the head tells (RFC 9112, section 6.3)."""
    if method == "HEAD" or status in _BODILESS:
        return 0
    length = told.get(b"content-length", b"")
    return int(length) if length.isdigit() and b"transfer-encoding" not in told else None
