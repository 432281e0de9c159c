"""Every TCP connect through Python's socket classes.

Rules
1. Every class that inherits from ``_socket.socket`` directly is wrapped, and looked for again
   at each window: gevent and others bring their own.
2. Only stream sockets of the internet families are TCP; UDP and Unix sockets never count, and
   accepted sockets never connect.
3. Repeated connects of one socket object are one attempt: event loops poll with them.
4. SO_ERROR is never read: the first read clears it, and the client's own would miss it
   (socket(7)). ``getpeername`` and TCP_INFO tell the same and take nothing away (tcp(7)).
5. Where the kernel does not tell the outcome at once the attempt is pending, and is settled by
   whoever looks next: a repeated connect, its close, or the end of a window.
6. ``socketpair`` where it is emulated (Windows) is the event loop talking to itself.
7. What fails in here is told, and reaches the program nowhere: guards against blocking calls
   raise in whatever asks the system for something.
"""

from __future__ import annotations

import _socket
import errno
import sys
import weakref
from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from typing import Any

from pytest_keepalive._call_site import CallSiteFinder
from pytest_keepalive._events import (
    ESTABLISHED,
    FAILED,
    PENDING,
    Attempted,
    Outcome,
    Settled,
    Sink,
    discard,
    new_event,
    next_number,
)
from pytest_keepalive._opens import BEGUN, DONE, Counting, Counts
from pytest_keepalive._origin import Address, Pair, address_of
from pytest_keepalive._probes._connect_outcome import name_of_error, outcome_of, was_sent
from pytest_keepalive._probes._open_socket import OpenSocket, closed, established
from pytest_keepalive._probes._patch import Patches, observing, tell_trouble
from pytest_keepalive._probes._resolved_names import ResolvedNames, is_plain
from pytest_keepalive._probes._tcp_info import raw_tcp_info, read_tcp_info

_STREAM = _socket.SOCK_STREAM
_STREAM_PROTOCOLS = frozenset((0, 6, 262))  # unspecified, TCP, MPTCP (RFC 8684)
_INTERNET = frozenset((_socket.AF_INET, _socket.AF_INET6))
_EMULATES_PAIRS = not hasattr(_socket, "socketpair")
_PAIR_MAKERS = frozenset(("socketpair", "_fallback_socketpair"))
# An ordinary socket's ``type`` may carry flags such as SOCK_NONBLOCK above these bits.
_TYPE_BITS = 0xF

# The C members cost a tenth of the enum-making properties that socket.socket puts over them.
_family: Callable[[Any], int] = _socket.socket.family.__get__
_type: Callable[[Any], int] = _socket.socket.type.__get__
_proto: Callable[[Any], int] = _socket.socket.proto.__get__
_fileno = _socket.socket.fileno
_getsockname = _socket.socket.getsockname
_getpeername = _socket.socket.getpeername


