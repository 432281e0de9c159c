"""What is known of the connection objects of httpcore, none of which is kept alive."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any

from pytest_keepalive._call_site import CallSiteFinder
from pytest_keepalive._events import Course, Ending
from pytest_keepalive._origin import Origin, Pair, pair_of
from pytest_keepalive._probes._course import end_course
from pytest_keepalive._probes._httpcore_course import LastHead, head_of
from pytest_keepalive._probes._httpcore_pool import Pool
from pytest_keepalive._probes._httpcore_state import Head, How

UnderWay = tuple[Course, int]
"""An exchange that is not over: its course, and the ``id`` of the request object."""
PairOfSocket = Callable[[Any], "Pair | None"]


class Known:
    """A connection object that carries requests.

    Args:
        reference: Gives the object, while it lives.
        pair: ``None`` where it is no TCP connection.
        origin: Who the client asked for.
        pool: Whose it is, ``None`` where no pool made it.

    Attributes:
        under_way: The exchanges that are not over, by stream; 0 is HTTP/1.1's only one.
        answered: Whether a response came before.
        closed: Whether its close was stated.
        last: The course of the last exchange that was answered.
        sent: The last head of a request.
        came: The last head of a response.
        ended: How its last exchange ended.
        ended_at: When, in seconds.
        has_tasks: Whether it is for tasks, and not for threads.
        sites: Finds the user's lines.
    """

    __slots__ = (
        "answered",
        "came",
        "closed",
        "ended",
        "ended_at",
        "has_tasks",
        "last",
        "pair",
        "pool",
        "prefix",
        "reference",
        "sent",
        "sites",
        "under_way",
    )

    def __init__(
        self, reference: weakref.ref[Any], pair: Pair | None, origin: Origin, pool: Pool | None
    ) -> None:
        self.reference = reference
        self.pair = pair
        self.prefix = str(origin)
        self.pool = pool
        self.sites = CallSiteFinder()
        self.sent, self.came = LastHead(), LastHead()
        self.under_way: dict[int, UnderWay] = {}
        self.answered = False
        self.closed = False
        self.last: Course | None = None
        self.ended: How | None = None
        self.ended_at = 0.0
        self.has_tasks = False

    @property
    def last_head(self) -> Head | None:
        """What the last heads say of its future."""
        return head_of(self.last) if self.last is not None else None

    def end(self, stream_id: int, how: How) -> None:
        """End an exchange that is under way."""
        self.ended, self.ended_at = how, perf_counter()
        end_course(self.under_way.pop(stream_id)[0], (self.ended_at, *how))

    def stream_of(self, request: Any) -> int | None:
        """Give the stream of a request that is under way, or ``None``."""
        for stream_id, exchange in list(self.under_way.items()):
            if exchange[1] == id(request):
                return stream_id
        return None


class Connections:
    """Knows the connection objects of one module.

    Args:
        pair_of_socket: Gives both ends of a socket that was seen to connect.

    Attributes:
        known: What is known of each object that carries requests, by its ``id``, for as long as
            it lives.
    """

    def __init__(self, pair_of_socket: PairOfSocket) -> None:
        self._pair_of_socket = pair_of_socket
        self.known: dict[int, Known] = {}

    def add(self, connection: Any, origin: Origin, pool: Pool | None) -> tuple[Known, bool]:
        """Begin to know an object.

        Returns:
            What is known of it, and whether that is new: another thread may have come before.
        """
        reference = weakref.ref(connection, self._forgetter(id(connection)))
        pair = pair_of_stream(connection._network_stream, self._pair_of_socket)
        known = Known(reference, pair, origin, pool)
        known.has_tasks = type(connection).__name__.startswith("Async")
        first = self.known.setdefault(id(connection), known)
        return first, first is known

    def idle_in(self, pool: int) -> int:
        """Count the idle ones of a pool that nobody has closed.

        Args:
            pool: Its number.
        """
        mates = [
            mate.reference()
            for mate in list(self.known.values())
            if not mate.closed and mate.pool is not None and mate.pool.number == pool
        ]
        return sum(mate.is_idle() for mate in mates if mate is not None)

    def forget(self) -> None:
        """Start empty."""
        for known in self.known.values():
            for course, _ in known.under_way.values():
                end_course(course, None)
        self.known.clear()

    def _forgetter(self, key: int) -> Callable[[weakref.ref[Any]], None]:
        def forget(reference: weakref.ref[Any]) -> None:
            known = self.known.get(key)
            if known is not None and known.reference is reference:
                del self.known[key]
                for stream_id in list(known.under_way):
                    known.end(stream_id, How(Ending.ABANDONED))

        return forget


def pair_of_stream(stream: Any, pair_of_socket: PairOfSocket) -> Pair | None:
    """Give the two ends of a network stream, or ``None`` where it is no TCP connection."""
    try:
        local, peer = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
    except OSError:
        # The peer reset it meanwhile; who saw it connect knows.
        sock = stream.get_extra_info("socket")
        return pair_of_socket(getattr(sock, "_sock", sock))
    return pair_of(local, peer)
