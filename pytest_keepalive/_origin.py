"""Who a client asked for: an origin, and the addresses of a connection.

Rules
1. An origin is scheme, host and port as the client asked (RFC 6454, section 4), never the
   address that a resolver or a proxy gave.
2. Its text leaves out the scheme's default port (RFC 6454, section 6.2).
3. Addresses are compared as (host, port): scope ids, flow labels and the IPv4-mapped form of
   IPv6 are not part of who is at the other end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern
from typing import NamedTuple

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_LONGEST_NAME = 40
# Compiled when they are first used.
_AUTHORITY_END, _WORD = r"[/?#]", r"[a-z][a-z_-]{0,19}"

Address = tuple[str, int]


# Stands for a client's end that nobody saw, as for a process that was gone too soon.
UNSEEN_END: Address = ("", 0)


class Pair(NamedTuple):
    """The two ends of one connection; at any moment no two open connections share it."""

    local: Address
    peer: Address


UNSEEN_PAIR = Pair(UNSEEN_END, UNSEEN_END)


class Origin(str):
    """Scheme, host and port as the client asked; a ``str`` such as ``http://api:8000``.

    Args:
        scheme: Such as ``http`` or ``https``; ``tcp`` where no client probe told.
        host: A name or a numeric address, without brackets.
        port: A TCP port.
    """

    __slots__ = ("host", "port", "scheme")
    scheme: str
    host: str
    port: int

    def __new__(cls, scheme: str, host: str, port: int) -> Origin:
        scheme, host = scheme.lower(), host.lower()
        shown = f"[{host}]" if ":" in host else host
        suffix = "" if DEFAULT_PORTS.get(scheme) == port else f":{port}"
        self = str.__new__(cls, f"{scheme}://{shown}{suffix}")
        self.scheme, self.host, self.port = scheme, host, port
        return self

    def __getnewargs__(self) -> tuple[str, str, int]:  # type: ignore[override]
        # str's own would hand the text back to the three-argument constructor.
        return self.scheme, self.host, self.port

    def __repr__(self) -> str:
        return f"<Origin {self}>"


def address_of(sockname: object) -> Address | None:
    """Reduce what ``getsockname`` or ``getpeername`` gave to (host, port).

    Args:
        sockname: An IPv4 pair or an IPv6 quadruple; anything else is no TCP address.
    """
    if not isinstance(sockname, tuple) or len(sockname) < 2 or not isinstance(sockname[1], int):
        return None
    host = sockname[0]
    if type(host) is not str:
        host = str(host)
    if ":" in host:
        host = host.partition("%")[0].lower()
        if host.startswith("::ffff:") and "." in host:
            host = host[7:]
    # The system makes a new text each time, and every connection keeps one.
    return intern(host), sockname[1]


# Many connections go to few peers, each from a port of its own.
_peer_address_of = lru_cache(maxsize=256)(address_of)


def pair_of(local: object, peer: object) -> Pair | None:
    """Give the address pair of a connection, or ``None`` when one end is no TCP address."""
    # What is no tuple need not have a hash.
    there = _peer_address_of(peer) if isinstance(peer, tuple) else None
    here = address_of(local)
    return None if here is None or there is None else Pair(here, there)


def origin_of(url: str) -> Origin | None:
    """Give the origin of an absolute URL, or ``None`` when the text is not one."""
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme:
        return None
    authority = re.split(_AUTHORITY_END, rest, maxsplit=1)[0].rpartition("@")[2]
    try:
        host, port = split_authority(authority)
    except ValueError:
        return None
    number = port if port is not None else DEFAULT_PORTS.get(scheme.lower(), 0)
    return Origin(scheme, host, number) if host else None


def split_authority(authority: str) -> tuple[str, int | None]:
    """Split ``host[:port]`` (RFC 3986, section 3.2), brackets of IPv6 taken off.

    Raises:
        ValueError: The port is not a number from 0 to 65535.
    """
    host, port = authority, ""
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        port = rest.removeprefix(":")
    elif authority.count(":") == 1:
        host, _, port = authority.partition(":")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{port!r} is not a TCP port")
    return host, int(port)


def without_secrets(url: str) -> str:
    """Take credentials and the values of the query out of a URL; names of the query stay.

    A name without a value is one only where it is a plain word, such as ``?uploads``; and one that
    nobody would type is a value.

    Args:
        url: Absolute, or a path with a query.
    """
    if "?" not in url and "@" not in url and "#" not in url:
        return url
    url, _, _ = url.partition("#")
    before, question, query = url.partition("?")
    scheme, separator, rest = before.partition("://")
    if separator:
        authority, slash, path = rest.partition("/")
        before = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    return f"{before}{question}{_names_only(query)}"


def _names_only(query: str) -> str:
    return "&".join(_name_only(*part.partition("=")) for part in query.split("&"))


def _name_only(name: str, equals: str, value: str) -> str:
    # The padding of Base64 looks as if no value stood behind it.
    if value.strip("="):
        plain = len(name) <= _LONGEST_NAME
    else:
        plain = not name or re.fullmatch(_WORD, name) is not None
    return f"{name}{equals}{'...' if equals else ''}" if plain else "..."
