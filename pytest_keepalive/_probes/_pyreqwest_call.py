"""One request of pyreqwest, from the last middleware on: the events that are stated of it.

Rules
1. A client that follows redirects answers with the last response, which may be of another
   connection: its status is told, and nothing that it says of a connection.
2. A request that could not connect was not sent. Nobody tells whether a redirect led to where it
   could not; who follows redirects makes at least the requests that are told.
3. The body of a streamed response may be there as a whole when its head is: pyreqwest reads ahead.
"""

from __future__ import annotations

from threading import get_ident
from time import perf_counter
from typing import Any, NamedTuple

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._events import (
    Adopted,
    Answered,
    Called,
    Ended,
    Ending,
    Requested,
    new_number,
)
from pytest_keepalive._origin import UNSEEN_PAIR, Origin, origin_of, without_secrets
from pytest_keepalive._probes._head import forbids_reuse, kept_fields

_VERSIONS = {"HTTP/2.0": "HTTP/2", "HTTP/3.0": "HTTP/3"}
_WITHOUT_BODY = (204, 304)
_NEVER_SENT = frozenset(("PoolTimeoutError", "BuilderError"))
_CANNOT_CONNECT = "client error (Connect)"


class Pool(NamedTuple):
    """A client, as its requests see it.

    Args:
        number: Its own, 0 where it is not known.
        name: What it is.
        since: When it was made, in seconds; ``None`` where its connections may lead elsewhere.
        redirects: Whether it follows redirects.
    """

    number: int
    name: str
    since: float | None
    redirects: bool


class Call:
    """What was built to be sent.

    Args:
        call_site: The user's line.
        worker: The thread or the task.
        streams: Whether its response is read by its user.
        alone: Its client, where it has one of its own.

    Attributes:
        held: The exchange whose response is being read.
    """

    def __init__(
        self, call_site: CallSite | None, worker: int, streams: bool, alone: Pool | None
    ) -> None:
        self.call_site = call_site
        self.worker = worker
        self.streams = streams
        self.alone = alone
        self.held: Exchange | None = None

    def begin(self, pool: Pool, request: Any) -> Exchange | None:
        """Begin an exchange; ``None`` for what is no request of HTTP."""
        url = str(request.url)
        origin = origin_of(url)
        return None if origin is None else Exchange(self, pool, request, url, origin)


class Exchange:
    """One request and its response.

    Args:
        call: What it came of.
        pool: Its client.
        request: Asked now, since it can be asked nothing once it is sent.
        url: As it is sent.
        origin: Of the URL.

    Attributes:
        over: Whether its end was stated.
    """

    def __init__(self, call: Call, pool: Pool, request: Any, url: str, origin: Origin) -> None:
        self.call = call
        self.over = False
        self._number = new_number()
        self._pool = pool
        self._url = url
        self._origin = origin
        self._method = str(request.method)
        self._read_ahead = int(request.read_buffer_limit) if call.streams else 0

    def called(self, client: str) -> Called:
        """State that it begins."""
        now, call, pool = perf_counter(), self.call, self._pool
        url, site = without_secrets(self._url), call.call_site
        requested = Requested(
            self._number, UNSEEN_PAIR, now, self._method, url, site, worker=call.worker
        )
        adopted = Adopted(
            UNSEEN_PAIR,
            now,
            client,
            self._origin,
            pool.number,
            pool.name,
            thread=get_ident(),
            call_site=site,
            partly=pool.redirects,
        )
        return Called(requested, adopted, pool.since)

    def answered(self, response: Any) -> Answered:
        """State that its response came."""
        now, version = perf_counter(), str(response.version)
        version = _VERSIONS.get(version, version)
        if self._pool.redirects:
            return Answered(self._number, now, response.status, version)
        headers = tuple((str(name), str(value)) for name, value in response.headers.items())
        closes = version != "HTTP/2" and forbids_reuse(version, response.get_header("connection"))
        return Answered(self._number, now, response.status, version, closes, kept_fields(headers))

    def is_whole(self, response: Any) -> bool:
        """Tell whether all of a response came with its head (rule 3)."""
        if not self.call.streams or self._method == "HEAD" or response.status in _WITHOUT_BODY:
            return True
        length = response.get_header("content-length") or ""
        return length.isdigit() and int(length) < self._read_ahead

    def ended(self, ending: Ending, error: BaseException | None = None) -> Ended:
        """State that it is over."""
        self.over = True
        name = None if error is None else type(error).__name__
        return Ended(self._number, perf_counter(), ending, name)

    def failed(self, error: BaseException) -> Ended:
        """State that there was no response."""
        return self.ended(Ending.UNSENT if self._was_never_sent(error) else Ending.FAILED, error)

    def _was_never_sent(self, error: BaseException) -> bool:
        if type(error).__name__ in _NEVER_SENT:
            return True
        details = getattr(error, "details", None) or {}
        told = [str(cause.get("message", "")) for cause in details.get("causes") or ()]
        return _CANNOT_CONNECT in told
