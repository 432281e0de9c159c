"""Group D: the client closed the connection behind a response."""

from __future__ import annotations

from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._closed import Closed, told
from pytest_keepalive._diagnosis._pool import was_evicted
from pytest_keepalive._diagnosis._proof import Proof
from pytest_keepalive._diagnosis._words import at, seconds
from pytest_keepalive._events import CloseTrigger, Ending

# What is read event by event, up to one that its reader takes for the last.
_STREAMS = ("text/event-stream", "application/x-ndjson", "application/jsonl", "application/stream")

# It was kept behind its last response, whatever became of that.
_KEPT = frozenset((CloseTrigger.DROPPED, CloseTrigger.EXPIRED, CloseTrigger.EVICTED))


def timed_out_or_cancelled(closed: Closed) -> Proof | None:
    """A timeout or a cancellation struck in the middle of an exchange."""
    last = closed.last
    if not closed.timed_out or last is None:
        return None
    waited = (last.ended_at or last.started_at) - last.started_at
    evidence = f"{told(last)} ended with {last.error} after {seconds(waited)}"
    story = f"an exchange ended with {last.error}"
    return closed.proof(Cause.TIMED_OUT_OR_CANCELLED, story, evidence)


def body_not_read(closed: Closed) -> Proof | None:
    """The response was closed before its end was read (RFC 9112, section 9.5)."""
    last = closed.last
    if last is None or last.ending is not Ending.ABANDONED or closed.trigger in _KEPT:
        return None
    if last.http_version == "HTTP/2" and closed.trigger is not CloseTrigger.BODY_UNREAD:
        # There a response that is given up leaves the connection as it is.
        return None
    left = f", {last.missing} bytes unread" if last.missing else ""
    evidence = f"the response of {told(last)} was closed before its end{left}"
    if (last.header("content-type") or "").startswith(_STREAMS):
        story = "a stream of events is left before its last chunk"
        return closed.proof(Cause.STREAM_NOT_FINISHED, story, evidence)
    return closed.proof(Cause.BODY_NOT_READ, "a response is closed before its end", evidence)


def thrown_away(closed: Closed) -> Proof | None:
    """The pool had no room when the connection came back to it."""
    if not was_evicted(closed.connection):
        return None
    keeps_limit = "keepalive" in closed.detail or closed.case.now.client.startswith("http")
    cause = Cause.KEEPALIVE_LIMIT if keeps_limit else Cause.POOL_FULL
    closing = closed.connection.closing
    fact = f"#{closed.connection.index} came back to a full pool and was closed"
    site = closed.case.now.call_site if closing is None else closing.call_site
    return closed.proof(cause, "the pool has no room", fact, closed.detail, call_site=site)


def client_idle_expiry(closed: Closed) -> Proof | None:
    """The client's own timer ran out."""
    if closed.trigger is not CloseTrigger.EXPIRED:
        return None
    gap = closed.idle_for
    evidence = closed.detail or (f"idle {seconds(gap)}" if gap is not None else "")
    story = "the client keeps idle connections for less time than passed"
    fact = f"#{closed.connection.index}: {evidence}"
    site = closed.case.now.call_site
    return closed.proof(Cause.CLIENT_IDLE_EXPIRY, story, fact, call_site=site)


def upload_not_finished(closed: Closed) -> Proof | None:
    """The response was complete, and the request was not."""
    if closed.trigger is not CloseTrigger.FAILED or closed.last is None:
        return None
    if closed.last.ending is not Ending.COMPLETE or "sent" not in closed.detail:
        return None
    evidence = f"{told(closed.last)} was answered {closed.last.status} in whole"
    story = "the response came before the request was sent whole"
    return closed.proof(Cause.UPLOAD_NOT_FINISHED, story, evidence, closed.detail)


def client_closed(closed: Closed) -> Proof | None:
    """The user's code closed the client, or the connection, and went on using it."""
    if closed.trigger is not CloseTrigger.CLIENT_CLOSED:
        return None
    closing = closed.connection.closing
    site = closing.call_site if closing else None
    evidence = f"#{closed.connection.index} was closed by its client{at(site)}"
    story = "a client is closed between two calls"
    return closed.proof(Cause.CLIENT_CLOSED, story, evidence, call_site=site)
