"""httpcore and httpcore2, and with them httpx and httpx2, which stand on them.

Rules
1. Connections of HTTP/1.1 and of HTTP/2 are told apart by their classes, and their exchanges are
   watched apart.
2. Why a connection is closed is asked when it closes, once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from types import ModuleType
from typing import Any

from pytest_keepalive._call_site import find_call_site
from pytest_keepalive._events import (
    ClosedBy,
    CloseTrigger,
    Sink,
    Trouble,
    discard,
)
from pytest_keepalive._probes._httpcore_adoption import Adoption
from pytest_keepalive._probes._httpcore_calls import (
    carried,
    followed,
    made,
    noticed,
    sent,
    within,
)
from pytest_keepalive._probes._httpcore_connections import Connections, Known, PairOfSocket
from pytest_keepalive._probes._httpcore_http1 import SingleExchanges
from pytest_keepalive._probes._httpcore_http2 import Streams
from pytest_keepalive._probes._httpcore_pool import Pools, closing, crowd_of
from pytest_keepalive._probes._httpcore_stack import is_pools_doing
from pytest_keepalive._probes._httpcore_state import (
    goaway_of,
    trigger_behind,
    trigger_while_idle,
)
from pytest_keepalive._probes._patch import Patches
from pytest_keepalive._probes._tls import Handshake


class HttpcoreProbe:
    """Watches one of httpcore and httpcore2.

    Args:
        sink: Where it states its events.
        handshake_of: Tells what was measured of an ``ssl.SSLObject``, or ``None``.
        pair_of_socket: Gives both ends of a socket that was seen to connect, or ``None``.
        module: The name of the module.
    """

    def __init__(
        self,
        sink: Sink,
        handshake_of: Callable[[Any], Handshake | None],
        pair_of_socket: PairOfSocket,
        module: str = "httpcore",
    ) -> None:
        self.sink = sink
        self.client = self.module = module
        self.loses = f"the requests of {module} and {module.replace('core', 'x')}"
        self._patches = Patches()
        self._pools = Pools(module)
        self._connections = Connections(pair_of_socket)
        self._adoption = Adoption(module, sink, handshake_of, self._connections, self._pools)
        self._single = SingleExchanges(sink, self._adoption)
        self._streams = Streams(sink, self._adoption)

    def install(self, module: ModuleType) -> None:
        """Wrap the pools and the connections, those for threads and those for tasks.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        self._wrap(module, "", "handle_request", "close", coroutine=False)
        self._wrap(module, "Async", "handle_async_request", "aclose", coroutine=True)

    def _wrap(
        self, module: ModuleType, prefix: str, handle: str, close: str, coroutine: bool
    ) -> None:
        wrap, told = self._patches.wrap, (self._report, coroutine)
        pool = getattr(module, f"{prefix}ConnectionPool")
        wrap(pool, close, within(closing, coroutine))
        for maker in (pool, *_proxies(module, prefix)):
            wrap(maker, "create_connection", made(self._pools.note, self._report))
        connection, exchanges = getattr(module, f"{prefix}HTTP11Connection"), self._single
        wrap(connection, handle, carried(exchanges, *told))
        wrap(connection, "_response_closed", noticed(exchanges.let_go, *told))
        wrap(connection, close, noticed(self._closes, *told))
        connection, streams = getattr(module, f"{prefix}HTTP2Connection"), self._streams
        # Without h2 there is a stand-in that can only be refused.
        if hasattr(connection, close):
            wrap(connection, handle, followed(streams.answered, streams.failed, *told))
            wrap(connection, "_send_request_headers", sent(streams.begun, *told))
            wrap(connection, "_response_closed", noticed(streams.let_go, *told))
            wrap(connection, close, noticed(self._closes, *told))

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()
        for stating in (self, self._adoption, self._single, self._streams):
            stating.sink = discard
        self.forget()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        self._connections.forget()
        self._pools.forget()

    def _closes(self, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        known = self._connections.known.get(id(connection))
        if known is None or known.pair is None or known.closed:
            return
        at = perf_counter()
        trigger, detail = self._trigger_of(connection, known, at)
        known.closed = True
        self.sink(ClosedBy(known.pair, at, trigger, detail, find_call_site(3)))

    def _trigger_of(self, connection: Any, known: Known, at: float) -> tuple[CloseTrigger, str]:
        if closing.get():
            return CloseTrigger.CLIENT_CLOSED, ""
        goaway = goaway_of(connection)
        if goaway:
            return CloseTrigger.SERVER_SAID_CLOSE, goaway
        failed = known.ended is not None and known.ended.error is not None
        if not connection.is_idle() or (failed and getattr(connection, "_connection_error", False)):
            return trigger_behind(None if known.under_way else known.ended, known.last_head)
        idle = f"idle {at - known.ended_at:.1f} s" if known.ended_at else "idle"
        pool = known.pool
        alive = pool.reference() if pool is not None else None
        if pool is None or alive is None or not is_pools_doing(sys._getframe(3)):
            return trigger_while_idle(connection, idle, None)
        crowd = crowd_of(alive, self._connections.idle_in(pool.number))
        return trigger_while_idle(connection, idle, crowd)

    def _report(self, error: Exception) -> None:
        self.sink(Trouble(self.client, f"its probe failed with {error!r}"))


def _proxies(module: ModuleType, prefix: str) -> list[type]:
    """Give the pools for proxies, which make connections in their own way."""
    pools = (getattr(module, prefix + name, None) for name in ("HTTPProxy", "SOCKSProxy"))
    # Without socksio there is a stand-in that can only be refused.
    return [pool for pool in pools if pool is not None and "create_connection" in vars(pool)]
