"""What an httpcore connection shows of itself: whether an exchange is over, and why it closes.

Rules
1. Whether a response was read to its end is h11's or h2's to say, not the byte counts'.
2. An exception belongs to an exchange when httpcore's own code handles it there; the user's,
   passing by, only gives the response up.
3. Everything here is read only when an exchange or a connection ends, and nothing is changed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from pytest_keepalive._events import CloseTrigger, Ending
from pytest_keepalive._probes._httpcore_pool import Crowd
from pytest_keepalive._probes._httpcore_stack import REQUESTS

OVER = frozenset(("DONE", "MUST_CLOSE", "CLOSED", "MIGHT_SWITCH_PROTOCOL", "SWITCHED_PROTOCOL"))
"""States of h11 in which a side has nothing more to say in this exchange."""
_CLOSES = frozenset(("close", "aclose"))
_ITERATIONS = frozenset(("__iter__", "__aiter__"))
_PHASES = ("_send_", "_receive_")
# States of h2 in which our side of a stream is over (RFC 9113, section 5.1).
_SENT = frozenset(("HALF_CLOSED_LOCAL", "CLOSED"))
# Where anyio and trio yield to others behind what they have done; asyncio cancels even there.
_WRITTEN = "cancel_shielded_checkpoint"
# What h2 says of a frame behind GOAWAY, which alone leads it to that state.
_REFUSED = "ConnectionInputs.RECV_HEADERS in state ConnectionState.CLOSED"


class How(NamedTuple):
    """How an exchange ended.

    Args:
        ending: Complete, abandoned, failed or unsent.
        error: The name of the exception that ended it, or ``None``.
        missing: Bytes of the body that were never read, where h11 tells.
    """

    ending: Ending
    error: str | None = None
    missing: int | None = None


COMPLETE = How(Ending.COMPLETE)


class Head(NamedTuple):
    """What the heads of an exchange say of the connection's future.

    Args:
        will_close: Whether the response forbids reuse.
        closing: Whether the request did.
        http_version: Of the response.
        status: Of the response.
    """

    will_close: bool
    closing: bool
    http_version: str
    status: int


def is_stream_complete(connection: Any, stream_id: int) -> bool:
    """Tell whether a response over HTTP/2 was read to its end.

    Args:
        connection: An ``[Async]HTTP2Connection``.
        stream_id: The stream's (RFC 9113, section 5.1.1).
    """
    unread = {type(event).__name__ for event in connection._events.get(stream_id, ())}
    if "StreamEnded" in unread:
        return False
    stream = connection._h2_state.streams.get(stream_id)
    if stream is None:
        # h2 lets go of a stream some time after it was closed.
        return not unread
    closed_by = stream.closed_by
    return closed_by is not None and closed_by.name.endswith("END_STREAM")


def breakage_of(connection: Any, stream_id: int, caller: FrameType) -> How:
    """Tell how an exchange ended that is not complete.

    Args:
        connection: An ``[Async]HTTP11Connection`` or ``[Async]HTTP2Connection``.
        stream_id: The stream's; 0 over HTTP/1.1.
        caller: The frame that declared it over.
    """
    name = caller.f_code.co_name
    if name in REQUESTS:
        return failure_of(connection, stream_id, sys.exc_info()[1])
    error = sys.exc_info()[1] if _is_iterating(name, caller) else None
    if error is None or isinstance(error, GeneratorExit):
        return How(Ending.ABANDONED, None, _missing_of(connection))
    return How(Ending.FAILED, type(error).__name__, _missing_of(connection))


def failure_of(connection: Any, stream_id: int, error: BaseException | None) -> How:
    """Tell how an exchange failed before the head of its response came."""
    sent = not was_refused(error) and _was_sent(connection, stream_id, error)
    return How(Ending.FAILED if sent else Ending.UNSENT, type(error).__name__)


def was_refused(error: BaseException | None) -> bool:
    """Tell whether a connection refused a request, which goes to another then."""
    return type(error).__name__ == "ConnectionNotAvailable"


def trigger_while_idle(connection: Any, idle: str, crowd: Crowd | None) -> tuple[CloseTrigger, str]:
    """Tell why a pool closes an idle connection.

    Args:
        connection: As above.
        idle: For how long it was, in words.
        crowd: How full the pool is; ``None`` when it is not the pool that closes.
    """
    expires_at = getattr(connection, "_expire_at", None)
    expired = expires_at is not None and time.monotonic() > expires_at
    allowed = f", keepalive_expiry {connection._keepalive_expiry} s" if expired else ""
    if _was_dropped(connection):
        return CloseTrigger.DROPPED, f"{idle}{allowed}"
    if expired:
        return CloseTrigger.EXPIRED, f"{idle}{allowed}"
    if crowd is None:
        return CloseTrigger.CLIENT_CLOSED, ""
    if crowd.most_idle == 0:
        return CloseTrigger.KEEPALIVE_OFF, "max_keepalive_connections 0"
    return CloseTrigger.EVICTED, str(crowd)


def trigger_behind(ended: How | None, head: Head | None) -> tuple[CloseTrigger, str]:
    """Tell why a connection is closed behind an exchange.

    Args:
        ended: How the exchange ended; ``None`` while it is under way.
        head: What its heads say; ``None`` when no response came.
    """
    if ended is None:
        return CloseTrigger.CLIENT_CLOSED, ""
    if ended.error is not None:
        return CloseTrigger.FAILED, ended.error
    if head is not None and head.will_close:
        return CloseTrigger.SERVER_SAID_CLOSE, _said(head)
    if ended.ending is Ending.ABANDONED:
        missing = f"{ended.missing} bytes unread" if ended.missing is not None else ""
        return CloseTrigger.BODY_UNREAD, missing
    if head is not None and head.closing:
        return CloseTrigger.KEEPALIVE_OFF, "the request said Connection: close"
    if head is not None and head.http_version == "HTTP/1.0":
        return CloseTrigger.KEEPALIVE_OFF, "h11 keeps no HTTP/1.0 connection"
    return CloseTrigger.FAILED, "the request was not sent whole"


def goaway_of(connection: Any) -> str:
    """Give the GOAWAY that came on a connection, in words; empty for none (RFC 9113, 6.8)."""
    event = getattr(connection, "_connection_terminated", None)
    if event is None:
        event = getattr(connection, "_connection_error_event", None)
    if event is None:
        return ""
    error = getattr(event.error_code, "name", event.error_code)
    return f"GOAWAY {error}, last stream {event.last_stream_id}"


def goaway_in(error: BaseException) -> str:
    """Give the GOAWAY that an exception tells of, in words; empty for none.

    A response that was still to come behind it is refused by h2, which forgets what came.
    """
    return "GOAWAY before the response" if _REFUSED in str(error) else ""


def _is_iterating(name: str, caller: FrameType) -> bool:
    outer = caller.f_back
    if name not in _CLOSES or outer is None:
        return False
    same_file = outer.f_code.co_filename == caller.f_code.co_filename
    return same_file and outer.f_code.co_name in _ITERATIONS


def _was_sent(connection: Any, stream_id: int, error: BaseException | None) -> bool:
    names = list(_names_of(error.__traceback__ if error is not None else None))
    phase = next((name for name in names if name.startswith(_PHASES)), "")
    if phase.startswith("_send_"):
        return _WRITTEN in names and _has_nothing_to_send(connection, stream_id)
    # A failed write is forgiven over HTTP/1.1, for the response may have come before.
    return bool(stream_id) or connection._h11_state.our_state.__name__ in OVER


def _has_nothing_to_send(connection: Any, stream_id: int) -> bool:
    if stream_id:
        stream = connection._h2_state.streams.get(stream_id)
        return stream is not None and stream.state_machine.state.name in _SENT
    # The end of a body of known length is no bytes, and h11 was not told of it.
    return getattr(getattr(connection._h11_state, "_writer", None), "_length", None) == 0


def _names_of(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_name
        traceback = traceback.tb_next


def _missing_of(connection: Any) -> int | None:
    reader = getattr(getattr(connection, "_h11_state", None), "_reader", None)
    remaining = getattr(reader, "_remaining", None)
    return remaining if isinstance(remaining, int) else None


def _was_dropped(connection: Any) -> bool:
    # Over HTTP/2 a readable connection means nothing: settings and pings come at any time.
    if not hasattr(connection, "_h11_state"):
        return False
    return bool(connection._network_stream.get_extra_info("is_readable"))


def _said(head: Head) -> str:
    return "101 Switching Protocols" if head.status == 101 else ""