class SocketProbe(Counting):
    """Watches the socket classes of this process.

    Args:
        sink: Where it states its events.
        counts: Where it counts its connects; by default, for itself.
    """

    client = "socket"

    def __init__(self, sink: Sink, counts: Counts | None = None) -> None:
        super().__init__(counts)
        self.sink = sink
        self._patches = Patches()
        self._open: dict[int, OpenSocket] = {}
        self._on_collected = self._collected
        self._sites = CallSiteFinder()
        self._resolved = ResolvedNames(self.client, sink)
        self._names = self._resolved.of

    def install(self) -> None:
        """Wrap ``getaddrinfo`` and every socket class there is now; may be called again."""
        self._resolved.install()
        for cls in _socket.socket.__subclasses__():
            self._patches.wrap(cls, "connect", self._connect)
            self._patches.wrap(cls, "connect_ex", self._connect_ex)
            self._patches.wrap(cls, "detach", self._detach)
            self._patches.wrap(cls, "shutdown", self._shutdown)
            # close() of socket.socket waits for its files; _real_close is when it happens.
            closing = "_real_close" if hasattr(cls, "_real_close") else "close"
            self._patches.wrap(cls, closing, self._close)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self._resolved.uninstall()
        self.sink = discard
        self._open.clear()

    def forget(self) -> None:
        """Start empty, as a forked child does: its parent's connections are not its own."""
        self._open.clear()

    def settle(self) -> None:
        """State what became of the attempts that were pending when last seen."""
        for descriptor, entry in list(self._open.items()):
            if entry.outcome is PENDING:
                sock = entry()
                if sock is not None and _fileno(sock) == descriptor:
                    self._look(sock, entry, exact=False)

    def pair_of(self, sock: Any) -> Pair | None:
        """Give both ends of a socket that was seen to connect, even where it was reset since.

        Args:
            sock: Anything; ``None`` is given for all but an open socket.
        """
        entry = self._entry_of(sock) if isinstance(sock, _socket.socket) else None
        return entry.pair if entry and entry.outcome is ESTABLISHED else None

    def name_of(self, address: str) -> str | None:
        """Give the host name that was last resolved to an address, or ``None``."""
        return self._names.get(address)

    # What stands in the place of the patched names.

    def _connect(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(sock: Any, address: Any) -> Any:
            entry = self._begin(sock)
            if entry is None:
                return original(sock, address)
            started_at = perf_counter()
            try:
                result = original(sock, address)
            except BaseException as error:
                self._end(sock, entry, address, started_at, error)
                raise
            try:
                self._established(sock, entry, address, started_at)
            except Exception as error:
                self._lost(entry, error)
            return result

        return connect

    def _connect_ex(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def connect_ex(sock: Any, address: Any) -> Any:
            entry = self._begin(sock)
            if entry is None:
                return original(sock, address)
            started_at = perf_counter()
            try:
                code = original(sock, address)
            except BaseException as error:
                self._end(sock, entry, address, started_at, error)
                raise
            failure = OSError(code, "") if code else None
            self._end(sock, entry, address, started_at, failure)
            return code

        return connect_ex

    def _detach(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def detach(sock: Any) -> Any:
            descriptor = original(sock)
            entry = self._open.get(descriptor)
            if entry is not None and entry() is sock:
                # TLS is put over a socket like this.
                entry.detached = True
            return descriptor

        return detach

    def _shutdown(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def shutdown(sock: Any, how: int) -> Any:
            # Without SHUT_WR nothing is sent, and nothing ends.
            if how != _socket.SHUT_RD:
                self._ending(sock)
            return original(sock, how)

        return shutdown

    def _close(self, original: Callable[..., Any]) -> Callable[..., Any]:
        known = self._open

        def close(sock: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                descriptor = _fileno(sock)
                entry = known.get(descriptor)
                if entry is not None and (
                    (entry() is sock and not entry.detached) or self._inherits(sock, entry)
                ):
                    del known[descriptor]
                    if entry.outcome is not ESTABLISHED:
                        self._decide(sock, entry)
                    if entry.outcome is ESTABLISHED and entry.ends is not None:
                        seen = perf_counter(), raw_tcp_info(sock), entry.first_to_close
                        self.sink((closed, entry.ends, *seen))
            except Exception as error:
                tell_trouble(self, error)
            return original(sock, *args, **kwargs) if args or kwargs else original(sock)

        return close

    # What they do.

    def _lost(self, entry: OpenSocket, error: Exception) -> None:
        """Leave a connection to the witness, which counts what the probe could not see."""
        self.count_ended(sent=False)
        self._open.pop(entry.descriptor, None)
        tell_trouble(self, error)

    @observing
    def _ending(self, sock: Any) -> None:
        """Note who closed first, while the kernel can still tell."""
        entry = self._entry_of(sock)
        if entry is not None and entry.first_to_close is None:
            info = read_tcp_info(sock)
            entry.first_to_close = info.first_to_close if info else None

    @observing
    def _begin(self, sock: Any) -> OpenSocket | None:
        """Give the entry of a new attempt, or ``None`` when there is nothing to state."""
        if _family(sock) not in _INTERNET or _type(sock) & _TYPE_BITS != _STREAM:
            return None
        if _proto(sock) not in _STREAM_PROTOCOLS:
            return None
        descriptor = _fileno(sock)
        known = self._open.get(descriptor)
        if known is not None and not self._is_over(sock, known):
            return None
        if _EMULATES_PAIRS and _caller_of_connect() in _PAIR_MAKERS:
            return None
        self._counts[BEGUN] += 1
        entry = self._open[descriptor] = OpenSocket(sock, self._on_collected)
        entry.attempt, entry.descriptor, entry.detached = next_number(), descriptor, False
        entry.outcome = entry.ends = entry.first_to_close = None
        return entry

    def _is_over(self, sock: Any, known: OpenSocket) -> bool:
        """Tell whether a descriptor stands for no attempt any more when it connects again."""
        if not known.stands_for(sock):
            self._closed_unseen(known)
            return True
        if known.outcome is PENDING:
            self._look(sock, known, exact=True)
        return known.outcome is FAILED

    def _end(self, sock: Any, entry: OpenSocket, *how: Any) -> None:
        """State what became of a connect, or that this could not be seen."""
        try:
            self._judge(sock, entry, *how)
        except Exception as error:
            self._lost(entry, error)

    def _judge(
        self,
        sock: Any,
        entry: OpenSocket,
        address: Any,
        started_at: float,
        error: BaseException | None,
    ) -> None:
        ended_at: float | None = perf_counter()
        if getattr(error, "errno", None) == errno.EISCONN:
            # It had connected before anybody looked.
            self._open.pop(_fileno(sock), None)
            self.count_ended(sent=False)
            return
        asked = address_of(address) or (str(address), 0)
        local = _end_of(sock, _getsockname)
        peer: Address | None = asked
        if error is not None or not is_plain(asked[0]):
            peer = _end_of(sock, _getpeername)
        outcome = outcome_of(sock, local, peer, error)
        peer = peer or asked
        entry.outcome = outcome
        if local is not None:
            entry.ends = local, peer
        failure = None
        if outcome is FAILED:
            failure = name_of_error(error)
            self._open.pop(_fileno(sock), None)
        elif outcome is PENDING:
            ended_at = None
        name = self._names.get(peer[0]) or (asked[0] if asked[0] != peer[0] else None)
        result = outcome, local, peer, name, failure
        facts = (entry.attempt, started_at, ended_at, *result, self._sites.find(), get_ident())
        self.sink(new_event(Attempted, (*facts, "socket", 0, "")))
        self.count_ended(outcome is not FAILED or was_sent(sock, error))

    def _established(self, sock: Any, entry: OpenSocket, address: Any, started_at: float) -> None:
        """State a connect that succeeded; here every microsecond is one of the program's."""
        ended_at = perf_counter()
        try:
            local, host = _getsockname(sock), address[0]
        except OSError:
            # Another thread has closed it already.
            local, host = ("", 0), None
        # An address that was resolved is what it looks like.
        name = self._names.get(host) if type(host) is str else None
        if name is None or not local[1] or type(address[1]) is not int:
            self._end(sock, entry, address, started_at, None)
            return
        entry.outcome = ESTABLISHED
        entry.ends = ends = local, address
        seen = started_at, ended_at, ends, name, self._sites.find(), get_ident()
        self.sink((established, entry.attempt, *seen))
        self._counts[DONE] += 1

    def _look(self, sock: Any, entry: OpenSocket, exact: bool) -> None:
        if _end_of(sock, _getpeername) is not None:
            self._settle(entry, ESTABLISHED, exact)
            return
        info = read_tcp_info(sock)
        if info is not None and not info.is_connecting:
            became = ESTABLISHED if info.was_established else FAILED
            self._settle(entry, became, exact)

    def _settle(self, entry: OpenSocket, outcome: Outcome, exact: bool) -> None:
        entry.outcome = outcome
        local = entry.pair.local if entry.pair else None
        self.sink(Settled(entry.attempt, perf_counter(), exact, outcome, local))

    def _entry_of(self, sock: Any) -> OpenSocket | None:
        entry = self._open.get(_fileno(sock))
        if entry is None or entry.stands_for(sock) or self._inherits(sock, entry):
            return entry
        return None

    def _inherits(self, sock: Any, entry: OpenSocket) -> bool:
        """Tell whether a socket was given the descriptor by the one that connected.

        By detach(); or the descriptor was closed behind our back and given out again: the local
        address tells which.
        """
        return entry.pair is not None and entry.pair.local == _end_of(sock, _getsockname)

    def _decide(self, sock: Any, entry: OpenSocket) -> None:
        """Settle an attempt that is closed, and so will never be anything else."""
        if entry.outcome is PENDING:
            self._look(sock, entry, exact=False)
        if entry.outcome is PENDING:
            self._settle(entry, FAILED, exact=False)

    def _collected(self, reference: weakref.ref[Any]) -> None:
        """A socket was garbage, and its finalizer closed it."""
        assert isinstance(reference, OpenSocket)
        if self._open.get(reference.descriptor) is reference and not reference.detached:
            del self._open[reference.descriptor]
            self._closed_unseen(reference)

    def _closed_unseen(self, entry: OpenSocket) -> None:
        if entry.ends is not None and entry.outcome is ESTABLISHED:
            self.sink((closed, entry.ends, perf_counter(), b"", entry.first_to_close))


def _caller_of_connect() -> str:
    try:
        return sys._getframe(4).f_code.co_name
    except ValueError:
        # A thread or a greenlet may begin with connect itself.
        return ""


def _end_of(sock: Any, ask: Callable[[Any], Any]) -> Address | None:
    try:
        return address_of(ask(sock))
    except OSError:
        return None
