"""What the stack shows of a pool of httpcore that is at work.

Rules
1. The stack is looked at when a connection carries its first request, or closes: a wrapper around
   the pool would cost each request more than all the others together, since it would have to set
   a context variable.
2. What the pool calls its own variables is httpcore's affair: where one is not there, nobody is
   known.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, NamedTuple

REQUESTS = frozenset(("handle_request", "handle_async_request"))
"""Methods of httpcore that make a request."""
_POOL_MODULE = ".connection_pool"
_DEEPEST = 16


class Caller(NamedTuple):
    """A pool that is making a request.

    Args:
        pool: The pool.
        connection: What it made, or found, for the request; it may stand in front of others.
        request: What the pool was asked for.
    """

    pool: Any
    connection: Any
    request: Any


def calling_pool() -> Caller | None:
    """Give the pool that is making a request now, or ``None`` where none is on the stack."""
    frame = _pools_frame(sys._getframe(1))
    if frame is None or frame.f_code.co_name not in REQUESTS:
        return None
    own = frame.f_locals
    return Caller(own.get("self"), own.get("connection"), own.get("request"))


def is_pools_doing(frame: FrameType | None) -> bool:
    """Tell whether a pool is on the stack.

    Args:
        frame: Where to begin, going outwards.
    """
    return _pools_frame(frame) is not None


def _pools_frame(frame: FrameType | None) -> FrameType | None:
    for _ in range(_DEEPEST):
        if frame is None:
            return None
        if str(frame.f_globals.get("__name__", "")).endswith(_POOL_MODULE):
            return frame
        frame = frame.f_back
    return None
