"""Groups A and G6: another client object, thread or event loop than the connection before."""

from __future__ import annotations

from pytest_keepalive._amount import count_of
from pytest_keepalive._diagnosis._case import Case
from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._pool import closed_at
from pytest_keepalive._diagnosis._proof import Proof
from pytest_keepalive._diagnosis._words import a, at, client_object
from pytest_keepalive._events import CloseTrigger, Side

NEVER_KEEPS_ALIVE = frozenset(("urllib.request",))


def never_keeps_alive(case: Case) -> Proof | None:
    """The library asks for a close with each request, whatever its user does."""
    exchange = next(iter(case.connection.exchanges), None)
    if exchange is None or not exchange.closing or case.now.client not in NEVER_KEEPS_ALIVE:
        return None
    evidence = f"{case.now.client} says Connection: close with each request, and so did this one"
    return _proof(Cause.CLIENT_NEVER_KEEPS_ALIVE, case, f"{case.now.client} keeps none", evidence)


def forked_after_use(case: Case) -> Proof | None:
    """The connection before was the parent process's, and two processes cannot share one."""
    lost = case.pool.lost
    if lost is None or not lost.inherited:
        return None
    used = count_of(len(lost.exchanges), "request")
    evidence = (
        f"#{lost.index} was opened before this process was forked from its parent, and carried "
        f"{used} here",
        f"it ended: {lost.close_reason or 'unseen'}",
    )
    story = f"{a(client_object(case.now))} that was used before the fork"
    return Proof(Cause.FORKED_AFTER_USE, lost, evidence, story, case.now.call_site)


def per_event_loop(case: Case) -> Proof | None:
    """The connection before belongs to another event loop, and cannot be used from this one."""
    if not case.now.loop or not case.before.loop or case.now.loop == case.before.loop:
        return None
    kind = client_object(case.now)
    one = f"one {kind}" if case.is_of_same_client else f"{a(kind)} each"
    evidence = (
        f"#{case.predecessor.index} was opened in one event loop and #{case.connection.index} in "
        f"another, with {one}"
    )
    return _proof(Cause.CLIENT_PER_EVENT_LOOP, case, "a new event loop for each call", evidence)


def per_thread(case: Case) -> Proof | None:
    """Each thread has a client object of its own."""
    threads = case.habits.threads
    if _has_its_predecessors_client(case) or not threads:
        return None
    kind = client_object(case.now)
    evidence = f"{threads} threads used {threads} of them for {_exchanges(case)}, each its own"
    return _proof(Cause.CLIENT_PER_THREAD, case, f"{a(kind)} for each thread", evidence)


def per_request(case: Case) -> Proof | None:
    """Another client object made the request."""
    if _has_its_predecessors_client(case):
        return None
    kind, before = client_object(case.now), client_object(case.before)
    evidence = [f"{count_of(case.habits.clients, 'client')} made {_exchanges(case)}"]
    closing = case.predecessor.closing
    was_closed = closing is not None and closing.at <= case.at
    if closing is not None and was_closed and closing.trigger is CloseTrigger.CLIENT_CLOSED:
        evidence.append(f"that of #{case.predecessor.index} was closed{at(closing.call_site)}")
    else:
        evidence.append(f"#{case.predecessor.index} belongs to another one")
    if kind != before:
        story = f"a new {kind} beside {a(before)}"
    elif max(len(case.connection.exchanges), len(case.predecessor.exchanges)) > 1:
        story = f"a new {kind} beside the one before"
    else:
        story = f"a new {kind} for each call"
    return _proof(Cause.CLIENT_PER_REQUEST, case, story, *evidence)


def channel_per_call(case: Case) -> Proof | None:
    """A client that is not known closes what it opened, and opens it again at the same line."""
    site, before = case.connection.call_site, case.predecessor
    if case.connection.adoption is not None or before.adoption is not None or site is None:
        return None
    if before.closed_by is not Side.CLIENT or before.call_site != site or before.carried_nothing:
        return None
    ended = closed_at(before)
    if ended is None or ended > case.at:
        return None
    carried = f", {before.sent} bytes out and {before.received} in" if before.sent else ""
    evidence = (
        f"#{before.index} was opened there too, and its client closed it first, after "
        f"{ended - (before.opened_at or ended):.3f} s{carried}"
    )
    story = "a connection is opened and closed for each call"
    return Proof(Cause.CHANNEL_PER_CALL, before, (evidence,), story, site)


def _has_its_predecessors_client(case: Case) -> bool:
    return case.is_of_same_client or not case.now.pool or not case.before.pool


def _exchanges(case: Case) -> str:
    return f"{count_of(case.habits.exchanges, 'request')} to {case.connection.origin}"


def _proof(cause: Cause, case: Case, story: str, *evidence: str) -> Proof:
    return Proof(cause, case.predecessor, evidence, story, case.now.call_site)
