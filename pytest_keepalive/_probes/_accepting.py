"""What Python's servers in this process accept: the other end of what nobody saw being opened.

Rules
1. It is stated nowhere, and never counts: accepted sockets did not connect.
2. Only where others of the run open connections, too, is it of use: there the kernel's count does
   not tell whose they were.
"""

from __future__ import annotations

import _socket
from collections import deque
from collections.abc import Callable
from time import perf_counter
from types import ModuleType
from typing import Any, NamedTuple

from pytest_keepalive._origin import Address, address_of
from pytest_keepalive._probes._patch import Patches

_MOST_KEPT = 20_000


class Arrival(NamedTuple):
    """A connection that was accepted.

    Args:
        end: The client's end, as the system gives it.
        at: When, in seconds.
    """

    end: Any
    at: float

    @property
    def peer(self) -> Address | None:
        """The client's end; ``None`` where that is not of the internet."""
        return address_of(self.end)


arrivals: deque[Arrival] = deque(maxlen=_MOST_KEPT)


class AcceptProbe:
    """Watches the servers of this process."""

    client = "socket"
    module = "socket"
    loses = "whose the connections are that nobody saw being opened"

    def __init__(self) -> None:
        self._patches = Patches()

    def install(self, module: ModuleType) -> None:
        """Wrap what ``accept`` calls in every socket class there is now."""
        for cls in _socket.socket.__subclasses__():
            self._patches.wrap(cls, "_accept", self._accept)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.forget()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        arrivals.clear()

    def _accept(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def accept(sock: Any) -> Any:
            made = original(sock)
            arrivals.append(Arrival(made[1], perf_counter()))
            return made

        return accept
