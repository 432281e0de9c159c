"""Groups F and G1: the peer was gone, or an exchange failed and was tried again."""

from __future__ import annotations

import re

from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._closed import Closed, told
from pytest_keepalive._diagnosis._ending import AT_ONCE
from pytest_keepalive._diagnosis._proof import Proof
from pytest_keepalive._diagnosis._words import seconds
from pytest_keepalive._events import Side

_TIMEOUT = re.compile(r"timeout\s*=\s*(\d+)")
# Longer than a request takes to cross a FIN: later, the server had it and gave it up (seconds).
_CROSSING = 1.0


def flow_lost(closed: Closed) -> Proof | None:
    """What was sent on an idle connection never reached the peer, and a new connection did."""
    last, resent = closed.last, closed.connection.resent
    if last is None or not closed.failed or not last.index or not resent:
        return None
    idle = f" after {seconds(last.idle_before)} idle" if last.idle_before is not None else ""
    evidence = (
        f"{told(last)} was sent{idle}, sent again {resent} times, and never acknowledged; "
        f"it ended with {last.error}"
    )
    return closed.proof(Cause.FLOW_LOST, "somebody on the way forgot the connection", evidence)


def reuse_race(closed: Closed) -> Proof | None:
    """A request went out on a connection that the server was closing (RFC 9112, 9.3.1)."""
    last = closed.last
    if last is None or not closed.was_disconnected or last.status is not None or not last.index:
        return None
    took = (last.ended_at or last.started_at) - last.started_at
    if took > _CROSSING:
        return None
    idle = f" after {seconds(last.idle_before)} idle" if last.idle_before is not None else ""
    evidence = (
        f"{told(last)} was sent{idle} and ended with {last.error} after {seconds(took)}, "
        "without a response"
    )
    return closed.proof(Cause.REUSE_RACE, "the server closed while a request came", evidence)


def retried(closed: Closed) -> Proof | None:
    """The same request was made again on a new connection."""
    last, first = closed.last, next(iter(closed.case.connection.exchanges), None)
    if last is None or first is None or not closed.failed:
        return None
    if (last.method, last.url) != (first.method, first.url):
        return None
    evidence = f"{told(last)} ended with {last.error}; {told(first)} is the same request"
    return closed.proof(Cause.RETRIED, f"a retry after {last.error}", evidence)


def server_timeout_ignored(closed: Closed) -> Proof | None:
    """The server had told for how long it keeps idle connections, and the client waited longer."""
    allowed, idle = _announced_timeout(closed), closed.idle_for
    if allowed is None or idle is None or idle < allowed or not closed.by_peer or closed.failed:
        return None
    evidence = (
        f"the server said Keep-Alive: timeout={allowed}, and the next request came after "
        f"{seconds(idle)}"
    )
    story = "the client waits longer than the server said"
    site = closed.case.now.call_site
    return closed.proof(Cause.SERVER_TIMEOUT_IGNORED, story, evidence, call_site=site)


def server_hung_up(closed: Closed) -> Proof | None:
    """The server closed right behind a response that allowed reuse."""
    if not closed.hung_up_unsaid or closed.last is None:
        return None
    evidence = (
        f"{told(closed.last)} was answered {closed.last.status}, and the server closed "
        f"{seconds(closed.silence or 0.0)} later"
    )
    story = "the server says keep-alive and hangs up"
    return closed.proof(Cause.SERVER_HUNG_UP, story, evidence)


def server_idle_timeout(closed: Closed) -> Proof | None:
    """The server dropped a connection that had lain idle."""
    idle, silence = closed.idle_for, closed.silence
    if not closed.by_peer or idle is None or closed.failed or idle < AT_ONCE:
        return None
    if closed.hung_up:
        # No pause was waited for.
        return None
    if silence is None and closed.connection.closed_by is Side.PEER:
        # A reset leaves no trace of when it came: it may have been at once.
        return None
    after = f" after {seconds(silence)}" if silence is not None else ""
    evidence = (
        f"the server closed #{closed.connection.index}{after}; "
        f"the next request came after {seconds(idle)}"
    )
    story = "the server's idle timeout is shorter than the pause"
    site = closed.case.now.call_site
    return closed.proof(Cause.SERVER_IDLE_TIMEOUT, story, evidence, closed.detail, call_site=site)


def _announced_timeout(closed: Closed) -> int | None:
    for exchange in reversed(closed.connection.exchanges):
        found = _TIMEOUT.search(exchange.header("keep-alive") or "")
        if found:
            return int(found[1])
    return None
