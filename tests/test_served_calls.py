"""What the calls of a client add to the requests that a server of ours received."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from pytest_keepalive._connection import Connection, Tally
from pytest_keepalive._events import Adopted, Ending
from pytest_keepalive._origin import UNSEEN_PAIR, Address, Origin
from pytest_keepalive._recording import Recording, Unplaced
from pytest_keepalive._served import with_served

from .facts import ORIGIN, SITE, connection, exchange, local


class Request(NamedTuple):
    target: str
    received_at: float
    exchange_index: int = 0
    method: str = "GET"
    http_version: str = "1.1"


class Accepted(NamedTuple):
    peer: Address
    requests: tuple[Request, ...]


class Server(NamedTuple):
    connections: tuple[Accepted, ...]
    url: str = str(ORIGIN)


def server(*carried: list[Request]) -> Server:
    """Make a server that received some requests on each connection."""
    accepted = (
        Accepted(
            local(50000 + index),
            tuple(each._replace(exchange_index=at) for at, each in enumerate(requests)),
        )
        for index, requests in enumerate(carried)
    )
    return Server(tuple(accepted))


def call(path: str, begun: float, over: float | None, pool: int = 1, **fields: Any) -> Unplaced:
    origin = fields.pop("origin", ORIGIN)
    made = exchange(at=begun, url=f"{origin}{path}", ended_at=over, **fields)
    adopted = Adopted(UNSEEN_PAIR, begun, "pyreqwest", origin, pool, call_site=SITE, partly=True)
    return Unplaced(made, adopted)


def unseen(count: int) -> list[Connection]:
    """Give connections as the kernel watch alone sees them."""
    unknown: dict[str, Any] = {"client": None, "call_site": None, "exchanges_seen": False}
    return [connection(index, exchanges=0, **unknown) for index in range(count)]


def complete(received: Server, *calls: Unplaced, count: int = 1) -> Recording:
    bare = Recording(Tally(unseen(count)), unplaced=Tally(calls))
    return with_served(bare, [received])


def told(recording: Recording) -> list[tuple[str, int | None]]:
    return [(each.url.removeprefix(str(ORIGIN)), each.status) for each in recording.exchanges]


def pools(recording: Recording) -> list[int]:
    return [each.adoption.pool if each.adoption else 0 for each in recording.connections]


def test_a_call_tells_who_asked_and_what_became_of_it() -> None:
    recording = complete(server([Request("/a", 2.5)]), call("/a", 2.0, 3.0, status=503))
    (only,) = recording.connections
    assert (only.client, only.call_site, only.exchanges_seen) == ("pyreqwest", SITE, True)
    (made,) = recording.exchanges
    assert (made.status, made.started_at, made.ended_at) == (503, 2.0, 3.0)
    assert made.ending is Ending.COMPLETE
    assert recording.unplaced == 0


def test_calls_one_behind_the_other_are_told_apart() -> None:
    received = server([Request("/", 2.5), Request("/", 4.5)], [Request("/", 6.5)])
    calls = [call("/", 2.0, 3.0), call("/", 4.0, 5.0), call("/", 6.0, 7.0, pool=2)]
    recording = complete(received, *calls, count=2)
    assert pools(recording) == [1, 2]
    assert told(recording) == [("/", 200)] * 3


def test_of_a_redirect_the_last_request_was_answered_so() -> None:
    received = server([Request("/a", 2.2), Request("/b", 2.4)])
    recording = complete(received, call("/a", 2.0, 3.0))
    assert told(recording) == [("/a", None), ("/b", 200)]
    first, second = recording.exchanges
    assert (first.ended_at, second.ended_at) == (2.4, 3.0)


def test_which_was_the_last_is_not_known_where_it_may_have_gone_to_another_connection() -> None:
    received = server([Request("/a", 2.2), Request("/b", 2.4)], [Request("/c", 2.6)])
    recording = complete(received, call("/a", 2.0, 3.0), count=2)
    assert told(recording) == [("/a", None), ("/b", None), ("/c", None)]
    assert pools(recording) == [1, 0]


class TestHalfAStory:
    def test_what_may_be_the_redirect_of_two_calls_is_of_neither(self) -> None:
        received = server([Request("/a", 2.2), Request("/x", 2.6)], [Request("/b", 2.4)])
        recording = complete(received, call("/a", 2.0, 3.0), call("/b", 2.1, 3.1), count=2)
        assert sorted(told(recording)) == [("/a", None), ("/b", None), ("/x", None)]
        assert pools(recording) == [0, 1]

    def test_of_two_that_may_be_it_neither_is(self) -> None:
        received = server([Request("/", 2.4)], [Request("/", 2.6)])
        recording = complete(received, call("/", 2.0, 3.0), count=2)
        assert told(recording) == [("/", None)] * 2
        assert pools(recording) == [0, 0]

    def test_of_two_calls_that_may_have_been_it_neither_is(self) -> None:
        recording = complete(
            server([Request("/", 2.5)]), call("/", 2.0, 3.0, 1), call("/", 2.1, 3.1, 2)
        )
        assert (told(recording), pools(recording)) == ([("/", None)], [0])

    def test_a_connection_with_another_clients_request_is_nobodys(self) -> None:
        received = server([Request("/a", 2.5), Request("/theirs", 9.0)])
        recording = complete(received, call("/a", 2.0, 3.0))
        assert told(recording) == [("/a", None), ("/theirs", None)]
        assert pools(recording) == [0]
        assert recording.connections[0].client is None

    @pytest.mark.parametrize(
        "other",
        [
            call("/b", 2.0, 3.0),
            call("/a", 2.0, 3.0, method="POST"),
            call("/a", 2.0, 2.4),
            call("/a", 2.6, 3.0),
            call("/a", 2.0, 3.0, pool=0),
        ],
        ids=["path", "method", "before", "after", "nobody"],
    )
    def test_another_call_is_not_it(self, other: Unplaced) -> None:
        recording = complete(server([Request("/a", 2.5)]), other)
        assert (told(recording), pools(recording)) == ([("/a", None)], [0])

    def test_one_that_was_never_answered_may_not_have_been_received(self) -> None:
        recording = complete(server([Request("/a", 2.5)]), call("/a", 2.0, 3.0, status=None))
        assert (told(recording), pools(recording)) == ([("/a", None)], [0])

    def test_but_it_is_where_the_connection_is_its_clients(self) -> None:
        received = server([Request("/a", 2.5), Request("/a", 4.5)])
        calls = call("/a", 2.0, 3.0), call("/a", 4.0, 5.0, status=None, ending=Ending.FAILED)
        recording = complete(received, *calls)
        assert [each.ending for each in recording.exchanges] == [Ending.COMPLETE, Ending.FAILED]


class TestOtherServers:
    def test_a_call_to_another_server_is_kept(self) -> None:
        other = Origin("http", "127.0.0.1", 9999)
        recording = complete(server([Request("/a", 2.5)]), call("/a", 2.0, 3.0, origin=other))
        assert recording.unplaced == 1
        assert recording.exchanges == 2
        assert not recording.exchanges_seen

    def test_a_call_by_another_name_is_not_counted_twice(self) -> None:
        named = Origin("http", "localhost", ORIGIN.port)
        recording = complete(server([Request("/a", 2.5)]), call("/a", 2.0, 3.0, origin=named))
        assert recording.unplaced == 0
        assert recording.connections[0].origin == named

    def test_what_was_put_on_a_connection_is_the_servers_to_tell(self) -> None:
        """A client that follows redirects does not know how many requests it made."""
        made = exchange(at=2.0, url=f"{ORIGIN}/a", ended_at=3.0)
        adopted = Adopted(UNSEEN_PAIR, 2.0, "pyreqwest", ORIGIN, 1, partly=True)
        placed = connection(0, [made], client="pyreqwest", adoption=adopted, exchanges_seen=False)
        received = server([Request("/a", 2.2), Request("/b", 2.4)])
        recording = with_served(Recording(Tally([placed])), [received])
        assert told(recording) == [("/a", None), ("/b", 200)]
        assert recording.exchanges_seen
