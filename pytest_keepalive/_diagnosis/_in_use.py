"""Group C: every open connection of the pool was in use when the request came."""

from __future__ import annotations

from pytest_keepalive._amount import count_of
from pytest_keepalive._diagnosis._case import Case
from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._pool import ready_at, speaks_http2
from pytest_keepalive._diagnosis._proof import Proof
from pytest_keepalive._diagnosis._words import at, seconds


def started_together(case: Case) -> Proof | None:
    """HTTP/2 could have shared one connection, but nobody knew yet that it would be spoken."""
    mate = case.pool.shareable
    if mate is None or not speaks_http2(case.connection):
        return None
    ready = ready_at(mate)
    if case.need.asked_at >= ready:
        return None
    evidence = (
        f"#{case.connection.index} was asked for {seconds(ready - case.need.asked_at)} before "
        f"#{mate.index} was ready and had agreed on HTTP/2"
    )
    story = "the first requests started at once"
    return Proof(Cause.STARTED_TOGETHER, mate, (evidence,), story, case.now.call_site)


def response_not_released(case: Case) -> Proof | None:
    """A response came and was neither read to its end nor closed."""
    if case.pool.held is None:
        return None
    mate, exchange = case.pool.held
    waited = case.need.asked_at - (exchange.head_at or case.need.asked_at)
    evidence = (
        f"the response of {exchange.method} {exchange.url} on #{mate.index} had come "
        f"{seconds(waited)} before and was not read to its end"
    )
    story = "a response is held and not finished"
    return Proof(Cause.RESPONSE_NOT_RELEASED, mate, (evidence,), story, exchange.call_site)


def concurrent_requests(case: Case) -> Proof | None:
    """More requests at once than connections: nothing is wrong with that."""
    if case.pool.spare is not None or case.pool.latest_use is None:
        return None
    mate, exchange = case.pool.latest_use
    if speaks_http2(mate) and not _lends(case):
        return None
    peak, in_use = case.habits.peak, case.pool.in_use
    others = "" if in_use == 1 else f" and {count_of(in_use - 1, 'other')}"
    verb = "was" if in_use == 1 else "were"
    why = "HTTP/1.1 carries one request at a time on a connection"
    if speaks_http2(mate):
        why = f"{case.now.client} lends a connection to one request at a time, HTTP/2 or not"
    evidence = (
        f"#{mate.index}{others} {verb} in use just then, #{mate.index} for {exchange.method}"
        f"{at(exchange.call_site)}",
        f"legitimate: {why}",
    )
    story = f"up to {count_of(peak, 'request')} at once"
    return Proof(Cause.CONCURRENT_REQUESTS, mate, evidence, story, case.now.call_site)


def _lends(case: Case) -> bool:
    """Tell whether its pool gives a connection to one request at a time, HTTP/2 or not."""
    return "urllib3" in case.now.pool_name
