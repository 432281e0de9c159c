"""The terms on which a server keeps connections open: what it does, and what it announces."""

from __future__ import annotations

from typing import NamedTuple

from pytest_keepalive._server import _arguments
from pytest_keepalive._server._reply import http_version_of


class Terms(NamedTuple):
    """What holds for every connection of a server.

    Args:
        idle_timeout: Seconds without a request after which the server closes.
        requests_per_connection: After so many exchanges the server closes.
        http_version: Of its responses, ``1.0`` or ``1.1``.
        announce_keep_alive: Whether responses carry ``Keep-Alive: timeout=N, max=M``.
        announce_close: Whether the last response that the limit allows says
            ``Connection: close``, or over HTTP/2 is followed by GOAWAY.
        http2: Whether HTTP/2 is spoken to clients that want it.
        max_concurrent_streams: How many streams a client may have open at once over HTTP/2.
    """

    idle_timeout: float | None = None
    requests_per_connection: int | None = None
    http_version: str = "1.1"
    announce_keep_alive: bool = False
    announce_close: bool = True
    http2: bool = False
    max_concurrent_streams: int = 100

    def is_last(self, exchange_index: int) -> bool:
        """Whether the limit allows no exchange after this one."""
        limit = self.requests_per_connection
        return limit is not None and exchange_index + 1 >= limit

    def keep_alive_field(self, exchange_index: int) -> str | None:
        """Give the value of the Keep-Alive field, if one is announced.

        The timeout is in whole seconds (RFC 2068, 19.7.1.1), rounded down: a promise may be
        shorter than the truth, never longer.
        """
        parts = []
        if self.announce_keep_alive and self.idle_timeout is not None:
            parts.append(f"timeout={int(self.idle_timeout)}")
        if self.announce_keep_alive and self.requests_per_connection is not None:
            parts.append(f"max={self.requests_per_connection - exchange_index - 1}")
        return ", ".join(parts) or None


def checked_terms(terms: Terms) -> Terms:
    """Give some terms back when each of them makes sense.

    Raises:
        TypeError: One is of the wrong type.
        ValueError: One makes no sense, alone or beside another.
    """
    if terms.idle_timeout is not None:
        _arguments.seconds("idle_timeout", terms.idle_timeout)
    if terms.requests_per_connection is not None:
        _arguments.count("requests_per_connection", terms.requests_per_connection, 1)
    http_version_of(terms.http_version, None)
    _arguments.flag("announce_keep_alive", terms.announce_keep_alive)
    _arguments.flag("announce_close", terms.announce_close)
    _arguments.count("max_concurrent_streams", terms.max_concurrent_streams, 1)
    if _arguments.flag("http2", terms.http2) and terms.http_version == "1.0":
        raise ValueError("http2 and http_version='1.0' exclude each other")
    return terms
