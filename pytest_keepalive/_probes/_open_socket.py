"""What is known of a socket that connected, and the events that are made of it.

Rules
1. While a socket connects and closes only what cannot be asked later is taken down, as the system
   gave it; the events are made when somebody takes them in.
"""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import Any

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._events import ESTABLISHED, Attempted, Closed, Outcome, Side, new_event
from pytest_keepalive._origin import Pair, pair_of
from pytest_keepalive._probes._tcp_info import closed_with, parse_tcp_info

# Asked for twice within a batch: of a connect, and of its close.
_pair_of = lru_cache(maxsize=1024)(pair_of)

Ends = tuple[Any, Any]
"""What ``getsockname`` gave and what was connected to, in whatever form the system has it."""


class OpenSocket(weakref.ref[Any]):
    """A weak reference to the socket that connected, and what is known of its connection.

    Attributes:
        attempt: The number of the attempt.
        descriptor: The file descriptor that stands for the connection.
        detached: Whether another object owns the descriptor by now.
        ends: Both ends, where they are known.
        first_to_close: Who closed first, where that was seen before the end.
        outcome: What became of the attempt; ``None`` while connect has not returned.
    """

    __slots__ = ("attempt", "descriptor", "detached", "ends", "first_to_close", "outcome")
    attempt: int
    descriptor: int
    detached: bool
    ends: Ends | None
    first_to_close: Side | None
    outcome: Outcome | None

    @property
    def pair(self) -> Pair | None:
        """Both ends, where they are known."""
        return pair_of(*self.ends) if self.ends is not None else None

    def stands_for(self, sock: Any) -> bool:
        """Tell whether the descriptor is still that of the socket which connected."""
        return self() is sock and not self.detached


def established(
    attempt: int,
    started_at: float,
    ended_at: float,
    ends: Ends,
    name: str | None,
    site: CallSite | None,
    thread: int,
) -> Attempted:
    """Make the event of a connect that succeeded at once; the arguments are its fields."""
    pair = _pair_of(*ends)
    assert pair is not None
    timed = attempt, started_at, ended_at, ESTABLISHED
    return new_event(Attempted, (*timed, *pair, name, None, site, thread, "socket", 0, ""))


def closed(ends: Ends, at: float, raw: bytes, first: Side | None) -> Closed:
    """Make the event of a close.

    Args:
        ends: Of the connection.
        at: When, in seconds.
        raw: What the kernel told of the socket just before.
        first: Who closed first, where that was seen before.
    """
    pair = _pair_of(*ends)
    assert pair is not None
    return closed_with(pair, at, parse_tcp_info(raw), first)
