"""TCP connections as whoever opens them sees them, with nothing patched.

Rules
1. One connect of a client's is one attempt here, although it may have tried several addresses:
   what is not seen is not stated.
2. A name that could not be resolved is no attempt: nothing was sent.
3. No socket is kept alive: the end of the object that stands for one is its close.
"""

from __future__ import annotations

import _socket
import errno
import os
import sys
import weakref
from collections.abc import Iterator
from threading import get_ident
from time import perf_counter
from typing import Any

from pytest_keepalive._call_site import find_call_site
from pytest_keepalive._events import (
    Attempted,
    Closed,
    Handshaken,
    Outcome,
    Side,
    Sink,
    new_number,
)
from pytest_keepalive._origin import Address, Pair, address_of
from pytest_keepalive._probes._patch import observing
from pytest_keepalive._probes._tcp_info import TcpInfo, closed_with, read_tcp_info

OBSERVER = "transport"


class Connecting:
    """A connect under way.

    Args:
        client: The library that connects, for what goes wrong in here.
        sink: Where it states its events.
        host: The name or address that the client asked for.
        port: A TCP port.
    """

    def __init__(self, client: str, sink: Sink, host: str, port: int) -> None:
        self.client = client
        self.sink = sink
        self._asked: Address = host, port
        self._started_at = perf_counter()

    @observing
    def failed(self, error: BaseException) -> None:
        """State that there is no connection."""
        culprit = _culprit_of(error)
        if not isinstance(culprit, _socket.gaierror):
            self._state(Outcome.FAILED, None, self._asked, _name_of(culprit))

    @observing
    def established(self, local: object, peer: object) -> Pair | None:
        """State that there is a connection, and give its ends; ``None`` where it has none.

        Args:
            local: What ``getsockname`` gave.
            peer: What ``getpeername`` gave; ``None`` where the peer has reset it already.
        """
        here, there = address_of(local), address_of(peer) or self._asked
        if here is None:
            return None
        self._state(Outcome.ESTABLISHED, here, there, None)
        return Pair(here, there)

    def _state(
        self, outcome: Outcome, local: Address | None, peer: Address, error: str | None
    ) -> None:
        self.sink(
            Attempted(
                new_number(),
                self._started_at,
                perf_counter(),
                outcome,
                local,
                peer,
                self._asked[0],
                error,
                find_call_site(),
                get_ident(),
                OBSERVER,
            )
        )


class OpenConnection:
    """A connection until its socket is closed.

    Args:
        client: The library that opened it, for what goes wrong in here.
        sink: Where it states its events.
        pair: Its ends.
    """

    def __init__(self, client: str, sink: Sink, pair: Pair) -> None:
        self.client = client
        self.sink = sink
        self.pair = pair
        self._finalizer: weakref.finalize[..., Any] | None = None
        self._is_closed = False

    def watch(self, holder: object) -> None:
        """Take the end of an object for the close of this connection.

        Args:
            holder: What stands for the socket now, in place of what did before.
        """
        if self._finalizer is not None:
            self._finalizer.detach()
        self._finalizer = weakref.finalize(holder, self._collected)
        self._finalizer.atexit = False

    @observing
    def handshaken(self, started_at: float, protocol: str | None) -> None:
        """State that TLS is established now.

        Args:
            started_at: When the handshake began, in seconds.
            protocol: What ALPN chose, or ``None``.
        """
        self.sink(Handshaken(self.pair, started_at, perf_counter(), protocol))

    @observing
    def closed(self, info: TcpInfo | None) -> None:
        """State that the socket is closed, once.

        Args:
            info: What the kernel told of it just before.
        """
        self._close(closed_with(self.pair, perf_counter(), info))

    def _collected(self) -> None:
        self._close(Closed(self.pair, perf_counter(), Side.CLIENT))

    def _close(self, closed: Closed) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._finalizer is not None:
            self._finalizer.detach()
        self.sink(closed)


def look_at(sock: Any) -> TcpInfo | None:
    """Ask the kernel about an open socket, or give ``None`` where it does not tell.

    Args:
        sock: A socket, or what asyncio, trio or uvloop have in the place of one.
    """
    if sys.platform != "linux" or sock is None or sock.fileno() < 0:
        return None
    if isinstance(sock, _socket.socket):
        return read_tcp_info(sock)
    same = _socket.socket(fileno=os.dup(sock.fileno()))
    try:
        return read_tcp_info(same)
    finally:
        same.close()


def _culprit_of(error: BaseException) -> BaseException:
    """Find the system's error below what a client library made of it."""
    chain = [each for each in _chain_of(error) if isinstance(each, OSError)]
    numbered = [each for each in chain if each.errno is not None]
    return next(iter(numbered or chain), error)


def _chain_of(error: BaseException) -> Iterator[BaseException]:
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__


def _name_of(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, type(error).__name__)
