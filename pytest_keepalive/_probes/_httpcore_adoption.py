"""How a connection object of httpcore comes to be known: whose it is, and who made it.

Rules
1. A CONNECT to a proxy is no exchange of the user's (RFC 9110, section 9.3.6): the connection is
   known from the first request through the tunnel.
2. A connection's address pair does not change: it is asked for once, and where there is none
   (Unix sockets, mocks) nothing is stated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_keepalive._call_site import client_in_sight, find_call_site
from pytest_keepalive._events import Adopted, Handshaken, Sink
from pytest_keepalive._origin import Origin, Pair
from pytest_keepalive._probes._httpcore_connections import Connections, Known
from pytest_keepalive._probes._httpcore_head import asked_origin
from pytest_keepalive._probes._httpcore_pool import Pool, Pools
from pytest_keepalive._probes._httpcore_stack import calling_pool
from pytest_keepalive._probes._running import root_task, running_loop, thread_number
from pytest_keepalive._probes._tls import Handshake

_FAMILY = frozenset(("httpcore", "httpcore2", "httpx", "httpx2"))


class Adoption:
    """Makes the connection objects of one module known.

    Args:
        client: The name of the module.
        sink: Where it states what it learns.
        handshake_of: Tells what was measured of an ``ssl.SSLObject``, or ``None``.
        connections: Those that are known.
        pools: Those that make them.
    """

    def __init__(
        self,
        client: str,
        sink: Sink,
        handshake_of: Callable[[Any], Handshake | None],
        connections: Connections,
        pools: Pools,
    ) -> None:
        self.sink = sink
        self.connections = connections
        self._client = client
        self._handshake_of = handshake_of
        self._pools = pools

    def is_own_connect(self, request: Any) -> bool:
        """Tell whether a request is httpcore's own, to a proxy."""
        if request.method != b"CONNECT":
            return False
        caller = calling_pool()
        return caller is None or getattr(caller.request, "method", None) != b"CONNECT"

    def adopt(self, connection: Any, url: Any, at: float) -> tuple[Known, float]:
        """Begin to know an object.

        Args:
            connection: It carries its first request.
            url: Of that request, a ``httpcore.URL``.
            at: When, in seconds.

        Returns:
            What is known of it, and when the request began, in seconds.
        """
        caller, origin = calling_pool(), asked_origin(url)
        pool = self._pools.of(caller.pool) if caller is not None else None
        known, is_new = self.connections.add(connection, origin, pool)
        if known.pair is not None and is_new:
            ssl_object = connection._network_stream.get_extra_info("ssl_object")
            handshake = self._handshake_of(ssl_object)
            if handshake is not None:
                self.sink(Handshaken(known.pair, *handshake))
            self._state_adoption(known.pair, at, origin, pool)
        return known, self._pools.began(caller.connection, at) if caller is not None else at

    def _state_adoption(self, pair: Pair, at: float, origin: Origin, pool: Pool | None) -> None:
        self.sink(
            Adopted(
                pair,
                at,
                client_in_sight(_FAMILY, 5) or self._client,
                origin,
                pool.number if pool else 0,
                pool.name if pool else "",
                pool.key(origin) if pool else (),
                running_loop() or self._trio_run(),
                thread_number(),
                0,
                find_call_site(5),
            )
        )

    def _trio_run(self) -> int:
        root = root_task()
        return 0 if root is None else self._pools.number_of(root)
