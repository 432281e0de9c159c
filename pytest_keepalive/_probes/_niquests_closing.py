"""What made urllib3-future close a connection, read off its stack.

Rules
1. The innermost function of the table that is on the stack is what closed.
2. What passes a close on, such as a pool that is closed itself, is looked through: further out
   may stand who had it closed.
3. Whoever calls ``close`` with nothing of the table around is the user.
"""

from __future__ import annotations

import sys
from enum import Enum


class Place(Enum):
    """Where in urllib3-future a connection is closed."""

    USER = "by the user"
    POOL = "with its pool"
    END_OF_RESPONSE = "behind a response, since no further request can be made"
    STREAM_ENDED = "while it was read from, since nothing more comes"
    STREAM_RESET = "since a response was given up"
    SWITCH = "since another protocol is offered"
    CHECKOUT = "when it was to be used again"
    FAILURE = "since an exchange failed"
    RESPONSE = "with a response"
    EVICTION = "to make room"
    SETTINGS = "since a request brings other TLS settings"


_PLACES = {
    ("hface", "getresponse"): Place.END_OF_RESPONSE,
    ("hface", "__read_st"): Place.END_OF_RESPONSE,
    ("hface", "__exchange_until"): Place.STREAM_ENDED,
    ("hface", "__abort_st"): Place.STREAM_RESET,
    ("hface", "_upgrade"): Place.SWITCH,
    ("connectionpool", "_get_conn"): Place.CHECKOUT,
    ("connectionpool", "_put_conn"): Place.EVICTION,
    ("connectionpool", "urlopen"): Place.FAILURE,
    ("connectionpool", "close"): Place.POOL,
    ("response", "_error_catcher"): Place.RESPONSE,
    ("response", "close"): Place.RESPONSE,
    ("traffic_police", "_sacrifice_first_idle"): Place.EVICTION,
    ("traffic_police", "clear"): Place.POOL,
    ("adapters", "cert_verify"): Place.SETTINGS,
    ("adapters", "send"): Place.SETTINGS,
}
_DEEPEST = 24


def place_of_close(depth: int) -> tuple[Place, bool]:
    """Tell where a connection is closed now, and whether its whole pool is.

    Args:
        depth: How many frames of the caller's own to leave out, in frames.
    """
    frame = sys._getframe(depth)
    with_pool = False
    for _ in range(_DEEPEST):
        module = frame.f_globals.get("__name__", "").rpartition(".")[2]
        place = _PLACES.get((module, frame.f_code.co_name))
        if place is Place.POOL:
            with_pool = True
        elif place is not None:
            # A pool that is closed inside a request was closed for another's sake.
            return place, with_pool
        if frame.f_back is None:
            break
        frame = frame.f_back
    return (Place.POOL if with_pool else Place.USER), with_pool
