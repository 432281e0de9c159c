"""What went wrong with a response of aiohttp: read off its protocol, its payload and the stack."""

from __future__ import annotations

import sys
from typing import Any

# From the release of a connection outwards to the response that an exception unwinds.
_DEEPEST = 20


def failure_of(protocol: Any, payload: Any) -> str | None:
    """Name the error that the client had with a response, or ``None``."""
    error = protocol.exception()
    if error is None and payload is not None:
        error = payload.exception()
        # Every release of an unread response sets this one.
        if name_of(error) == "ClientConnectionError":
            error = None
    return name_of(error)


def unwinding() -> str | None:
    """Name the exception that leaves a response now, or ``None``."""
    frame = sys._getframe(1)
    for _ in range(_DEEPEST):
        name, module = frame.f_code.co_name, frame.f_globals.get("__name__", "")
        if name == "read" and module == "aiohttp.client_reqrep":
            return name_of(sys.exc_info()[1])
        if name == "__aexit__" and module.startswith("aiohttp."):
            kind = frame.f_locals.get("exc_type")
            return kind.__name__ if kind is not None else None
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None


def is_at_end(payload: Any) -> bool:
    """Tell whether the last of a body has come."""
    return payload is not None and bool(payload.is_eof())


def missing_of(length: int | None, payload: Any) -> int | None:
    """Tell how many bytes of a body have not come, where its length is known."""
    received = getattr(payload, "total_bytes", None)
    if length is None or not isinstance(received, int):
        return None
    return max(0, length - received)


def name_of(error: BaseException | type[BaseException] | None) -> str | None:
    """Give the name of an error, or of a class of errors; ``None`` for none."""
    if error is None:
        return None
    return error.__name__ if isinstance(error, type) else type(error).__name__
