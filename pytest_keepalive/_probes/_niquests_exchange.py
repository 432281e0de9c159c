"""Connections of urllib3-future, the exchanges on them, and why a connection is closed.

Judgement alone: the probe reads the client, and hands in what it read.
"""

from __future__ import annotations

import weakref
from time import perf_counter
from typing import Any, NamedTuple

from pytest_keepalive._events import CloseTrigger
from pytest_keepalive._origin import Pair
from pytest_keepalive._probes._head import forbids_reuse
from pytest_keepalive._probes._niquests_closing import Place

_BODILESS = frozenset((101, 204, 304))
_SWITCHING_PROTOCOLS = 101
_SUCCESS = range(200, 300)


class Reason(NamedTuple):
    """Why a connection is closed.

    Args:
        trigger: What made the client do so.
        detail: The figure that proves it.
    """

    trigger: CloseTrigger
    detail: str = ""


_GOAWAY = Reason(CloseTrigger.SERVER_SAID_CLOSE, "GOAWAY")


class Exchange:
    """An exchange that is under way.

    Args:
        number: Its number in the events.
        known: Its connection.
        promise: What urllib3-future calls it by.
        stream: The number of its stream.
        method: Such as ``GET``.
        closing: Whether the request says ``Connection: close``.
    """

    __slots__ = (
        "answered",
        "closing",
        "known",
        "method",
        "number",
        "promise",
        "stream",
        "upgraded",
        "waited_for",
    )

    def __init__(
        self, number: int, known: Known, promise: str, stream: int, method: str, closing: bool
    ) -> None:
        self.number = number
        self.known = known
        self.promise = promise
        self.stream = stream
        self.method = method
        self.closing = closing
        self.answered = self.upgraded = self.waited_for = False


class Known:
    """A connection that carries requests.

    Args:
        reference: Gives the socket object, while it lives.
        pair: The connection's two ends.
        prefix: The origin's text.
    """

    __slots__ = (
        "closing",
        "error",
        "exchanges",
        "forbidden",
        "greeted",
        "idle_since",
        "missing",
        "pair",
        "prefix",
        "protocol",
        "reference",
        "unframed",
    )

    def __init__(self, reference: weakref.ref[Any], pair: Pair, prefix: str) -> None:
        self.reference = reference
        self.pair = pair
        self.prefix = prefix
        self.exchanges: dict[str, Exchange] = {}
        self.idle_since = perf_counter()
        self.greeted = self.closing = self.unframed = False
        self.forbidden: Reason | None = None
        self.error: str | None = None
        self.missing: int | None = None
        self.protocol: Any = None

    def answer(
        self, exchange: Exchange, status: int, version: str, connection: str | None, framed: bool
    ) -> bool:
        """Take in a response head, and tell whether the length of its body is known.

        Args:
            exchange: Which it belongs to.
            status: Such as 200.
            version: Such as ``HTTP/1.1``.
            connection: The value of the ``Connection`` field, or ``None``.
            framed: Whether there is a length, chunks, or no body at all.
        """
        self.greeted = exchange.answered = True
        if version in ("HTTP/2", "HTTP/3"):
            return True
        framed = framed or status in _BODILESS or exchange.method == "HEAD"
        tunnel = exchange.method == "CONNECT" and status in _SUCCESS
        exchange.upgraded = status == _SWITCHING_PROTOCOLS or tunnel
        self.unframed = not framed and not exchange.upgraded
        self.forbidden = _what_forbids_reuse(exchange, version, connection, self.unframed)
        return framed

    def why_closed(self, place: Place, with_pool: bool, expiry: str, offer: str) -> Reason | None:
        """Tell why it is closed, or ``None`` where nothing shows it.

        Args:
            place: Where it is closed.
            with_pool: Whether its whole pool is.
            expiry: The figure that shows that its time has run out, or nothing.
            offer: The protocol that the client changes to, or nothing.
        """
        if place is Place.END_OF_RESPONSE:
            return self.forbidden or _GOAWAY
        if place is Place.STREAM_ENDED:
            # Else it is the peer who closes.
            return self.forbidden if self.unframed else self._goaway()
        if place is Place.STREAM_RESET:
            return Reason(CloseTrigger.BODY_UNREAD, self._unread())
        if place is Place.SWITCH:
            return Reason(CloseTrigger.CLIENT_CLOSED, f"moves on to {offer}, as Alt-Svc offers")
        if place is Place.CHECKOUT and self.forbidden is not None:
            return self.forbidden
        if place is Place.CHECKOUT and expiry:
            return Reason(CloseTrigger.EXPIRED, expiry)
        if place is Place.CHECKOUT:
            idle = f"idle {perf_counter() - self.idle_since:.3g} s"
            return Reason(CloseTrigger.DROPPED, idle)
        if place is Place.FAILURE or (place is Place.RESPONSE and self.error):
            return Reason(CloseTrigger.FAILED, self.error or "")
        if place is Place.RESPONSE:
            return Reason(CloseTrigger.BODY_UNREAD, self._unread())
        if place is Place.SETTINGS:
            return Reason(CloseTrigger.SETTINGS_CHANGED)
        if place is Place.EVICTION:
            return Reason(CloseTrigger.POOL_DISPOSED if with_pool else CloseTrigger.EVICTED)
        return Reason(CloseTrigger.CLIENT_CLOSED)

    def _goaway(self) -> Reason | None:
        # The connection has forgotten its protocol by now.
        return _GOAWAY if getattr(self.protocol, "_goaway_to_honor", False) else None

    def _unread(self) -> str:
        if self.missing is None:
            return "the end of its body had not come"
        return f"{self.missing} bytes were not read"


def _what_forbids_reuse(
    exchange: Exchange, version: str, connection: str | None, unframed: bool
) -> Reason | None:
    if exchange.upgraded:
        return Reason(CloseTrigger.SERVER_SAID_CLOSE, "101 Switching Protocols")
    if exchange.closing:
        return Reason(CloseTrigger.KEEPALIVE_OFF, "Connection: close in the request")
    if forbids_reuse(version, connection):
        said = version if connection is None else f"Connection: {connection}"
        return Reason(CloseTrigger.SERVER_SAID_CLOSE, said)
    return Reason(CloseTrigger.SERVER_SAID_CLOSE, "no length, and no chunks") if unframed else None
