"""On which connection a call is put whose client does not tell it, and on which it is not."""

from __future__ import annotations

from typing import Any

from pytest_keepalive._events import (
    Adopted,
    Attempted,
    Called,
    Closed,
    Ended,
    Ending,
    Event,
    Outcome,
    Settled,
)
from pytest_keepalive._ledger import Ledger
from pytest_keepalive._origin import UNSEEN_PAIR, Origin
from pytest_keepalive._recording import Recording
from pytest_keepalive._snapshot import recording_of

from .facts import answered, attempted, closed, pair, requested

AFTERWARDS = 100.0


def connect(port: int, at: float, **fields: Any) -> Attempted:
    """State a connect as the kernel watch does."""
    return attempted(port, at, port=port, observer="kernel", call_site=None, **fields)


def call(
    exchange: int,
    at: float,
    pool: int = 1,
    since: float | None = 0.0,
    host: str = "127.0.0.1",
    partly: bool = False,
) -> Called:
    origin = Origin("http", host, 8080)
    asked = requested(exchange, at, url=f"{origin}/")._replace(pair=UNSEEN_PAIR)
    adopted = Adopted(UNSEEN_PAIR, at, "pyreqwest", origin, pool, partly=partly)
    return Called(asked, adopted, since)


def over(exchange: int, at: float, **answer: Any) -> tuple[Event, ...]:
    """State that a call was answered, and is over."""
    return answered(exchange, at, **answer), Ended(exchange, at, Ending.COMPLETE)


def failed(exchange: int, at: float) -> Ended:
    return Ended(exchange, at, Ending.FAILED, "RequestTimeoutError")


def ledger_of(*events: Event, after: Ledger | None = None) -> Ledger:
    ledger = Ledger(after)
    ledger.apply(events)
    ledger.place(AFTERWARDS)
    return ledger


def seen(ledger: Ledger) -> Recording:
    return recording_of(ledger, 0.0, AFTERWARDS)


def carried(ledger: Ledger) -> list[int]:
    """Give how many exchanges each connection carried."""
    return [len(each.exchanges) for each in seen(ledger).connections]


class TestProved:
    def test_the_only_connection_that_its_client_can_have_made(self) -> None:
        ledger = ledger_of(call(10, 2.0), *over(10, 4.0), connect(1, 3.0))
        recording = seen(ledger)
        (connection,) = recording.connections
        assert (connection.client, connection.exchanges_seen) == ("pyreqwest", True)
        assert connection.origin == "http://127.0.0.1:8080"
        (exchange,) = recording.exchanges
        assert (exchange.connection_index, exchange.index, exchange.status) == (0, 0, 200)
        assert recording.unplaced == 0

    def test_a_shared_client_goes_on_with_it(self) -> None:
        events: list[Event] = [
            call(10, 2.0),
            *over(10, 4.0),
            call(11, 5.0),
            *over(11, 6.0),
            connect(1, 3.0),
        ]
        recording = seen(ledger_of(*events))
        assert [each.index for each in recording.exchanges] == [0, 1]
        assert recording.reused == 1
        assert recording.exchanges[1].idle_before == 1.0

    def test_clients_one_behind_the_other_have_one_each(self) -> None:
        events: list[Event] = [connect(1, 2.5), connect(2, 5.5)]
        events += [call(10, 2.0, 1, 1.0), *over(10, 3.0), call(11, 5.0, 2, 4.0), *over(11, 6.0)]
        recording = seen(ledger_of(*events))
        assert [each.adoption and each.adoption.pool for each in recording.connections] == [1, 2]

    def test_what_belongs_to_another_client_is_out_of_the_question(self) -> None:
        """Both clients were made first, so that either could have made either connection."""
        events: list[Event] = [connect(1, 2.5), call(10, 2.0, 1), *over(10, 3.0)]
        events += [connect(2, 5.5), call(11, 5.0, 2), *over(11, 6.0)]
        assert carried(ledger_of(*events)) == [1, 1]

    def test_so_is_one_that_is_older_than_the_client(self) -> None:
        events = [connect(1, 0.5), connect(2, 2.5), call(10, 2.0, since=1.0), *over(10, 3.0)]
        assert carried(ledger_of(*events)) == [0, 1]

    def test_so_is_one_that_had_ended_before(self) -> None:
        events: list[Event] = [connect(1, 1.0), Closed(pair(1), 1.5), connect(2, 2.5)]
        assert carried(ledger_of(*events, call(10, 2.0), *over(10, 3.0))) == [0, 1]

    def test_so_is_one_whose_last_response_forbade_it(self) -> None:
        events: list[Event] = [connect(1, 1.0), call(10, 1.0), *over(10, 2.0, will_close=True)]
        events += [connect(2, 3.0), call(11, 3.0), *over(11, 4.0)]
        assert carried(ledger_of(*events)) == [1, 1]

    def test_so_are_those_that_others_have_seen(self) -> None:
        others = [attempted(5, 2.6, port=5), connect(6, 2.7, process=77)]
        events: list[Event] = [*others, connect(1, 2.5), call(10, 2.0), *over(10, 3.0)]
        assert carried(ledger_of(*events)) == [1, 0, 0]

    def test_a_name_may_lead_anywhere(self) -> None:
        there = connect(1, 2.5, peer=("10.1.2.3", 8080))
        ledger = ledger_of(there, call(10, 2.0, host="api.test"), *over(10, 3.0))
        assert carried(ledger) == [1]

    def test_a_warm_connection_is_known_in_a_later_window(self) -> None:
        before = ledger_of(connect(1, 1.0), call(10, 1.0), *over(10, 2.0))
        recording = seen(ledger_of(call(11, 3.0), *over(11, 4.0), after=before))
        assert (recording.count, len(recording.opened), len(recording.reused)) == (1, 0, 1)
        assert recording.exchanges[0].index == 1

    def test_a_client_that_hides_requests_makes_no_exact_count(self) -> None:
        ledger = ledger_of(connect(1, 2.5), call(10, 2.0, partly=True), *over(10, 3.0))
        (connection,) = seen(ledger).connections
        assert len(connection.exchanges) == 1
        assert not connection.exchanges_seen


