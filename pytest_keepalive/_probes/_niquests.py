"""niquests, and what else stands on urllib3-future: HTTP/1.1 and HTTP/2, awaited or not.

Rules
1. urllib3-future may have taken the place of ``urllib3``, or live beside it under a name of its
   own: a probe watches one of the two packages.
2. A request is named by its promise, which the response gives back: over HTTP/2 several are on
   one connection at once, and any of them may be asked for first.
3. The head is seen in the backend, where the body of the response cannot have been read yet.
4. An exchange is over when the last of its body came off the wire, whoever reads it when.
5. HTTP/3 is UDP: there is no TCP connection to state anything about.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from types import ModuleType
from typing import Any

from pytest_keepalive._call_site import client_in_sight, find_call_site
from pytest_keepalive._events import (
    Adopted,
    Answered,
    ClosedBy,
    CloseTrigger,
    Ended,
    Ending,
    Handshaken,
    Requested,
    Sink,
    discard,
    new_number,
)
from pytest_keepalive._probes._head import kept_fields
from pytest_keepalive._probes._niquests_closing import Place, place_of_close
from pytest_keepalive._probes._niquests_exchange import Exchange, Known
from pytest_keepalive._probes._niquests_pools import Pools
from pytest_keepalive._probes._niquests_wire import (
    Said,
    backend_of,
    ends_of,
    expiry_of,
    is_at_end,
    is_unsent,
    last_response,
    offer_of,
    origin_asked,
    promise_of,
    said_in,
    url_of,
    version_of,
    was_received,
)
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._running import running_loop, running_task, thread_number
from pytest_keepalive._probes._seam import ignore, observed, seam_of

HandshakeOf = Callable[[Any], "tuple[float, float, str | None] | None"]
Arguments = tuple[Any, ...]

_FAMILY = frozenset(("botocore", "niquests", "requests", "urllib3", "urllib3_future"))
_REDIRECTION = 300
_SIDES = (
    ("", "", "backend._base.LowLevelResponse"),
    ("_async.", "Async", "backend._async._base.AsyncLowLevelResponse"),
)


class NiquestsProbe:
    """Watches one package of urllib3-future.

    Args:
        sink: Where it states its events.
        handshake_of: Tells when the TLS handshake of an ``SSLObject`` began and ended, in
            seconds, and what ALPN chose; ``None`` where nobody saw it.
        package: ``urllib3_future``, or ``urllib3`` in whose place it may be.
    """

    client = "urllib3-future"
    loses = "the requests of niquests and of what else stands on urllib3-future"

    def __init__(
        self,
        sink: Sink,
        handshake_of: HandshakeOf = lambda _: None,
        package: str = "urllib3_future",
    ) -> None:
        self.sink = sink
        self.module = package
        self._handshake_of = handshake_of
        self._patches = Patches()
        self._pools = Pools()
        self._known: dict[int, Known] = {}
        self._exchanges: dict[str, Exchange] = {}

    def install(self, module: ModuleType) -> None:
        """Wrap both sides of the package, the awaited one and the other.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        for path, prefix, low_response in _SIDES:
            connection = seam_of(module, f"{path}connection.{prefix}HTTPConnection")
            pool = seam_of(module, f"{path}connectionpool.{prefix}HTTPConnectionPool")
            manager = seam_of(module, f"{path}poolmanager.{prefix}PoolManager")
            self._watch_connections(connection)
            self._watch_responses(seam_of(module, low_response))
            self._wrap(manager, "connection_from_pool_key", _first_argument, self._note_key)
            self._wrap(pool, "_get_conn", _subject, self._note_connection)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard
        self.forget()
        self._pools.clear()

    def join(self, manager: Any, head: Any) -> None:
        """Take a manager of pools for part of another one, whose number it gets."""
        self._pools.join(manager, head)

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        self._known.clear()
        self._exchanges.clear()

    def _watch_connections(self, connection: Any) -> None:
        self._wrap(connection, "request", self._request, self._requested, self._not_sent)
        self._wrap(connection, "close", self._closing)
        # The connection makes a response of its own from the backend's, and may read it at once.
        backend = backend_of(connection)
        self._wrap(backend, "getresponse", self._await_head, self._head_came, self._broke)

    def _watch_responses(self, response: Any) -> None:
        for name in ("read", "read1"):
            # The second is of 2.20 and later.
            if name == "read" or hasattr(response, name):
                self._wrap(response, name, self._await_body, self._body_came, self._broke)
        for name in ("close", "abort"):
            if name == "close" or hasattr(response, name):
                self._wrap(response, name, self._let_go)

    def _wrap(
        self,
        owner: Any,
        name: str,
        begin: Callable[..., Any],
        done: Callable[..., Any] = ignore,
        failed: Callable[..., Any] = ignore,
    ) -> None:
        self._patches.wrap(owner, name, observed(begin, done, failed))

    @observing
    def _note_key(self, token: Any, pool: Any) -> None:
        manager, key = token
        self._pools.note_key(manager, pool, key)

    @observing
    def _note_connection(self, pool: Any, connection: Any) -> None:
        self._pools.note_connection(pool, connection)

    # A request is made.

    def _request(self, connection: Any, arguments: Arguments, named: dict[str, Any]) -> Any:
        return connection, perf_counter(), arguments

    @observing
    def _requested(self, token: Any, promise: Any) -> None:
        connection, at, _ = token
        said = said_in(promise.request_headers)
        known = self._known_of(connection.sock) or self._adopt(connection, said.target)
        if known is not None:
            number = self._state_request(known, said, at)
            exchange = Exchange(
                number, known, promise.uid, promise.stream_id, said.method, said.closing
            )
            self._exchanges[promise.uid] = known.exchanges[promise.uid] = exchange

    @observing
    def _not_sent(self, token: Any, error: BaseException) -> None:
        connection, at, arguments = token
        promise = getattr(error, "promise", None)
        if promise is not None:
            # Only its body could not be sent; the response may have come all the same.
            self._requested(token, promise)
            return
        sock = connection.sock
        if sock is None or len(arguments) < 2:
            return
        said = Said(str(arguments[0]), str(arguments[1]))
        known = self._known_of(sock) or self._adopt(connection, said.target)
        if known is not None:
            known.error = type(error).__name__
            ending = Ending.UNSENT if is_unsent(error) else Ending.FAILED
            number = self._state_request(known, said, at)
            self.sink(Ended(number, perf_counter(), ending, known.error))

    def _state_request(self, known: Known, said: Said, at: float) -> int:
        number = new_number()
        url = url_of(known.prefix, said.target)
        self.sink(
            Requested(
                number,
                known.pair,
                at,
                said.method,
                url,
                find_call_site(5),
                said.closing,
                said.expecting,
                said.has_body,
                running_task() or get_ident(),
            )
        )
        return number

    # A response comes.

    @observing
    def _await_head(self, connection: Any, _: Arguments, named: dict[str, Any]) -> Any:
        known = self._known_of(connection.sock)
        if known is None:
            return None
        promise = named.get("promise")
        waiting = [each for each in known.exchanges.values() if not each.answered]
        exchange = self._exchanges.get(promise.uid) if promise is not None else None
        if exchange is None and len(waiting) == 1:
            exchange = waiting[0]
        if exchange is not None:
            exchange.waited_for = True
        return exchange, connection

    @observing
    def _head_came(self, token: Any, response: Any) -> None:
        if token is None:
            return
        awaited, connection = token
        if awaited is not None:
            awaited.waited_for = False
        exchange = self._exchange_of(response)
        if exchange is not None and not exchange.answered:
            self._state_answer(exchange, connection, response)

    @observing
    def _await_body(self, response: Any, _: Arguments, named: dict[str, Any]) -> Any:
        exchange = self._exchange_of(response)
        if exchange is None:
            return None
        exchange.waited_for = True
        return exchange, response

    @observing
    def _body_came(self, token: Any, _: Any) -> None:
        if token is not None:
            exchange, response = token
            exchange.waited_for = False
            if is_at_end(response):
                self._end(exchange, Ending.COMPLETE)

    @observing
    def _broke(self, token: Any, error: BaseException) -> None:
        exchange = token[0] if token is not None else None
        if exchange is not None:
            exchange.waited_for = False
            self._end(exchange, Ending.FAILED, type(error).__name__)

    @observing
    def _let_go(self, response: Any, _: Arguments, named: dict[str, Any]) -> None:
        exchange = self._exchange_of(response)
        if exchange is None:
            return
        if exchange.upgraded or is_at_end(response):
            self._end(exchange, Ending.COMPLETE)
        else:
            missing = getattr(response, "length", None)
            exchange.known.missing = missing
            self._end(exchange, Ending.ABANDONED, None, missing)

    def _state_answer(self, exchange: Exchange, connection: Any, response: Any) -> None:
        at = perf_counter()
        known, headers, status = exchange.known, response.msg, response.status
        known.protocol = getattr(connection, "_protocol", None)
        version = version_of(connection, response)
        first, at_end = not known.greeted, is_at_end(response)
        framed = "content-length" in headers or "transfer-encoding" in headers or at_end
        framed = known.answer(exchange, status, version, headers.get("connection"), framed)
        forbidden = known.forbidden is not None
        kept: tuple[tuple[str, str], ...] = ()
        # A stream is told from other bodies by its type, and has no length.
        if forbidden or status >= _REDIRECTION or first or "content-length" not in headers:
            kept = kept_fields(headers.items())
        self.sink(Answered(exchange.number, at, status, version, forbidden, kept, framed))
        if at_end:
            self._end(exchange, Ending.COMPLETE)

    def _end(
        self,
        exchange: Exchange,
        ending: Ending,
        error: str | None = None,
        missing: int | None = None,
    ) -> None:
        known = exchange.known
        self._exchanges.pop(exchange.promise, None)
        if known.exchanges.pop(exchange.promise, None) is None:
            return
        known.error = error or known.error
        known.idle_since = at = perf_counter()
        self.sink(Ended(exchange.number, at, ending, error, missing))

    # A connection is closed.

    @observing
    def _closing(self, connection: Any, _: Arguments, named: dict[str, Any]) -> None:
        known = self._known_of(connection.sock)
        if known is None or known.closing:
            return
        known.closing = True
        place, with_pool = place_of_close(4)
        for exchange in list(known.exchanges.values()):
            self._settle(exchange, connection, place)
        reason = known.why_closed(place, with_pool, expiry_of(connection), offer_of(connection))
        if reason is not None:
            by_user = reason.trigger is CloseTrigger.CLIENT_CLOSED
            site = find_call_site(4) if by_user else None
            self.sink(ClosedBy(known.pair, perf_counter(), *reason, site))

    def _settle(self, exchange: Exchange, connection: Any, place: Place) -> None:
        """End an exchange whose connection is being closed, unless somebody waits for it."""
        if place is Place.STREAM_ENDED and exchange.waited_for:
            return
        response = last_response(connection)
        if not exchange.answered and self._exchange_of(response) is exchange:
            self._state_answer(exchange, connection, response)
        if exchange.promise not in exchange.known.exchanges:
            return
        received = was_received(connection, exchange.stream)
        if exchange.answered and (received or exchange.upgraded):
            self._end(exchange, Ending.COMPLETE)
        elif place in (Place.STREAM_ENDED, Place.FAILURE):
            self._end(exchange, Ending.FAILED, exchange.known.error)
        else:
            self._end(exchange, Ending.ABANDONED)

    # What is known.

    def _exchange_of(self, response: Any) -> Exchange | None:
        promise = promise_of(response)
        return self._exchanges.get(promise) if promise is not None else None

    def _known_of(self, sock: Any) -> Known | None:
        known = self._known.get(id(sock))
        return known if known is not None and known.reference() is sock else None

    def _adopt(self, connection: Any, target: str) -> Known | None:
        sock = connection.sock
        pair = ends_of(sock)
        if pair is None:
            return None
        owner = self._pools.owner_of(connection)
        origin = origin_asked(connection, target, owner.origin if owner is not None else None)
        adopted = Adopted(
            pair,
            perf_counter(),
            client_in_sight(_FAMILY, 4) or "niquests",
            origin,
            owner.pool if owner is not None else 0,
            owner.pool_name if owner is not None else type(connection).__qualname__,
            owner.pool_key if owner is not None else (),
            running_loop(),
            thread_number(),
            owner.manager if owner is not None else 0,
            find_call_site(5),
        )
        key, known = id(sock), self._known
        reference = weakref.ref(sock, lambda _: known.pop(key, None))
        known[key] = Known(reference, pair, str(origin))
        handshake = self._handshake_of(getattr(sock, "sslobj", None))
        if handshake is not None:
            self.sink(Handshaken(pair, *handshake))
        self.sink(adopted)
        return known[key]


def _subject(subject: Any, _: Arguments, named: dict[str, Any]) -> Any:
    return subject


def _first_argument(subject: Any, arguments: Arguments, named: dict[str, Any]) -> Any:
    return subject, arguments[0] if arguments else named.get("pool_key")
