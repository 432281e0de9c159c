"""urllib3-future's pools: which of them, under which key, of which manager, has a connection."""

from __future__ import annotations

import weakref
from typing import Any

from pytest_keepalive._origin import DEFAULT_PORTS, Origin
from pytest_keepalive._probes._http_client import Owner
from pytest_keepalive._probes._identity import Identities
from pytest_keepalive._probes._pool_key import PoolKeys


class Pools:
    """Remembers who has what, and keeps nobody alive."""

    def __init__(self) -> None:
        self._identities = Identities()
        self._texts = PoolKeys(self._identities)
        self._keys: weakref.WeakKeyDictionary[Any, tuple[int, Any]] = weakref.WeakKeyDictionary()
        self._owners: weakref.WeakKeyDictionary[Any, Owner] = weakref.WeakKeyDictionary()
        self._heads: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def clear(self) -> None:
        """Forget everything."""
        for remembered in (self._keys, self._owners, self._heads, self._texts):
            remembered.clear()

    def note_key(self, manager: Any, pool: Any, key: Any) -> None:
        """Take in that a manager gave a pool for a key."""
        if pool not in self._keys:
            number = self._heads.get(manager) or self._identities.number_of(manager)
            self._keys[pool] = number, key

    def join(self, manager: Any, head: Any) -> None:
        """Take a manager of pools for part of another one, whose number it gets."""
        self._heads[manager] = self._identities.number_of(head)

    def note_connection(self, pool: Any, connection: Any) -> None:
        """Take in that a pool gave a connection."""
        if connection not in self._owners:
            self._owners[connection] = self._owner(pool)

    def owner_of(self, connection: Any) -> Owner | None:
        """Tell which pool has a connection, or ``None``."""
        return self._owners.get(connection)

    def _owner(self, pool: Any) -> Owner:
        manager, key = self._keys.get(pool, (0, None))
        return Owner(
            Origin(pool.scheme, pool.host, pool.port or DEFAULT_PORTS.get(pool.scheme, 0)),
            self._identities.number_of(pool),
            f"{type(pool).__module__.partition('.')[0]}.{type(pool).__name__}",
            self._texts.fields_of(key),
            manager,
        )
