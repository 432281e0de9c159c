"""TLS handshakes on the two public classes that make them: SSLSocket and SSLObject.

Rules
1. A handshake lasts from the first call of ``do_handshake`` to the one that succeeds; in
   between it is called once for each flight, and raises when it wants more.
2. Only the client's side is measured: the servers of a test may run in the same process.
3. An ``SSLSocket`` knows its connection, so the fact is stated at once. An ``SSLObject`` has no
   address: what was measured is remembered until the probe of the client asks for it.
4. Only the first handshake of an object counts: calling again behind a success does nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import perf_counter
from types import ModuleType
from typing import Any, NamedTuple

from pytest_keepalive._events import Handshaken, Sink, discard
from pytest_keepalive._origin import Pair, pair_of
from pytest_keepalive._probes._patch import Patches, observing


class Handshake(NamedTuple):
    """A TLS handshake that was completed.

    Args:
        started_at: When the first flight was sent, in seconds.
        ended_at: When it was complete, in seconds.
        protocol: What ALPN chose, such as ``h2``; ``None`` for nothing.
    """

    started_at: float
    ended_at: float
    protocol: str | None


class TlsProbe:
    """Watches the handshakes of ``ssl``.

    Args:
        sink: Where it states its events.
    """

    client = "ssl"
    module = "ssl"
    loses = "how long TLS handshakes take"

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._patches = Patches()
        self._begun: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._done: weakref.WeakKeyDictionary[Any, Handshake] = weakref.WeakKeyDictionary()

    def install(self, module: ModuleType) -> None:
        """Wrap ``do_handshake`` of both classes.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        self._patches.wrap(module.SSLSocket, "do_handshake", self._of_socket)
        self._patches.wrap(module.SSLObject, "do_handshake", self._of_object)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard
        self.forget()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        self._begun.clear()
        self._done.clear()

    def handshake_of(self, ssl_object: Any) -> Handshake | None:
        """Give the handshake of an ``SSLObject``, such as ``get_extra_info("ssl_object")`` gives.

        The probe of an asynchronous client states it when it adopts the connection:
        ``sink(Handshaken(pair, *handshake))``.

        Args:
            ssl_object: Anything; ``None``, a handshake that nobody saw, and an ``SSLSocket``,
                whose handshake was stated when it was made, all give ``None``.
        """
        try:
            return self._done.get(ssl_object)
        except TypeError:
            return None

    # What stands in the place of the patched names.

    def _of_socket(self, original: Callable[..., Any]) -> Callable[..., Any]:
        return self._measured(original, self._state)

    def _of_object(self, original: Callable[..., Any]) -> Callable[..., Any]:
        return self._measured(original, self._remember)

    def _measured(
        self, original: Callable[..., Any], complete: Callable[[Any], None]
    ) -> Callable[..., Any]:
        def do_handshake(tls: Any, *args: Any, **kwargs: Any) -> Any:
            self._begin(tls)
            result = original(tls, *args, **kwargs)
            complete(tls)
            return result

        return do_handshake

    # What they do.

    @observing
    def _begin(self, tls: Any) -> None:
        if tls not in self._begun and not tls.server_side and tls.version() is None:
            self._begun[tls] = perf_counter()

    @observing
    def _state(self, tls: Any) -> None:
        handshake = self._completed(tls)
        if handshake is None:
            return
        pair = _pair_of(tls)
        if pair is not None:
            self.sink(Handshaken(pair, *handshake))

    @observing
    def _remember(self, tls: Any) -> None:
        handshake = self._completed(tls)
        if handshake is not None:
            self._done[tls] = handshake

    def _completed(self, tls: Any) -> Handshake | None:
        ended_at = perf_counter()
        started_at = self._begun.pop(tls, None)
        if started_at is None:
            return None
        return Handshake(started_at, ended_at, tls.selected_alpn_protocol())


def _pair_of(sock: Any) -> Pair | None:
    try:
        return pair_of(sock.getsockname(), sock.getpeername())
    except OSError:
        # It was reset as soon as it stood; there is no connection to state anything about.
        return None
