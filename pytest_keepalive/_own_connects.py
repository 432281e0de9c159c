"""The connects that this package makes for others, as a relay: they are no client's.

Rules
1. No probe sees them: probes patch the classes derived from the C class, never that class.
2. The kernel sees them all the same, so they are noted for whoever asks the kernel: before they
   are made, since it may be asked while they are under way.
3. A thread makes one connect at a time: thread and time tell which one the kernel saw.
"""

from __future__ import annotations

import _socket
import math
from collections import deque
from threading import Lock, get_native_id
from time import perf_counter
from typing import Any

from pytest_keepalive._opens import BEGUN, Counting
from pytest_keepalive._origin import Address, address_of

# More than are made between two looks at the kernel.
_REMEMBERED = 4096


class OwnConnect:
    """One connect.

    Attributes:
        thread: Who made it, as ``threading.get_native_id`` gives it.
        called_at: When connect was called, in seconds.
        returned_at: When it had returned, in seconds; infinite while it has not.
        local: Its own end; ``None`` while it has none.
    """

    __slots__ = ("called_at", "local", "returned_at", "thread")

    def __init__(self) -> None:
        self.thread = get_native_id()
        self.called_at = perf_counter()
        self.returned_at = math.inf
        self.local: Address | None = None


class OwnConnects(Counting):
    """What this process has connected for others."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._made: deque[OwnConnect] = deque(maxlen=_REMEMBERED)

    def connect(self, sock: _socket.socket, address: Any) -> None:
        """Connect a socket of the C class.

        Raises:
            OSError: It could not be connected.
        """
        own = OwnConnect()
        self._made.append(own)
        with self._lock:
            self._counts[BEGUN] += 1
        sent = False
        try:
            sock.connect(address)
            sent = True
            own.local = address_of(sock.getsockname())
        except (ConnectionError, TimeoutError):
            # Somebody refused it, or let it wait.
            sent = True
            raise
        finally:
            own.returned_at = perf_counter()
            with self._lock:
                self.count_ended(sent)

    def ends(self) -> set[Address | None]:
        """Give the ends of this process of what it connected."""
        return {own.local for own in tuple(self._made)}

    def include(self, thread: int, at: float) -> bool:
        """Tell whether a connect is one of these.

        Args:
            thread: Who made it, as ``threading.get_native_id`` gives it.
            at: When the kernel saw it, in seconds.
        """
        return any(
            own.thread == thread and own.called_at <= at <= own.returned_at
            for own in tuple(self._made)
        )


own_connects = OwnConnects()
