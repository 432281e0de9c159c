"""uvloop: the connects that libuv makes, and the ends of the connections that it holds.

Rules
1. ``Loop.create_connection`` resolves, connects and does the handshake inside libuv, where no
   Python socket ever connects; with ``sock=`` the socket probe has seen the connect already.
2. A time is stated only where it is that of the connect alone: to a numeric address, without TLS.
   Else resolving and the handshake are part of what was measured, and ``ended_at`` is left out.
3. Of several addresses tried in turn only the last shows. A name that cannot be resolved was never
   connected to, nor, as far as can be proved, was one whose connect was cancelled.
4. A connection whose TLS handshake failed is known by its error alone: its own end is gone with
   its transport, so that nobody sees it close.
5. libuv closes the descriptor itself, behind every Python socket. It does so right behind the
   protocol's ``connection_lost``; where that is not told, the transport's own stand-in for a
   socket loses its descriptor, and whoever looks next states the close.
"""

from __future__ import annotations

import _socket
import errno
import weakref
from collections.abc import Callable
from ipaddress import ip_address
from threading import get_ident
from time import perf_counter
from types import ModuleType
from typing import Any

from pytest_keepalive._call_site import find_call_site
from pytest_keepalive._events import Attempted, Closed, Outcome, Sink, discard, new_number
from pytest_keepalive._opens import BEGUN, Counting, Counts
from pytest_keepalive._origin import Pair, pair_of
from pytest_keepalive._probes._patch import Patches, SeamGone, observing
from pytest_keepalive._probes._tcp_info import TcpInfo, closed_with, read_tcp_info

_NOWHERE = Pair(("", 0), ("", 0))
# The peer, or somebody on the way, answered: the kernel counts these as active opens.
_REFUSALS = frozenset((errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT))


class Followed:
    """A connection that libuv holds.

    Args:
        pair: The connection's two ends.
        stand_in: uvloop's stand-in for a socket; its descriptor is -1 once libuv has closed it.
        protocol: Gives the protocol that will be told of the end, while it lives.
    """

    __slots__ = ("pair", "protocol", "stand_in")

    def __init__(self, pair: Pair, stand_in: Any, protocol: Callable[[], Any]) -> None:
        self.pair = pair
        self.stand_in = stand_in
        self.protocol = protocol


