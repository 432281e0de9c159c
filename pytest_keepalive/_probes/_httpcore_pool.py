"""The pools of httpcore: what each is set to, and when it made a connection.

Rules
1. No pool is kept alive, and nothing that it made.
2. A pool is looked at once, and its figures when it closes a connection.
3. A connection is made when it is known that a request needs one, before it connects: that is when
   its first request begins.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from pytest_keepalive._origin import Origin
from pytest_keepalive._probes._identity import Identities

Fields = tuple[tuple[str, str], ...]


class Pool(NamedTuple):
    """What is known of a pool.

    Args:
        number: The same for the same object.
        name: Its class, such as ``httpcore.ConnectionPool``.
        fields: What it is set to, as (field, text) pairs.
        reference: Gives the object, while it lives.
    """

    number: int
    name: str
    fields: Fields
    reference: weakref.ref[Any]

    def key(self, origin: Origin) -> Fields:
        """Give what its connections are told apart by."""
        asked = ("scheme", origin.scheme), ("host", origin.host), ("port", str(origin.port))
        return (*asked, *self.fields)


class Crowd(NamedTuple):
    """How full a pool is.

    Args:
        connections: How many it has.
        idle: How many of them are idle.
        most: Its ``max_connections``; ``None`` for no limit.
        most_idle: Its ``max_keepalive_connections``; ``None`` for no limit.
    """

    connections: int
    idle: int
    most: int | None
    most_idle: int | None

    def __str__(self) -> str:
        limits = ("max_connections", self.most), ("max_keepalive_connections", self.most_idle)
        shown = "".join(f", {name} {limit}" for name, limit in limits if limit is not None)
        return f"{self.connections} in the pool, {self.idle} idle{shown}"


closing: ContextVar[bool] = ContextVar("closing", default=False)


class Pools:
    """Knows the pools of one module.

    Args:
        module: The module's name.

    Attributes:
        known: What is known of each pool, by its ``id``, for as long as it lives.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._identities = Identities()
        self.known: dict[int, Pool] = {}
        self._made_at: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def number_of(self, subject: Any) -> int:
        """Give an object's number."""
        return self._identities.number_of(subject)

    def forget(self) -> None:
        """Start empty."""
        self.known.clear()
        self._made_at.clear()

    def note(self, connection: Any, at: float) -> None:
        """Note that a pool made a connection, which does not connect before its first request.

        Args:
            connection: What the pool made.
            at: When, in seconds.
        """
        self._made_at[connection] = at

    def began(self, connection: Any, at: float) -> float:
        """Tell when the first request began that a connection carries (rule 3).

        Args:
            connection: What the pool made, or found; ``None`` where that is not seen.
            at: When the request was put on it, in seconds.
        """
        return at if connection is None else self._made_at.pop(connection, at)

    def of(self, pool: Any) -> Pool:
        """Give what is known of a pool."""
        return self.known.get(id(pool)) or self.look_at(pool)

    def look_at(self, pool: Any) -> Pool:
        """Learn what there is to know of a pool."""
        reference = weakref.ref(pool, self._forgetter(id(pool)))
        name = f"{self._module}.{type(pool).__name__}"
        known = Pool(self.number_of(pool), name, self._fields(pool), reference)
        self.known[id(pool)] = known
        return known

    def _forgetter(self, key: int) -> Callable[[weakref.ref[Any]], None]:
        def forget(reference: weakref.ref[Any]) -> None:
            known = self.known.get(key)
            if known is not None and known.reference is reference:
                del self.known[key]

        return forget

    def _fields(self, pool: Any) -> Fields:
        context = getattr(pool, "_ssl_context", None)
        fields = {
            "http1": str(getattr(pool, "_http1", "")),
            "http2": str(getattr(pool, "_http2", "")),
            "proxy": _proxy_of(pool),
            "ssl_context": f"{type(context).__name__} #{self.number_of(context)}"
            if context is not None
            else "",
            "local_address": str(getattr(pool, "_local_address", None) or ""),
        }
        return tuple((name, text) for name, text in fields.items() if text)


def crowd_of(pool: Any, idle: int) -> Crowd:
    """Count the connections of a pool that is about to close an idle one.

    Args:
        pool: It may have taken the connection out already, and put a newer in its place.
        idle: How many of its connections are idle, that one among them.
    """
    most = _limit_of(pool, "_max_connections")
    active = sum(not connection.is_idle() for connection in pool.connections)
    connections = idle + active if most is None else min(idle + active, most)
    return Crowd(connections, idle, most, _limit_of(pool, "_max_keepalive_connections"))


def _limit_of(pool: Any, name: str) -> int | None:
    limit = getattr(pool, name, None)
    return limit if isinstance(limit, int) and limit < sys.maxsize else None


def _proxy_of(pool: Any) -> str:
    proxy = getattr(pool, "_proxy", None)
    url = getattr(proxy, "url", None) or getattr(pool, "_proxy_url", None)
    return str(url.origin) if url is not None else ""
