"""Which destinations a limit is about: the ``to`` of a marker, an entry of ``keepalive_ignore``.

Rules
1. A destination is ``host``, ``host:port``, a URL, or a glob of one of these; an IPv6 address
   with a port stands in brackets (RFC 3986, section 3.2.2).
2. The host matches the name asked for, the name resolved and the peer's address.
3. A URL without a port means its scheme's default port; its path plays no part.
4. A connection of which no client probe told the scheme matches every scheme.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from pytest_keepalive._connection import Connection
from pytest_keepalive._events import Attempted
from pytest_keepalive._origin import DEFAULT_PORTS, origin_of

_HOST = r"[\w.*?\[\]!-]+"
_IPV6 = r"[0-9A-Fa-f:.*?]+(%\w+)?"
_SCHEME = r"[A-Za-z*?][\w+.*?-]*"
_UNKNOWN_SCHEME = "tcp"


class Destination(NamedTuple):
    """A pattern for destinations; see the rules of this module.

    Args:
        scheme: A glob, or ``None`` for every scheme.
        host: A glob, in lower case.
        port: A number or a glob as text, or ``None`` for every port.
    """

    scheme: str | None
    host: str
    port: str | None

    def matches(self, connection: Connection) -> bool:
        """Tell whether a connection goes to, or was asked to go to, this destination."""
        if not self._scheme_matches(connection):
            return False
        return any(self._end_matches(host, port) for host, port in _ends(connection))

    def matches_attempt(self, attempt: Attempted) -> bool:
        """Tell whether an attempt was made towards this destination."""
        host, port = attempt.peer
        return self._end_matches(host, port) or (
            attempt.asked_for is not None and self._end_matches(attempt.asked_for, port)
        )

    def matches_url(self, url: str) -> bool:
        """Tell whether a URL leads to this destination, as far as its text tells."""
        origin = origin_of(url)
        if origin is None or not self._matches_scheme(origin.scheme):
            return False
        return self._end_matches(origin.host, origin.port)

    def _scheme_matches(self, connection: Connection) -> bool:
        return self._matches_scheme(connection.origin.scheme)

    def _matches_scheme(self, seen: str) -> bool:
        return self.scheme is None or seen == _UNKNOWN_SCHEME or fnmatchcase(seen, self.scheme)

    def _end_matches(self, host: str, port: int) -> bool:
        if self.port is not None and not fnmatchcase(str(port), self.port):
            return False
        return fnmatchcase(host.lower(), self.host)


def parse_destination(text: object) -> Destination:
    """Read a destination.

    Args:
        text: See rule 1.

    Raises:
        ValueError: It is not text, or no host, URL or glob.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no host, URL or glob: it must be text")
    scheme, separator, rest = text.partition("://")
    if separator:
        authority = rest.partition("/")[0].rpartition("@")[2]
    else:
        scheme, authority = "", text
    host, port = _split(authority)
    if (
        not _is_host(host)
        or not _is_port(port)
        or (separator and not re.fullmatch(_SCHEME, scheme))
    ):
        raise ValueError(f"{text!r} is no host, URL or glob")
    if separator and not port:
        port = str(DEFAULT_PORTS.get(scheme.lower(), "*"))
    return Destination(scheme.lower() or None, host.lower(), port or None)


def _split(authority: str) -> tuple[str, str | None]:
    bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::(.*))?", authority)
    if bracketed:
        return bracketed[1], bracketed[2]
    if authority.count(":") > 1:
        return authority, None
    host, colon, port = authority.partition(":")
    return host, port if colon else None


def _is_host(host: str) -> bool:
    pattern = _IPV6 if ":" in host else _HOST
    return bool(re.fullmatch(pattern, host)) and any(char.isalnum() or char == "*" for char in host)


def _is_port(port: str | None) -> bool:
    if port is None or "*" in port or "?" in port:
        return port is None or re.fullmatch(r"[\d*?]+", port) is not None
    return port.isascii() and port.isdigit() and int(port) <= 65535


def _ends(connection: Connection) -> Iterator[tuple[str, int]]:
    yield connection.origin.host, connection.origin.port
    yield connection.peer
    if connection.asked_for is not None:
        yield connection.asked_for, connection.peer[1]
    # One connection to a forward proxy carries exchanges of many origins.
    for url in {exchange.url for exchange in connection.exchanges}:
        origin = origin_of(url)
        if origin is not None and origin != connection.origin:
            yield origin.host, origin.port