class UvloopProbe(Counting):
    """Watches ``uvloop.Loop``.

    Args:
        sink: Where it states its events.
        counts: Where it counts the connects of libuv; by default, for itself.
    """

    client = "uvloop"
    module = "uvloop"
    loses = "the connects that uvloop makes without a Python socket"

    def __init__(self, sink: Sink, counts: Counts | None = None) -> None:
        super().__init__(counts)
        self.sink = sink
        self._patches = Patches()
        self._followed: dict[Pair, Followed] = {}
        self._pairs: dict[int, Pair] = {}

    def install(self, module: ModuleType) -> None:
        """Wrap the two ways to a transport.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        loop = getattr(module, "Loop", None)
        if loop is None:
            raise SeamGone("uvloop.Loop")
        self._patches.wrap(loop, "create_connection", self._create_connection)
        self._patches.wrap(loop, "start_tls", self._start_tls)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard
        self.forget()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        self._followed.clear()
        self._pairs.clear()

    def settle(self) -> None:
        """State the closes of which no protocol was told, as those of a loop that was closed."""
        for followed in list(self._followed.values()):
            if followed.stand_in.fileno() < 0:
                self._state_closed(followed, None)

    # What stands in the place of the patched names.

    def _create_connection(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def create_connection(
            loop: Any, factory: Any, host: Any = None, port: Any = None, **options: Any
        ) -> Any:
            if options.get("sock") is None:
                self._counts[BEGUN] += 1
            started_at = perf_counter()
            try:
                made = await original(loop, factory, host, port, **options)
            except BaseException as error:
                self._failed(host, port, options, started_at, error)
                raise
            self._made(host, options, started_at, *made)
            return made

        return create_connection

    def _start_tls(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def start_tls(
            loop: Any, transport: Any, protocol: Any, *args: Any, **options: Any
        ) -> Any:
            secured = await original(loop, transport, protocol, *args, **options)
            self._secured(transport, protocol)
            return secured

        return start_tls

    def _connection_lost(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def connection_lost(protocol: Any, *args: Any, **kwargs: Any) -> Any:
            followed = self._followed.get(self._pairs.get(id(protocol), _NOWHERE))
            if followed is None or followed.protocol() is not protocol:
                return original(protocol, *args, **kwargs)
            info = _look(followed.stand_in)
            try:
                return original(protocol, *args, **kwargs)
            finally:
                self._state_closed(followed, info)

        return connection_lost

    # What they do.

    @observing
    def _made(
        self, host: Any, options: dict[str, Any], started_at: float, transport: Any, protocol: Any
    ) -> None:
        ended_at = perf_counter()
        connected = options.get("sock") is None
        if connected:
            self.count_ended(sent=True)
        pair = _pair_of(transport)
        if pair is None:
            return
        if connected:
            numeric = _is_numeric(host)
            attempted = Attempted(
                new_number(),
                started_at,
                ended_at if numeric and not options.get("ssl") else None,
                Outcome.ESTABLISHED,
                pair.local,
                pair.peer,
                None if numeric or host is None else str(host),
                None,
                find_call_site(4),
                get_ident(),
                self.client,
            )
            self.sink(attempted)
        self._follow(pair, transport, protocol)

    @observing
    def _failed(
        self, host: Any, port: Any, options: dict[str, Any], started_at: float, error: BaseException
    ) -> None:
        if options.get("sock") is not None:
            return
        numeric = _is_numeric(host)
        tried = _was_tried(numeric, error)
        self.count_ended(tried and _reached_the_wire(error))
        if not tried:
            return
        established = _is_of_tls(error)
        attempted = Attempted(
            new_number(),
            started_at,
            None if established else perf_counter(),
            Outcome.ESTABLISHED if established else Outcome.FAILED,
            None,
            (str(host), port if isinstance(port, int) else 0),
            None if numeric else str(host),
            _name_of(error),
            find_call_site(4),
            get_ident(),
            self.client,
        )
        self.sink(attempted)

    @observing
    def _secured(self, transport: Any, protocol: Any) -> None:
        pair = _pair_of(transport)
        if pair is not None:
            self._follow(pair, transport, protocol)

    def _follow(self, pair: Pair, transport: Any, protocol: Any) -> None:
        stand_in = transport.get_extra_info("socket")
        if stand_in is None:
            # Closed already, before anybody could be told.
            self.sink(Closed(pair, perf_counter()))
            return
        before = self._followed.get(pair)
        if before is not None:
            self._pairs.pop(id(before.protocol()), None)
        self._followed[pair] = Followed(pair, stand_in, self._reference(pair, protocol))

    def _reference(self, pair: Pair, protocol: Any) -> Callable[[], Any]:
        key, pairs = id(protocol), self._pairs
        try:
            self._patches.wrap(type(protocol), "connection_lost", self._connection_lost)
            reference = weakref.ref(protocol, lambda _: pairs.pop(key, None))
        except (SeamGone, TypeError, AttributeError):
            # A class that lets nobody in: ``settle`` will see the close.
            return _nobody
        pairs[key] = pair
        return reference

    @observing
    def _state_closed(self, followed: Followed, info: TcpInfo | None) -> None:
        if self._followed.get(followed.pair) is followed:
            del self._followed[followed.pair]
        self._pairs.pop(id(followed.protocol()), None)
        self.sink(closed_with(followed.pair, perf_counter(), info))


def _nobody() -> None:
    """Stand for a reference to an object that cannot be referred to."""


def _pair_of(transport: Any) -> Pair | None:
    return pair_of(transport.get_extra_info("sockname"), transport.get_extra_info("peername"))


def _look(stand_in: Any) -> TcpInfo | None:
    """Ask the kernel about the connection that a stand-in stands for."""
    descriptor = stand_in.fileno()
    if descriptor < 0:
        return None
    try:
        sock = _socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        return read_tcp_info(sock)
    finally:
        sock.detach()


def _is_numeric(host: Any) -> bool:
    try:
        ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _was_tried(numeric: bool, error: BaseException) -> bool:
    """Tell whether a connect was made before an error came."""
    if isinstance(error, OSError):
        return not isinstance(error, _socket.gaierror) and "getaddrinfo" not in str(error)
    return numeric and not isinstance(error, (TypeError, ValueError))


def _reached_the_wire(error: BaseException) -> bool:
    if not isinstance(error, OSError) or _is_of_tls(error) or error.errno is None:
        return True
    return error.errno in _REFUSALS


def _name_of(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number in errno.errorcode and not _is_of_tls(error):
        return errno.errorcode[number]
    return type(error).__name__


def _is_of_tls(error: BaseException) -> bool:
    # The errors of ssl are OSErrors whose numbers are OpenSSL's and not the system's.
    return type(error).__module__ == "ssl"
