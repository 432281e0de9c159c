"""The view of what is measured: of one destination, of each origin, and what it holds to."""

from __future__ import annotations

import pickle

import pytest
import urllib3

from pytest_keepalive import ConnectionLimitExceeded, Recording, measure
from pytest_keepalive._server import KeepaliveServer
from tests.sockets import connect

pytestmark = pytest.mark.usefixtures("_sockets_alone", "_no_native_clients")


def test_a_view_of_one_destination_follows_what_happens(server: KeepaliveServer) -> None:
    with measure() as seen, KeepaliveServer() as other:
        here, there = seen.to(f"127.0.0.1:{server.port}"), seen.to(other.url)
        connect(server).close()
        assert (here.count, there.count) == (1, 0)
        connect(other).close()
        assert (here.count, there.count) == (1, 1)
    assert here.attempts == 1
    assert there.attempts == 1


def test_a_view_refuses_what_is_no_destination() -> None:
    with measure() as seen, pytest.raises(ValueError, match="is no host, URL or glob"):
        seen.to("no host")


def test_there_is_a_view_for_each_origin(
    server: KeepaliveServer, pool: urllib3.PoolManager
) -> None:
    with measure() as seen, KeepaliveServer() as other:
        for url in (server.url, server.url, other.url):
            pool.request("GET", url)
    views = seen.per_origin()
    assert list(views) == [server.url, other.url]
    assert {origin: view.exchanges for origin, view in views.items()} == {
        server.url: 2,
        other.url: 1,
    }
    with pytest.raises(KeyError, match=f"no connection to http://nowhere; seen: {server.url}"):
        views["http://nowhere"]  # type: ignore[index] # an origin's text finds it, too


def test_without_any_connection_there_is_no_origin() -> None:
    with measure() as seen:
        pass
    with pytest.raises(KeyError, match="seen: none"):
        seen.per_origin()["http://nowhere"]  # type: ignore[index] # as above


def test_a_view_holds_what_it_is_asked_to(
    server: KeepaliveServer, pool: urllib3.PoolManager
) -> None:
    with measure() as seen:
        for _ in range(2):
            pool.request("GET", server.url)
        seen.assert_single()
        seen.assert_single(requests=2, to="127.0.0.1")
        seen.assert_connections(exactly=1, requests=2, min_reuse=0.5, per_origin=True)
        with pytest.raises(ConnectionLimitExceeded, match=r"made 2 requests .* expected exactly 3"):
            seen.assert_single(requests=3)
        with pytest.raises(ConnectionLimitExceeded, match="no connection to elsewhere was seen"):
            seen.assert_single(to="elsewhere")
        with pytest.raises(ConnectionLimitExceeded, match="opened_at_most is 0"):
            seen.assert_connections(opened_at_most=0)


def test_a_view_refuses_keywords_of_the_wrong_kind() -> None:
    with measure() as seen:
        with pytest.raises(ValueError, match="at_most must be a whole number"):
            seen.assert_connections(at_most=-1)
        with pytest.raises(ValueError, match="requests must be a whole number"):
            seen.assert_single(requests=1.5)  # type: ignore[arg-type] # what is tested


def test_a_failed_assertion_carries_the_evidence(server: KeepaliveServer) -> None:
    with measure() as seen:
        connect(server).close()
        connect(server).close()
    with pytest.raises(ConnectionLimitExceeded) as caught:
        seen.assert_single()
    sentence, _, evidence = str(caught.value).partition("\n\n")
    assert sentence.startswith(f"opened 2 connections to tcp://127.0.0.1:{server.port}, limit is 1")
    assert evidence == seen.report()


def test_the_repr_of_a_view_is_worth_reading() -> None:
    with measure() as seen:
        pass
    assert repr(seen) == "<View <Recording 0 connections 0 opened 0 exchanges 0 reused>>"


def test_a_recording_can_leave_the_process(server: KeepaliveServer) -> None:
    with measure() as seen:
        connect(server).close()
    twin = pickle.loads(pickle.dumps(seen.recording))
    assert isinstance(twin, Recording)
    assert repr(twin) == repr(seen.recording)
