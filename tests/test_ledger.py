from __future__ import annotations

from pytest_keepalive._events import (
    CloseTrigger,
    Doubted,
    Ending,
    Event,
    Handshaken,
    Outcome,
    Settled,
    Side,
    Trouble,
)
from pytest_keepalive._ledger import Ledger, Track

from .facts import (
    PEER,
    adopted,
    answered,
    attempted,
    closed,
    closed_by,
    ended,
    pair,
    requested,
)


def ledger_of(*events: Event, after: Ledger | None = None) -> Ledger:
    ledger = Ledger(after)
    ledger.apply(events)
    return ledger


def counted(ledger: Ledger) -> list[Track]:
    return [track for track in ledger.tracks if track.in_window]


def only(ledger: Ledger) -> Track:
    (track,) = counted(ledger)
    return track


def settled(
    outcome: Outcome = Outcome.ESTABLISHED, exact: bool = True, attempt: int = 1
) -> Settled:
    return Settled(attempt, 1.5, exact, outcome)


def test_a_connection_that_was_established_counts() -> None:
    track = only(ledger_of(attempted()))
    assert track.pair == pair()
    assert track.opened_here
    assert track.exchanges == []


def test_a_failed_attempt_is_no_connection() -> None:
    ledger = ledger_of(attempted(outcome=Outcome.FAILED))
    assert counted(ledger) == []
    assert [attempt.attempt for attempt in ledger.failed] == [1]


def test_an_established_attempt_counts_though_nobody_saw_its_local_end() -> None:
    ledger = ledger_of(attempted(1, local=None), attempted(2, local=None))
    assert len(counted(ledger)) == 2
    assert ledger.failed == []


def test_a_pending_attempt_without_a_local_end_is_no_connection() -> None:
    ledger = ledger_of(attempted(outcome=Outcome.PENDING, local=None))
    assert counted(ledger) == []
    assert len(ledger.failed) == 1


def test_a_connect_that_is_stated_after_its_exchanges_is_theirs() -> None:
    track = only(ledger_of(requested(at=2.0), attempted(at=1.0)))
    assert track.opened_here
    assert track.attempted is not None
    assert len(track.exchanges) == 1


def test_a_connect_that_is_younger_than_the_exchanges_is_another_connection() -> None:
    assert len(counted(ledger_of(requested(at=2.0), attempted(at=3.0)))) == 2


def test_a_pending_attempt_is_no_connection_yet() -> None:
    assert counted(ledger_of(attempted(outcome=Outcome.PENDING))) == []


def test_a_pending_attempt_becomes_a_connection_when_it_settles() -> None:
    track = only(ledger_of(attempted(outcome=Outcome.PENDING), settled()))
    assert track.attempted is not None
    assert track.attempted.outcome is Outcome.ESTABLISHED
    assert track.attempted.ended_at == 1.5


def test_when_somebody_merely_looked_is_not_when_it_was_established() -> None:
    track = only(ledger_of(attempted(outcome=Outcome.PENDING), settled(exact=False)))
    assert track.attempted is not None
    assert track.attempted.ended_at is None


def test_a_pending_attempt_may_settle_as_failed() -> None:
    ledger = ledger_of(attempted(outcome=Outcome.PENDING), settled(Outcome.FAILED))
    assert counted(ledger) == []
    (track,) = ledger.tracks
    assert track.attempted is not None
    assert track.attempted.outcome is Outcome.FAILED
    assert ledger_of(closed(), after=ledger).tracks == []


def test_a_failed_attempt_leaves_a_later_connection_of_the_same_pair_alone() -> None:
    ledger = ledger_of(
        attempted(1, outcome=Outcome.PENDING), attempted(2), settled(Outcome.FAILED), requested()
    )
    assert only(ledger).carried == 1


def test_an_attempt_that_nobody_knows_may_settle() -> None:
    assert ledger_of(settled()).tracks == []


def test_an_exchange_proves_that_a_pending_attempt_was_established() -> None:
    track = only(ledger_of(attempted(outcome=Outcome.PENDING), requested(), settled()))
    assert track.attempted is not None
    assert track.attempted.outcome is Outcome.ESTABLISHED
    assert track.attempted.ended_at is None
    assert track.opened_here


