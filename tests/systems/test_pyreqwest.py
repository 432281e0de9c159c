"""What a user of pyreqwest is told under ``--keepalive-watch=kernel``, in a pytest of its own."""

from __future__ import annotations

import pytest

pytest.importorskip("pyreqwest", reason="pip install pyreqwest")

PREAMBLE = """
import asyncio
import pytest
from datetime import timedelta
from pytest_keepalive import Reply
from pyreqwest.client import ClientBuilder, SyncClientBuilder
from pyreqwest.exceptions import RequestError
from tests.watch.counting_server import CountingServer

def places(server):
    return sorted(server.exchanges)

def seen_places(seen):
    return sorted((each.connection_index, each.index) for each in seen.exchanges)
"""


def run(pytester: pytest.Pytester, tests: str, *options: str, **outcome: int) -> pytest.RunResult:
    pytester.makepyfile(PREAMBLE + tests)
    watch = ("--keepalive-watch=kernel", "-p", "no:randomly", "-W", "ignore")
    result = pytester.runpytest_subprocess(*watch, *options, timeout=60)
    result.assert_outcomes(**outcome)
    return result


def test_a_client_for_each_call_is_named_with_its_line(pytester: pytest.Pytester) -> None:
    tests = """
@pytest.mark.single_connection(requests=3)
def test_shared(keepalive_server):
    with SyncClientBuilder().build() as client:
        for _ in range(3):
            client.get(keepalive_server.url).build().send()

@pytest.mark.single_connection
def test_each(keepalive_server):
    for _ in range(3):
        with SyncClientBuilder().build() as client:
            client.get(keepalive_server.url).build().send()
"""
    result = run(pytester, tests, passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "opened 3 connections to http://127.0.0.1:*, limit is 1",
            "2 connections: client-per-request — a new pyreqwest.SyncClient for each call at",
            "  `client.get(keepalive_server.url).build().send()`",
            "  - 3 clients made 3 requests to http://127.0.0.1:*",
        ]
    )


def test_what_comes_of_requests_is_as_the_server_received_them(pytester: pytest.Pytester) -> None:
    tests = """
def test_statuses(keepalive_server, connection_counter):
    keepalive_server.route("/missing", Reply(status=404))
    with SyncClientBuilder().build() as client:
        for path in ("/", "/missing"):
            client.get(keepalive_server.url_for(path)).build().send()
    assert [each.status for each in connection_counter.exchanges] == [200, 404]
    assert seen_places(connection_counter) == places(keepalive_server) == [(0, 0), (0, 1)]

def test_redirects(keepalive_server, connection_counter):
    there = [("Location", keepalive_server.url_for("/b"))]
    keepalive_server.route("/a", Reply(status=302, headers=there))
    with SyncClientBuilder().build() as client:
        client.get(keepalive_server.url_for("/a")).build().send()
    assert [each.status for each in connection_counter.exchanges] == [None, 200]
    assert seen_places(connection_counter) == places(keepalive_server) == [(0, 0), (0, 1)]

def test_timeouts(keepalive_server, connection_counter):
    keepalive_server.route("/slow", Reply(hold=True))
    with SyncClientBuilder().timeout(timedelta(seconds=0.1)).build() as client:
        client.get(keepalive_server.url).build().send()
        with pytest.raises(TimeoutError):
            client.get(keepalive_server.url_for("/slow")).build().send()
    last = connection_counter.exchanges[1]
    assert (last.status, str(last.ending)) == (None, "failed")
    assert seen_places(connection_counter) == places(keepalive_server) == [(0, 0), (0, 1)]

def test_streams(keepalive_server, connection_counter):
    keepalive_server.route("/long", Reply(body=b"x" * 5_000_000))
    with SyncClientBuilder().build() as client:
        for _ in range(2):
            with client.get(keepalive_server.url_for("/long")).build_streamed() as response:
                response.body_reader.read(10)
    seen = connection_counter
    assert [str(each.ending) for each in seen.exchanges] == ["abandoned"] * 2
    assert seen_places(seen) == places(keepalive_server) == [(0, 0), (1, 0)]

def test_tasks(keepalive_server, connection_counter):
    async def main():
        async with ClientBuilder().build() as client:
            for number in range(3):
                await client.get(keepalive_server.url).build().send()
            urls = [keepalive_server.url_for(f"/{number}") for number in range(4)]
            await asyncio.gather(*(client.get(url).build().send() for url in urls))

    asyncio.run(main())
    # A connection that lost a race against another one may have carried nothing.
    used = [each for each in connection_counter.connections if each.exchanges]
    assert [len(each.exchanges) for each in used] == [
        len(each.requests) for each in keepalive_server.connections if each.requests
    ]
    assert {each.client for each in used} == {"pyreqwest"}
    assert len({each.adoption.pool for each in used}) == 1
    assert [each.status for each in connection_counter.exchanges] == [200] * 7
"""
    run(pytester, tests, passed=5)


def test_where_the_connection_is_not_proved_the_exchange_counts(
    pytester: pytest.Pytester,
) -> None:
    tests = """
def at_once(times):
    # All of them are under way before any is answered.
    accepted, met = [], asyncio.Event()

    async def answer(reader, writer):
        accepted.append(writer.get_extra_info("peername"))
        if len(accepted) == times:
            met.set()
        await reader.readuntil(b"\\r\\n\\r\\n")
        await met.wait()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
        await reader.read()
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = "http://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
        async with ClientBuilder().follow_redirects(False).build() as client:
            await asyncio.gather(*(client.get(url).build().send() for _ in range(times)))
        server.close()

    asyncio.run(main())
    return accepted

def test_at_once(connection_counter):
    accepted = at_once(4)
    seen = connection_counter.recording
    assert seen.count == len(accepted) == 4
    assert len(seen.exchanges) == len(seen.unplaced) == 4
    assert not seen.exchanges_seen
    assert "at least 4 exchanges" in connection_counter.report()
    assert "4 exchanges of pyreqwest at" in connection_counter.report()

@pytest.mark.connections(requests=4)
def test_promised():
    at_once(4)

@pytest.mark.connections(requests=1)
def test_redirects():
    with CountingServer() as elsewhere:
        with SyncClientBuilder().build() as client:
            client.get(elsewhere.url).build().send()
"""
    result = run(pytester, tests, passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "the exchanges of 4 connections to * were not seen, so requests and min_reuse cannot*",
            "not all exchanges of 1 connection to * were seen, so requests and min_reuse cannot*",
            "pyreqwest tells of no redirect that it follows, so there may be more exchanges",
        ]
    )


def test_a_client_of_a_session_is_known_in_every_test(pytester: pytest.Pytester) -> None:
    tests = """
@pytest.fixture(scope="session")
def client():
    with SyncClientBuilder().follow_redirects(False).build() as client:
        yield client

@pytest.fixture(scope="session")
def elsewhere():
    with CountingServer() as elsewhere:
        yield elsewhere

@pytest.mark.single_connection(requests=2)
def test_first(client, elsewhere):
    for _ in range(2):
        client.get(elsewhere.url).build().send()

@pytest.mark.connections(opened_at_most=0, requests=2, min_reuse=1.0)
def test_second(client, elsewhere):
    for _ in range(2):
        client.get(elsewhere.url).build().send()
    assert len(elsewhere.accepted) == 1
"""
    run(pytester, tests, passed=2)
