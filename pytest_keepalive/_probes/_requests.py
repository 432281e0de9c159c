"""requests and niquests: which pool managers belong to one session.

An adapter has a manager of pools for direct connections, and another for each proxy: a session
whose calls differ in their proxy is one client all the same. Nothing is done for a request that
uses no proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_keepalive._events import Sink, discard
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._seam import seam_of

Join = Callable[[Any, Any], None]


class RequestsProbe:
    """Watches the adapters of one of the two libraries.

    Args:
        sink: Where it states its events.
        join: Called with a pool manager, and with the one that it belongs to.
        package: The name of the library.
    """

    def __init__(self, sink: Sink, join: Join, package: str = "requests") -> None:
        self.sink = sink
        self.client = package
        self.module = f"{package}.adapters"
        self.loses = f"that {package}'s connections through a proxy are of the same session"
        self._join = join
        self._patches = Patches()

    def install(self, module: ModuleType) -> None:
        """Wrap what gives the managers for proxies.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        for name in ("HTTPAdapter", "AsyncHTTPAdapter"):
            if name == "HTTPAdapter" or hasattr(module, name):
                adapter = seam_of(module, name)
                self._patches.wrap(adapter, "proxy_manager_for", self._proxy_manager_for)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        self.sink = discard

    def forget(self) -> None:
        """Start empty, as a forked child does: here nothing is a process's own."""

    def _proxy_manager_for(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def proxy_manager_for(adapter: Any, *args: Any, **kwargs: Any) -> Any:
            manager = original(adapter, *args, **kwargs)
            self._belongs(manager, adapter)
            return manager

        return proxy_manager_for

    @observing
    def _belongs(self, manager: Any, adapter: Any) -> None:
        self._join(manager, adapter.poolmanager)