def test_an_exchange_is_kept_with_its_head_and_its_end() -> None:
    track = only(ledger_of(attempted(), adopted(), requested(), answered(), ended()))
    (exchange,) = track.exchanges
    assert (exchange.requested, exchange.answered, exchange.ended) == (
        requested(),
        answered(),
        ended(),
    )
    assert track.adopted == adopted()
    assert track.unfinished == 0


def test_exchanges_are_counted_and_know_how_long_the_connection_was_idle() -> None:
    track = only(
        ledger_of(
            attempted(),
            requested(10, at=2.0),
            ended(10, at=3.0),
            requested(11, at=5.5),
            ended(11, at=6.0),
        )
    )
    assert [exchange.index for exchange in track.exchanges] == [0, 1]
    assert [exchange.idle_before for exchange in track.exchanges] == [None, 2.5]


def test_a_connection_was_not_idle_while_another_exchange_was_under_way() -> None:
    track = only(
        ledger_of(
            attempted(),
            requested(10, at=2.0),
            requested(11, at=2.5),
            ended(10, at=3.0),
            requested(12, at=4.0),
        )
    )
    assert [exchange.idle_before for exchange in track.exchanges] == [None, None, None]


def test_an_exchange_that_began_before_the_last_one_was_seen_to_end_was_idle_for_no_time() -> None:
    track = only(ledger_of(attempted(), requested(10), ended(10, at=4.0), requested(11, at=3.9)))
    assert track.exchanges[1].idle_before == 0.0


def test_a_request_that_could_not_be_sent_is_no_exchange() -> None:
    track = only(
        ledger_of(
            attempted(),
            requested(10),
            ended(10),
            requested(11, at=5.0),
            ended(11, 6.0, Ending.UNSENT, error="BrokenPipeError"),
            requested(12, at=7.0),
        )
    )
    assert [exchange.requested.exchange for exchange in track.exchanges] == [10, 12]
    assert [exchange.index for exchange in track.exchanges] == [0, 1]
    assert track.unsent is not None
    assert track.unsent.requested.exchange == 11


def test_heads_and_ends_of_exchanges_that_nobody_knows_change_nothing() -> None:
    track = only(ledger_of(attempted(), answered(99), ended(99)))
    assert track.unfinished == 0


def test_a_closed_connection_keeps_what_it_was_and_why_it_ended() -> None:
    track = only(
        ledger_of(
            attempted(),
            Handshaken(pair(), 1.5, 1.75, "h2"),
            requested(),
            closed_by(trigger=CloseTrigger.EXPIRED, detail="idle 5.2 s"),
            closed_by(trigger=CloseTrigger.CLIENT_CLOSED),
            closed(by=Side.CLIENT, sent=10, received=20),
        )
    )
    assert track.closed == closed(by=Side.CLIENT, sent=10, received=20)
    assert track.closed_by == closed_by(trigger=CloseTrigger.EXPIRED, detail="idle 5.2 s")
    assert track.handshaken == Handshaken(pair(), 1.5, 1.75, "h2")


def test_what_ends_a_connection_that_nobody_knows_changes_nothing() -> None:
    assert ledger_of(closed_by(), closed()).tracks == []


def test_an_event_means_the_connection_that_was_established_last_with_its_pair() -> None:
    ledger = ledger_of(
        attempted(1), requested(10), ended(10), closed(), attempted(2, at=20.0), requested(11)
    )
    first, second = counted(ledger)
    assert [len(track.exchanges) for track in (first, second)] == [1, 1]
    assert first.closed is not None
    assert second.closed is None
    assert second.exchanges[0].index == 0


def test_the_end_of_an_exchange_finds_it_after_its_connection_was_closed() -> None:
    track = only(ledger_of(attempted(), requested(), closed(), answered(), ended()))
    assert track.exchanges[0].ended == ended()


def test_a_connection_nobody_saw_being_made_is_known_from_its_first_exchange() -> None:
    track = only(ledger_of(adopted(), requested()))
    assert track.attempted is None
    assert not track.opened_here
    assert track.exchanges[0].index == 0


def test_a_connection_nobody_saw_being_made_does_not_count_without_an_exchange() -> None:
    assert counted(ledger_of(adopted(), Handshaken(pair(), 1.0, 2.0))) == []


