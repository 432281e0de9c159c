"""One connection of aiohttp, how far the exchange on it has come, and why it is let go.

Judgement alone: the probe reads the client, and hands in what it read.

The order in which a reason is looked for
1. The exchange failed: whatever else holds, that is what closed it.
2. The connector keeps nothing.
3. The response forbids reuse.
4. The response was not read to its end.
5. Something came between: a broken upload, bytes behind the response.
"""

from __future__ import annotations

import weakref
from time import perf_counter
from typing import Any, NamedTuple

from pytest_keepalive._call_site import CallSiteFinder
from pytest_keepalive._events import CloseTrigger, Course, Ending
from pytest_keepalive._origin import Pair
from pytest_keepalive._probes._head import forbids_reuse

# What unwinds a response and is no opinion of the user's about it.
_INTERRUPTIONS = frozenset(
    ("CancelledError", "TimeoutError", "ServerTimeoutError", "SocketTimeoutError")
)
_BODILESS = frozenset((101, 204, 304))
_SWITCHING_PROTOCOLS = 101


class Reason(NamedTuple):
    """Why a connection is closed.

    Args:
        trigger: What made the client do so.
        detail: The figure that proves it.
    """

    trigger: CloseTrigger
    detail: str = ""


class Known:
    """A connection that carries requests.

    Args:
        reference: Gives the protocol object, while it lives.
        pair: The connection's two ends.
        keepalive_timeout: How long its connector keeps it idle, in seconds; ``None`` for ever.
        never_kept: Why it is closed behind its first exchange, whatever comes; or nothing.
    """

    __slots__ = (
        "answered",
        "asked",
        "at_end",
        "closing",
        "course",
        "ending",
        "error",
        "greeted",
        "head_at",
        "idle_since",
        "keepalive_timeout",
        "length",
        "method",
        "missing",
        "never_kept",
        "pair",
        "reason",
        "reference",
        "reuse_forbidden",
        "sites",
        "started",
        "upgraded",
    )

    def __init__(
        self,
        reference: weakref.ref[Any],
        pair: Pair,
        keepalive_timeout: float | None,
        never_kept: str,
    ) -> None:
        self.reference = reference
        self.pair = pair
        self.keepalive_timeout = keepalive_timeout
        self.never_kept = never_kept
        self.sites = CallSiteFinder()
        self.idle_since = self.head_at = perf_counter()
        self.greeted = self.closing = False
        self.upgraded = self.at_end = False
        self.reason: Reason | None = None
        self.reuse_forbidden = ""
        self.ending: Ending | None = None
        self.error: str | None = None
        self.missing: int | None = None
        self.course: Course | None = None
        self.asked: tuple[Any, ...] = ()
        self.method = ""
        self.started = self.answered = False
        self.length: int | None = None

    def answer(
        self, status: int, version: str, connection: str | None, framed: bool, forbidden: bool
    ) -> bool:
        """Take in a response head, and tell whether the length of its body is known.

        Args:
            status: Such as 200.
            version: Such as ``HTTP/1.1``.
            connection: The value of the ``Connection`` field, or ``None``.
            framed: Whether there is a length, or chunks.
            forbidden: Whether the client itself takes the response to forbid reuse.
        """
        self.greeted = True
        # Its parser in C waits for the length of a body that an answer to HEAD never has.
        needs_none = status in _BODILESS or (self.method == "HEAD" and not forbidden)
        framed = framed or needs_none
        if status == _SWITCHING_PROTOCOLS:
            self.upgraded = True
            self.reuse_forbidden = "101 Switching Protocols"
        elif connection is not None and forbids_reuse(version, connection):
            self.reuse_forbidden = f"Connection: {connection}"
        elif version != "HTTP/1.1" and forbids_reuse(version, connection):
            self.reuse_forbidden = version
        elif not framed:
            self.reuse_forbidden = "no length, and no chunks"
        return framed

    def why_incomplete(self, failure: str | None, unwinding: str | None) -> Ending:
        """Tell a response that failed from one that was given up.

        Args:
            failure: The name of the error that the client had with it, or ``None``.
            unwinding: The name of the error that made its user leave it, or ``None``.
        """
        return Ending.FAILED if failure or unwinding in _INTERRUPTIONS else Ending.ABANDONED

    def why_closed(self, failure: str | None, forbidden: bool, broken_off: bool) -> Reason:
        """Tell why it is closed when it is released.

        Args:
            failure: The name of the error that the client had with it, or ``None``.
            forbidden: Whether the client itself took the response to forbid reuse.
            broken_off: Whether it was closed rather than given back.
        """
        if self.ending in (Ending.FAILED, Ending.UNSENT):
            return Reason(CloseTrigger.FAILED, self.error or "")
        if self.never_kept:
            return Reason(CloseTrigger.KEEPALIVE_OFF, self.never_kept)
        if self.reuse_forbidden:
            return Reason(CloseTrigger.SERVER_SAID_CLOSE, self.reuse_forbidden)
        if self.ending is Ending.ABANDONED:
            return Reason(CloseTrigger.BODY_UNREAD, self._unread())
        if failure is not None:
            return Reason(CloseTrigger.FAILED, failure)
        if forbidden:
            return Reason(CloseTrigger.SERVER_SAID_CLOSE)
        if broken_off:
            return Reason(CloseTrigger.FAILED, "the request was not sent to its end")
        return Reason(CloseTrigger.FAILED, "bytes came behind the response")

    @property
    def awaits_head(self) -> bool:
        """Whether the head of a response was asked for, and is not known."""
        return self.course is not None and self.started and not self.answered

    def reason_kept_back(self) -> Reason | None:
        """Give the reason that had to wait for the head, which now may show a better one."""
        reason, self.reason = self.reason, None
        if reason is None or reason.trigger is CloseTrigger.KEEPALIVE_OFF:
            return reason
        if self.reuse_forbidden:
            return Reason(CloseTrigger.SERVER_SAID_CLOSE, self.reuse_forbidden)
        return reason

    def why_swept(self, is_closing: bool) -> Reason:
        """Tell why it is closed when it is found unfit to be used again.

        Args:
            is_closing: Whether its transport was closing already.
        """
        if is_closing:
            return self.why_lost(None)
        detail = f"{self._idle()}, keepalive_timeout {self.keepalive_timeout} s"
        return Reason(CloseTrigger.EXPIRED, detail)

    def why_lost(self, error: str | None) -> Reason:
        """Tell why it is gone, when it was lost while idle, with an error or with none."""
        return Reason(CloseTrigger.DROPPED, ", ".join(filter(None, (self._idle(), error))))

    def _idle(self) -> str:
        return f"idle {perf_counter() - self.idle_since:.3g} s"

    def _unread(self) -> str:
        if self.missing is None:
            return "the end of its body had not come"
        return f"{self.missing} of {self.length} bytes had not come"
