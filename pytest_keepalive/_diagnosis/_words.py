"""Words that several rules share."""

from __future__ import annotations

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._events import Adopted

_OBJECTS = {
    "requests": "requests.Session",
    "urllib3": "urllib3.PoolManager",
    "httpcore": "httpcore.ConnectionPool",
    "httpcore2": "httpcore2.ConnectionPool",
    "aiohttp": "aiohttp.ClientSession",
    "botocore": "botocore client",
    "http.client": "http.client.HTTPConnection",
    "urllib.request": "urllib.request call",
}
# The libraries that have one client for threads and another for tasks, and their names.
_TWOFOLD = {
    "httpx": ("Client", "AsyncClient"),
    "httpx2": ("Client", "AsyncClient"),
    "niquests": ("Session", "AsyncSession"),
}

# The libraries whose pools are the objects that users make.
_NAMED = frozenset(("pyreqwest",))


def client_object(adopted: Adopted) -> str:
    """Name the object that keeps the connections of a client."""
    names = _TWOFOLD.get(adopted.client)
    if names is not None:
        is_async = ".Async" in adopted.pool_name or adopted.loop != 0
        return f"{adopted.client}.{names[is_async]}"
    if adopted.client in _NAMED and adopted.pool_name:
        return adopted.pool_name
    return _OBJECTS.get(adopted.client) or f"{adopted.client or 'client'} object"


def a(noun: str) -> str:
    """Write a noun with its article; an ``h`` is that of ``http``."""
    return f"{'an' if noun[0] in 'aeioh' else 'a'} {noun}"


def at(site: CallSite | None) -> str:
    """Say where, when that was seen; begins with a space."""
    return "" if site is None else f" at {site}"


def seconds(time: float) -> str:
    """Write a time with the digits that matter."""
    if time < 0.01:
        return f"{time * 1000:.1f} ms"
    return f"{time * 1000:.0f} ms" if time < 1 else f"{time:.1f} s"
