"""A ledger frozen into a recording."""

from __future__ import annotations

from functools import lru_cache
from math import inf

from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Connection, Exchange, Tally
from pytest_keepalive._events import ESTABLISHED, Attempted, Side
from pytest_keepalive._ledger import ExchangeTrack, Ledger, Track
from pytest_keepalive._origin import UNSEEN_END, Origin
from pytest_keepalive._recording import Recording, Unplaced

_CLOSERS = {Side.PEER: "the peer closed it", Side.CLIENT: "the client closed it"}


def recording_of(
    ledger: Ledger,
    started_at: float,
    ended_at: float,
    blind_spots: tuple[BlindSpot, ...] = (),
) -> Recording:
    """Freeze what a ledger knows of its window.

    Args:
        ledger: It is only read.
        started_at: When the window began, in seconds.
        ended_at: When it ended, in seconds.
        blind_spots: What could not be seen.
    """
    # What the kernel watch or a program saw is stated later than it happened.
    counting = sorted((track for track in ledger.tracks if track.in_window), key=_began_at)
    connections = Tally(_connection_of(track, index) for index, track in enumerate(counting))
    made = [track.attempted for track in ledger.tracks if track.opened_here and track.attempted]
    attempts = sorted([*made, *ledger.failed], key=lambda attempt: attempt.started_at)
    calls = sorted(ledger.calls, key=lambda call: call.requested.at)
    notes = tuple(f"{trouble.observer}: {trouble.what}" for trouble in ledger.troubles)
    return Recording(
        connections,
        Tally(attempts),
        started_at,
        ended_at,
        blind_spots,
        notes,
        tuple(doubt.what for doubt in ledger.doubts),
        tuple(doubt.what for doubt in ledger.doubts if doubt.sampled),
        unplaced=Tally(Unplaced(_exchange_of(each, None), each.called.adopted) for each in calls),
    )


def _began_at(track: Track) -> float:
    # Whose connect nobody saw is older than the observers, whenever it was first used.
    return -inf if track.attempted is None else track.attempted.started_at


def _connection_of(track: Track, index: int) -> Connection:
    attempted, adopted, closed = track.attempted, track.adopted, track.closed
    handshaken = track.handshaken
    return Connection(
        index=index,
        origin=_origin_of(track),
        local=track.pair.local if track.pair.local != UNSEEN_END else None,
        peer=track.pair.peer,
        client=adopted.client if adopted else None,
        call_site=_call_site_of(track),
        exchanges=Tally(_exchange_of(exchange, index) for exchange in track.exchanges),
        opened_at=attempted.ended_at or attempted.started_at if attempted else None,
        closed_at=closed.at if closed else None,
        closed_by=closed.by if closed else None,
        close_reason=_close_reason_of(track),
        connect_seconds=_connect_seconds_of(attempted),
        handshake_seconds=handshaken.ended_at - handshaken.started_at if handshaken else None,
        opened_here=track.opened_here,
        inherited=track.inherited,
        exchanges_seen=adopted is not None and not adopted.partly,
        asked_for=attempted.asked_for if attempted else None,
        observer=attempted.observer if attempted else "probe",
        sent=closed.sent if closed else None,
        received=closed.received if closed else None,
        peer_closed_at=closed.peer_closed_at if closed else None,
        silence=closed.silence if closed else None,
        resent=closed.resent if closed else None,
        heard_at=closed.heard_at if closed else None,
        thread=attempted.thread if attempted else 0,
        process=attempted.process if attempted else 0,
        process_name=attempted.process_name if attempted else "",
        adoption=adopted,
        closing=track.closed_by,
        unsent=_exchange_of(track.unsent, index) if track.unsent else None,
    )


def _exchange_of(track: ExchangeTrack, connection_index: int | None) -> Exchange:
    requested, answered, ended = track.requested, track.answered, track.ended
    return Exchange(
        index=track.index,
        connection_index=connection_index,
        method=requested.method,
        url=requested.url,
        status=answered.status if answered else None,
        http_version=answered.http_version if answered else None,
        idle_before=track.idle_before,
        call_site=requested.call_site,
        started_at=requested.at,
        head_at=answered.at if answered else None,
        ended_at=ended.at if ended else None,
        ending=ended.ending if ended else None,
        error=ended.error if ended else None,
        missing=ended.missing if ended else None,
        closing=requested.closing,
        expecting=requested.expecting,
        has_body=requested.has_body,
        will_close=answered.will_close if answered else None,
        framed=answered.framed if answered else None,
        headers=answered.headers if answered else (),
        worker=requested.worker,
    )


def _origin_of(track: Track) -> Origin:
    if track.adopted is not None:
        return track.adopted.origin
    asked_for = track.attempted.asked_for if track.attempted else None
    return _server_at(asked_for or track.pair.peer[0], track.pair.peer[1])


@lru_cache(maxsize=1024)
def _server_at(host: str, port: int) -> Origin:
    return Origin("tcp", host, port)


def _call_site_of(track: Track) -> CallSite | None:
    # The request's line is the user's; a connect may run in a task of the library's own.
    if track.exchanges:
        return track.exchanges[0].requested.call_site
    if track.adopted is not None:
        return track.adopted.call_site
    return track.attempted.call_site if track.attempted else None


def _connect_seconds_of(attempted: Attempted | None) -> float | None:
    if attempted is None or attempted.ended_at is None:
        return None
    established = attempted.outcome is ESTABLISHED
    return attempted.ended_at - attempted.started_at if established else None


def _close_reason_of(track: Track) -> str | None:
    if track.closed_by is not None:
        detail = f" ({track.closed_by.detail})" if track.closed_by.detail else ""
        return f"{track.closed_by.trigger}{detail}"
    if track.closed is None:
        return None
    answered = track.exchanges[-1].answered if track.exchanges else None
    if answered is not None and answered.will_close:
        return "the response does not allow reuse"
    return _CLOSERS[track.closed.by] if track.closed.by else "it was closed"