def test_trouble_is_remembered_once_and_by_later_windows_too() -> None:
    trouble = Trouble("aiohttp", "its probe failed")
    ledger = ledger_of(trouble, trouble)
    assert list(ledger.troubles) == [trouble]
    assert list(Ledger(ledger).troubles) == [trouble]


def test_a_doubt_is_remembered_once() -> None:
    doubt = Doubted("kernel", "the kernel watch is refused")
    assert list(ledger_of(doubt, doubt).doubts) == [doubt]


# What a window knows of the time before it.


def test_a_connection_opened_earlier_counts_only_where_it_is_used() -> None:
    earlier = ledger_of(attempted(), adopted(), requested(10), ended(10, at=4.0))
    assert counted(Ledger(earlier)) == []
    track = only(ledger_of(requested(11, at=6.0), after=earlier))
    assert not track.opened_here
    assert track.adopted == adopted()
    assert [exchange.index for exchange in track.exchanges] == [1]
    assert track.exchanges[0].idle_before == 2.0


def test_a_connection_closed_earlier_is_forgotten() -> None:
    earlier = ledger_of(attempted(), requested(10), closed())
    later = ledger_of(answered(10), ended(10), after=earlier)
    assert later.tracks == []


def test_an_exchange_begun_earlier_is_not_one_of_the_window_and_its_end_counts() -> None:
    earlier = ledger_of(attempted(), requested(10))
    later = ledger_of(answered(10), ended(10, at=5.0), requested(11, at=7.0), after=earlier)
    track = only(later)
    assert [exchange.requested.exchange for exchange in track.exchanges] == [11]
    assert track.exchanges[0].index == 1
    assert track.exchanges[0].idle_before == 2.0


def test_an_exchange_begun_earlier_and_never_sent_is_not_counted() -> None:
    earlier = ledger_of(attempted(), requested(10))
    later = ledger_of(ended(10, 5.0, Ending.UNSENT), requested(11), after=earlier)
    assert only(later).exchanges[0].index == 0


def test_an_attempt_begun_earlier_and_established_here_was_opened_here() -> None:
    earlier = ledger_of(attempted(outcome=Outcome.PENDING))
    assert only(ledger_of(settled(), after=earlier)).opened_here
    assert only(ledger_of(requested(), after=earlier)).opened_here


def test_an_attempt_begun_and_failed_earlier_is_forgotten() -> None:
    earlier = ledger_of(attempted(outcome=Outcome.PENDING), settled(Outcome.FAILED))
    later = ledger_of(settled(), after=earlier)
    assert later.tracks == []
    assert later.failed == []


def test_a_window_changes_nothing_of_the_one_before() -> None:
    earlier = ledger_of(attempted(), requested(10), ended(10))
    ledger_of(requested(11), closed(), after=earlier)
    track = only(earlier)
    assert track.carried == 1
    assert track.closed is None


def test_a_later_window_knows_why_an_earlier_one_saw_the_client_close() -> None:
    earlier = ledger_of(attempted(), closed_by(trigger=CloseTrigger.EVICTED))
    later = ledger_of(requested(), closed(), after=earlier)
    assert only(later).closed_by == closed_by(trigger=CloseTrigger.EVICTED)


def test_a_failed_attempt_to_a_name_keeps_the_name() -> None:
    ledger = ledger_of(attempted(outcome=Outcome.FAILED, peer=("api.example.com", 80)))
    assert ledger.failed[0].peer != PEER
    assert ledger.failed[0].peer == ("api.example.com", 80)


def test_a_client_may_be_told_that_its_peer_closed_when_the_socket_is_closed() -> None:
    dropped = closed_by(trigger=CloseTrigger.DROPPED)
    assert only(ledger_of(attempted(), closed(), dropped)).closed_by == dropped


def test_nothing_else_closes_what_is_closed() -> None:
    late = closed_by(trigger=CloseTrigger.CLIENT_CLOSED)
    assert only(ledger_of(attempted(), closed(), late)).closed_by is None


def test_of_two_connections_with_one_pair_the_open_one_is_meant() -> None:
    dropped = closed_by(trigger=CloseTrigger.DROPPED)
    ledger = ledger_of(attempted(), closed(), attempted(2), dropped)
    assert [track.closed_by for track in counted(ledger)] == [None, dropped]
