"""What aiohttp's connector tells connections apart by.

Rules
1. Its ``ConnectionKey`` is a tuple in 3.11 and later and an object before: it is read by name.
2. No secret is kept: of a proxy's credentials and headers only that there are some, and four
   hexadecimal digits by which two of them differ.
3. An object such as an ``SSLContext`` is shown by a number, so that two of them differ.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pytest_keepalive._origin import DEFAULT_PORTS, Origin, without_secrets
from pytest_keepalive._probes._identity import Identities

_NAMES = (
    "host",
    "port",
    "is_ssl",
    "ssl",
    "proxy",
    "proxy_auth",
    "proxy_headers_hash",
    "server_hostname",
)
_SECRET = frozenset(("proxy_auth", "proxy_headers_hash"))


def fields_of(key: Any, identities: Identities) -> tuple[tuple[str, str], ...]:
    """Give the fields of a ``ConnectionKey`` that are set, as (name, text) pairs.

    Args:
        key: The key, or ``None``.
        identities: Gives the numbers of objects.
    """
    values = ((name, getattr(key, name, None)) for name in _NAMES)
    return tuple(
        (name, _text_of(name, value, identities)) for name, value in values if value is not None
    )


def _text_of(name: str, value: Any, identities: Identities) -> str:
    if name in _SECRET:
        return f"set, {hash(str(value)) & 0xFFFF:04x}"
    if name == "proxy":
        return without_secrets(str(value))
    if isinstance(value, (bool, int, str)):
        return str(value)
    return f"{type(value).__name__} #{identities.number_of(value)}"


def why_never_kept(connector: Any, protocol: Any) -> str:
    """Say why a connector keeps none of its connections; empty where it does."""
    if connector.force_close:
        return "force_close=True"
    # Before 3.11 a connection to a forward proxy is marked so when it is made.
    marked = getattr(protocol, "_should_close", False)
    return "this aiohttp keeps no connection to a proxy" if marked else ""


def origin_of(url: Any) -> Origin:
    """Give the origin of a ``yarl.URL``."""
    return Origin(url.scheme, url.raw_host or "", url.port or DEFAULT_PORTS.get(url.scheme, 0))


@lru_cache(maxsize=1024)
def shown(url: Any) -> str:
    """Write a ``yarl.URL`` without its secrets."""
    text = str(url)
    # An origin alone stands for its root (RFC 9110, section 4.2.3).
    return without_secrets(text if "/" in text.partition("://")[2] else f"{text}/")
