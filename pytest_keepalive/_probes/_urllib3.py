"""urllib3 1.26 and 2.x, and with it requests and botocore: who owns a connection.

The requests themselves are seen by the probe of ``http.client``, on which urllib3 stands; this
one tells which pool, under which key, of which manager made a connection object. It costs
a look by request: pools and connection objects are made once. One that was made before anybody
looked is found on the stack of the pool that sends its first request.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

from pytest_keepalive._events import Sink, discard
from pytest_keepalive._origin import DEFAULT_PORTS, Origin
from pytest_keepalive._probes._http_client import Owner
from pytest_keepalive._probes._identity import Identities
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._pool_key import PoolKeys
from pytest_keepalive._probes._seam import seam_of

_DEEPEST = 16


class Urllib3Probe:
    """Watches urllib3's pools.

    Args:
        sink: Where it states its events.
    """

    client = "urllib3"
    module = "urllib3.poolmanager"
    loses = "which pool of urllib3 a connection belongs to"

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._patches = Patches()
        self._identities = Identities()
        self._owners: weakref.WeakKeyDictionary[Any, Owner] = weakref.WeakKeyDictionary()
        self._pool_keys = PoolKeys(self._identities)
        self._keys: weakref.WeakKeyDictionary[Any, tuple[int, Any]] = weakref.WeakKeyDictionary()
        self._keyed_pools: set[int] = set()
        self._heads: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def install(self, module: ModuleType) -> None:
        """Wrap the makers of pools and of connection objects.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        manager = seam_of(module, "PoolManager")
        self._patches.wrap(manager, "connection_from_pool_key", self._keyed)
        for name in ("HTTPConnectionPool", "HTTPSConnectionPool"):
            self._patches.wrap(seam_of(module, name), "_new_conn", self._new_conn)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard
        for remembered in (
            self._owners,
            self._keys,
            self._heads,
            self._pool_keys,
            self._keyed_pools,
        ):
            remembered.clear()

    def forget(self) -> None:
        """Start empty, as a forked child does: here nothing is a process's own."""

    def owner_of(self, connection: Any) -> Owner | None:
        """Tell which pool an ``HTTPConnection`` belongs to."""
        owner: Owner | None = self._owners.get(connection) or self._found_owner(connection)
        return owner

    def _keyed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        number_of, keyed_pools = self._identities.number_of, self._keyed_pools

        # It is called for each request: nothing but a look, where the pool is known.
        def connection_from_pool_key(manager: Any, pool_key: Any, *args: Any, **kw: Any) -> Any:
            pool = original(manager, pool_key, *args, **kw)
            if number_of(pool) not in keyed_pools:
                self._remember_key(pool, manager, pool_key)
            return pool

        return connection_from_pool_key

    def _new_conn(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def _new_conn(pool: Any) -> Any:
            connection = original(pool)
            self._remember_owner(connection, pool)
            return connection

        return _new_conn

    def join(self, manager: Any, head: Any) -> None:
        """Take a manager of pools for part of another one.

        Args:
            manager: It is no client of its own.
            head: The one whose number it gets.
        """
        self._heads[manager] = self._identities.number_of(head)

    @observing
    def _remember_key(self, pool: Any, manager: Any, key: Any) -> None:
        number = self._heads.get(manager) or self._identities.number_of(manager)
        self._keyed_pools.add(self._identities.number_of(pool))
        self._keys[pool] = number, key

    @observing
    def _remember_owner(self, connection: Any, pool: Any) -> None:
        self._owners[connection] = self._owner(pool)

    @observing
    def _found_owner(self, connection: Any) -> Owner | None:
        pool = _pool_sending_on(connection)
        if pool is None:
            return None
        owner = self._owners[connection] = self._owner(pool)
        return owner

    def _owner(self, pool: Any) -> Owner:
        manager, key = self._keys.get(pool, (0, None))
        return Owner(
            Origin(pool.scheme, pool.host, pool.port or DEFAULT_PORTS.get(pool.scheme, 0)),
            self._identities.number_of(pool),
            f"{type(pool).__module__.partition('.')[0]}.{type(pool).__name__}",
            self._pool_keys.fields_of(key),
            manager,
        )


def _pool_sending_on(connection: Any) -> Any:
    """Give the pool that is sending a request on a connection now, or ``None``."""
    frame: FrameType | None = sys._getframe(3)
    for _ in range(_DEEPEST):
        if frame is None:
            break
        if frame.f_code.co_name == "_make_request" and frame.f_locals.get("conn") is connection:
            return frame.f_locals.get("self")
        frame = frame.f_back
    return None
