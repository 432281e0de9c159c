"""Which host names were resolved to which addresses.

Rules
1. What somebody's stand-in for ``getaddrinfo`` gives may be anything, and is the program's: what
   can be read once only is left alone.
2. A guard that somebody puts there is theirs to find again, and to take away: it is not wrapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pytest_keepalive._events import Sink, discard
from pytest_keepalive._origin import address_of
from pytest_keepalive._probes._patch import Patches, observing

# What connect(2) takes as it is, so that there is no need to ask for the peer's address. The
# addresses 0.0.0.0 and :: are not such: the peer is the host itself then.
is_plain = re.compile(r"[1-9][0-9]{0,2}(?:\.(?:0|[1-9][0-9]{0,2})){3}").fullmatch
_UNSPECIFIED = "::"


class ResolvedNames:
    """The names that ``socket.getaddrinfo`` resolved.

    Args:
        client: Who states what goes wrong.
        sink: Where it is stated.

    Attributes:
        of: The name that was last resolved to each address.
    """

    def __init__(self, client: str, sink: Sink) -> None:
        self.client = client
        self.sink = sink
        self.of: dict[str, str] = {}
        self._patches = Patches()
        self._resolver: Callable[..., Any] | None = None

    def install(self) -> None:
        """Wrap ``getaddrinfo``; may be called again."""
        import socket

        present = socket.getaddrinfo
        if self._resolver in (None, present) and not _is_guard(present):
            self._resolver = present
            self._patches.wrap(socket, "getaddrinfo", self._getaddrinfo)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard

    def _getaddrinfo(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
            found = original(host, *args, **kwargs)
            self._remember(host, found)
            return found

        return getaddrinfo

    @observing
    def _remember(self, host: Any, found: Any) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if not isinstance(name, str) or not isinstance(found, (list, tuple)):
            return
        known = self.of
        for each in found:
            end = each[-1]
            if type(end) is tuple and known.get(end[0]) == name:
                continue
            address = address_of(end)
            if address is not None and _is_address(address[0]):
                known[address[0]] = name.lower()


def _is_address(text: str) -> bool:
    return bool(is_plain(text)) or (":" in text and text != _UNSPECIFIED)


def _is_guard(resolver: Any) -> bool:
    """Tell whether it resolves nothing, and is taken away only while it stands there itself."""
    return getattr(resolver, "__module__", "") == "pytest_socket"
