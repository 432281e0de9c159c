"""Why each connection beyond the first to its origin was opened: pure, over a recording.

Rules
1. There is exactly one finding for each connection beyond the first to its origin that was
   established in the window; one more for the first to an origin that is an alias of another,
   or that a redirect led to. Other origins are never blamed on reuse.
2. The first rule that proves its cause wins: who used it, under which key, how the connection
   was lost whose place it takes, and last whether all the others were in use.
3. It never guesses: without proof the cause is ``unknown``, and the evidence is the timeline.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from pytest_keepalive._connection import Tally
from pytest_keepalive._diagnosis import _announced, _clients, _dropped, _given_up, _in_use, _keys
from pytest_keepalive._diagnosis._case import Case, cases_of
from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._closed import Closed, closed_before
from pytest_keepalive._diagnosis._finding import Finding
from pytest_keepalive._diagnosis._proof import Proof, Rule
from pytest_keepalive._diagnosis._remedies import remedy_for
from pytest_keepalive._diagnosis._timeline import timeline_of
from pytest_keepalive._recording import Recording

_OF_ORIGINS: tuple[Rule, ...] = (_keys.redirected_elsewhere, _keys.host_alias)
_OF_CLIENTS: tuple[Rule, ...] = (
    _clients.never_keeps_alive,
    _clients.forked_after_use,
    _clients.per_event_loop,
    _keys.pool_evicted,
    _keys.reopened,
    _keys.other_key,
    _clients.per_thread,
    _clients.per_request,
    _clients.channel_per_call,
    _in_use.started_together,
    _in_use.response_not_released,
)
_OF_CLOSES: tuple[Callable[[Closed], Proof | None], ...] = (
    _given_up.thrown_away,
    _keys.settings_changed,
    _announced.client_asked_to_close,
    _announced.goaway,
    _dropped.flow_lost,
    _given_up.timed_out_or_cancelled,
    _announced.connection_bound_auth,
    _announced.expect_continue,
    _announced.upload_rejected,
    _dropped.reuse_race,
    _dropped.retried,
    _announced.request_limit,
    _announced.http_1_0,
    _announced.no_framing,
    _announced.server_asked_to_close,
    _given_up.body_not_read,
    _given_up.upload_not_finished,
    _given_up.client_idle_expiry,
    _dropped.server_hung_up,
    _dropped.server_timeout_ignored,
    _dropped.server_idle_timeout,
    _given_up.client_closed,
)
_LEGITIMATE = frozenset((Cause.CONCURRENT_REQUESTS, Cause.REDIRECTED_ELSEWHERE))

Facts = TypeVar("Facts")


def diagnose(recording: Recording, most: int | None = None) -> Tally[Finding]:
    """Find out why connections were opened that might have been saved.

    Args:
        recording: Any.
        most: How many connections to explain, the first ones; all of them by default.
    """
    findings = (_finding_on(case) for case in islice(cases_of(recording), most))
    return Tally(finding for finding in findings if finding is not None)


def _finding_on(case: Case) -> Finding | None:
    proof = _first(_OF_ORIGINS, case) if case.is_first_there else _prove(case)
    if proof is None:
        return None if case.is_first_there else _unknown(case)
    return Finding(
        proof.cause,
        case.connection,
        proof.predecessor,
        proof.evidence,
        remedy_for(proof.cause, case.now, _server_of(proof)),
        proof.story,
        proof.call_site,
        proof.cause in _LEGITIMATE,
    )


def _prove(case: Case) -> Proof | None:
    proof = _first(_OF_CLIENTS, case)
    if proof is not None:
        return proof
    closed = closed_before(case)
    if closed is not None:
        return _first(_OF_CLOSES, closed)
    return _in_use.concurrent_requests(case)


def _first(rules: tuple[Callable[[Facts], Proof | None], ...], case: Facts) -> Proof | None:
    return next((proof for proof in (rule(case) for rule in rules) if proof is not None), None)


def _unknown(case: Case) -> Finding:
    return Finding(
        Cause.UNKNOWN,
        case.connection,
        case.predecessor,
        (*timeline_of(case), *_keys.told_apart(case)),
        remedy_for(Cause.UNKNOWN, case.now),
        "the cause could not be proved",
        case.connection.call_site,
    )


def _server_of(proof: Proof) -> str:
    names = (exchange.header("server") for exchange in proof.predecessor.exchanges)
    return next((name for name in names if name), "")
