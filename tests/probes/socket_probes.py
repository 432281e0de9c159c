"""Socket probes that stand alone, for as long as something connects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_keepalive._events import Sink
from pytest_keepalive._opens import Counts
from pytest_keepalive._probes._socket import SocketProbe


@contextmanager
def installed(sink: Sink, counts: Counts | None = None) -> Iterator[SocketProbe]:
    """Watch the socket classes inside the block."""
    probe = SocketProbe(sink, counts)
    probe.install()
    try:
        yield probe
    finally:
        probe.uninstall()
