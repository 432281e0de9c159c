"""Where the transports that record by themselves state what they see.

While the probes are installed they see what these transports carry, too, and it is theirs to
state what a recording counts; what is stated twice of a connection that is known does no harm.
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_keepalive._events import Adopted, Attempted, Requested, Sink, Stated, discard

_SEEN_BY_PROBES = frozenset((Attempted, Adopted, Requested, list))
# The kernel counts no active open where nothing could be sent.
_NEVER_SENT = frozenset(
    ("EADDRNOTAVAIL", "ENETUNREACH", "EHOSTUNREACH", "EAFNOSUPPORT", "EINVAL", "EPERM", "EACCES")
)


class TransportSink:
    """A sink for as long as one recorder is in use.

    Args:
        sink: The recorder's.
        is_patched: Tells whether the probes are installed now.
    """

    def __init__(self, sink: Sink, is_patched: Callable[[], bool]) -> None:
        self.opens = 0
        self._sink = sink
        self._is_patched = is_patched

    def __call__(self, event: Stated) -> None:
        """Take an event."""
        if type(event) in _SEEN_BY_PROBES and self._is_patched():
            return
        if isinstance(event, Attempted) and event.error not in _NEVER_SENT:
            self.opens += 1
        self._sink(event)

    def settle(self) -> None:
        """State what was pending: nothing ever is."""

    def close(self) -> None:
        """Take nothing more."""
        self._sink = discard