class TestNotProved:
    def test_where_two_can_have_carried_it(self) -> None:
        ledger = ledger_of(connect(1, 2.5), connect(2, 2.6), call(10, 2.0), *over(10, 3.0))
        recording = seen(ledger)
        assert carried(ledger) == [0, 0]
        (unplaced,) = recording.unplaced
        assert unplaced.exchange.connection_index is None
        assert not unplaced.exchange.reused
        assert recording.exchanges == 1
        assert not recording.exchanges_seen
        assert repr(unplaced.exchange).startswith("<Exchange connection not seen GET")

    def test_where_one_is_pending_that_may_have(self) -> None:
        pending = connect(2, 2.6, outcome=Outcome.PENDING)
        ledger = ledger_of(connect(1, 2.5), pending, call(10, 2.0), *over(10, 3.0))
        assert len(ledger.calls) == 1
        both = ledger_of(connect(1, 2.5), pending, Settled(2, 2.7, False, Outcome.FAILED))
        both.apply([call(10, 2.0), *over(10, 3.0)])
        both.place(AFTERWARDS)
        assert both.calls == []

    def test_where_the_age_of_the_client_was_not_seen(self) -> None:
        ledger = ledger_of(connect(1, 2.5), call(10, 2.0, since=None), *over(10, 3.0))
        assert (carried(ledger), len(ledger.calls)) == ([0], 1)

    def test_where_the_connection_came_later_or_leads_elsewhere(self) -> None:
        for other in (connect(1, 3.5), connect(1, 2.5, peer=("127.0.0.2", 8080))):
            assert len(ledger_of(other, call(10, 2.0), *over(10, 3.0)).calls) == 1

    def test_where_the_connection_is_another_librarys(self) -> None:
        mine = Adopted(pair(1), 2.6, "pycurl", Origin("http", "127.0.0.1", 8080), 9)
        assert len(ledger_of(connect(1, 2.5), mine, call(10, 2.0), *over(10, 3.0)).calls) == 1

    def test_while_it_is_not_over_or_connects_may_not_have_been_stated(self) -> None:
        under_way = ledger_of(connect(1, 2.5), call(10, 2.0))
        assert len(under_way.calls) == 1
        under_way.apply(over(10, 3.0))
        under_way.place(3.0)
        assert len(under_way.calls) == 1
        under_way.place(3.1)
        assert under_way.calls == []


class TestFailed:
    def test_one_that_timed_out_on_its_only_connection(self) -> None:
        (connection,) = seen(ledger_of(connect(1, 2.5), call(10, 2.0), failed(10, 3.0))).connections
        (exchange,) = connection.exchanges
        assert (exchange.status, exchange.ending) == (None, Ending.FAILED)

    def test_one_that_may_still_have_been_resolving_a_name(self) -> None:
        events: list[Event] = [connect(1, 2.5), call(10, 2.0, host="api.test"), failed(10, 3.0)]
        assert carried(ledger_of(*events)) == [0]
        warm: list[Event] = [connect(1, 1.0), call(9, 1.0, host="api.test"), *over(9, 1.5)]
        assert carried(ledger_of(*warm, *events[1:])) == [2]

    def test_one_that_had_no_connection_was_never_sent(self) -> None:
        recording = seen(ledger_of(call(10, 2.0), failed(10, 3.0)))
        assert recording.exchanges == recording.unplaced == 0

    def test_one_that_was_not_sent_is_none(self) -> None:
        ended = Ended(10, 3.0, Ending.UNSENT, "ConnectError")
        assert seen(ledger_of(connect(1, 2.5), call(10, 2.0), ended)).exchanges == 0


class TestDestinations:
    def recording(self) -> Recording:
        events: list[Event] = [connect(1, 2.5), connect(2, 2.6), call(10, 2.0), *over(10, 3.0)]
        return seen(ledger_of(*events, closed(1)))

    def test_what_is_not_put_anywhere_has_a_destination(self) -> None:
        assert self.recording().to("127.0.0.1:8080").exchanges == 1
        assert self.recording().to("http://127.0.0.1:8080").exchanges == 1
        assert self.recording().to("127.0.0.1:8081").exchanges == 0
        assert self.recording().to("https://127.0.0.1:8080").unplaced == 0

    def test_it_can_be_ignored(self) -> None:
        from pytest_keepalive._destination import parse_destination

        assert self.recording().without([parse_destination("127.0.0.1")]).exchanges == 0
        assert self.recording().without([parse_destination("10.0.0.1")]).exchanges == 1

    def test_it_is_told_with_the_connections_that_may_have_carried_it(self) -> None:
        (group,) = self.recording().per_origin().values()
        assert (group.count, len(group.exchanges)) == (2, 1)
