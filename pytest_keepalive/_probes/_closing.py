"""What made a client of the http.client family close a connection, read off its stack.

Rules
1. The innermost function of the table that is on the stack is what closed.
2. Names that are not in the table, the user's own among them, leave it to the caller's: who
   calls ``close`` without any of these called it directly.
"""

from __future__ import annotations

import sys
from types import FrameType

from pytest_keepalive._events import CloseTrigger

_TRIGGERS = {
    # http.client
    ("http.client", "getresponse"): CloseTrigger.SERVER_SAID_CLOSE,
    # urllib3's pool
    ("urllib3.connectionpool", "_get_conn"): CloseTrigger.DROPPED,
    ("urllib3.connectionpool", "_put_conn"): CloseTrigger.EVICTED,
    ("urllib3.connectionpool", "urlopen"): CloseTrigger.FAILED,
    ("urllib3.connectionpool", "_close_pool_connections"): CloseTrigger.CLIENT_CLOSED,
    ("urllib3.connectionpool", "close"): CloseTrigger.CLIENT_CLOSED,
    ("urllib3._collections", "__setitem__"): CloseTrigger.POOL_DISPOSED,
    # urllib3 2 lets the pool it has no room for be collected, and a finalizer closes it.
    ("urllib3.poolmanager", "connection_from_pool_key"): CloseTrigger.POOL_DISPOSED,
    ("urllib3._collections", "clear"): CloseTrigger.CLIENT_CLOSED,
    # urllib3's response
    ("urllib3.response", "_error_catcher"): CloseTrigger.BODY_UNREAD,
    ("urllib3.response", "close"): CloseTrigger.BODY_UNREAD,
}
_OUTWARDS = frozenset(
    {
        ("urllib3.connectionpool", "_close_pool_connections"),
        ("urllib3.connectionpool", "close"),
    }
)
_DEEPEST = 12
_AWAITING = ("http.client", "getresponse")
_PUTTING = ("urllib3.connectionpool", "_put_conn")
# These close when something goes wrong, too.
_FAILING = frozenset({_AWAITING, ("urllib3.response", "_error_catcher")})
_UNKNOWN = object()


def trigger_of_close(depth: int) -> tuple[CloseTrigger, bool]:
    """Name what closes a connection now, and tell whether a response is being awaited.

    Args:
        depth: How many frames of the caller's own to leave out, in frames.
    """
    frame: FrameType | None = sys._getframe(depth)
    found = CloseTrigger.CLIENT_CLOSED
    for _ in range(_DEEPEST):
        if frame is None:
            break
        key = (frame.f_globals.get("__name__", ""), frame.f_code.co_name)
        if key in _TRIGGERS:
            found = _trigger_in(frame, key)
            # A pool is closed by its user or by the manager's table of pools: look further.
            if key not in _OUTWARDS:
                return found, key == _AWAITING
        frame = frame.f_back
    return found, False


def error_passing(frame: FrameType) -> BaseException | None:
    """Give the exception that a function is handling, or that ends it, while it calls others.

    Whoever called it may be handling one, too: that one began elsewhere.
    """
    error = sys.exc_info()[1]
    traceback = error.__traceback__ if error is not None else None
    return error if traceback is not None and traceback.tb_frame is frame else None


def _trigger_in(frame: FrameType, key: tuple[str, str]) -> CloseTrigger:
    if key in _FAILING and isinstance(error_passing(frame), Exception):
        return CloseTrigger.FAILED
    if key == _PUTTING and getattr(frame.f_locals.get("self"), "pool", _UNKNOWN) is None:
        # It was in use when its pool was closed.
        return CloseTrigger.CLIENT_CLOSED
    return _TRIGGERS[key]
