from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth

from pytest_keepalive import measure
from pytest_keepalive._events import CloseTrigger, Ending
from pytest_keepalive._server import KeepaliveServer, RecordedRequest, Reply
from tests.probes.agreement import assert_agreement
from tests.probes.bodies import BODY
from tests.probes.view import triggers


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_a_session_keeps_its_connection(server: KeepaliveServer, session: requests.Session) -> None:
    with measure() as seen:
        for number in range(10):
            session.get(server.url_for(f"/{number}"), params={"token": "secret"})
    assert_agreement(seen, server)
    assert (seen.count, len(seen.exchanges)) == (1, 10)
    (connection,) = seen.connections
    assert connection.client == "requests"
    assert connection.call_site is not None
    assert connection.call_site.source.startswith("session.get(")
    assert "secret" not in repr(connection.exchanges)


def test_a_call_without_a_session_connects_each_time(server: KeepaliveServer) -> None:
    with measure() as seen:
        for _ in range(4):
            requests.get(server.url, timeout=5)
    assert_agreement(seen, server)
    assert seen.count == 4
    assert {each.client for each in seen.connections} == {"requests"}
    assert triggers(seen) == [CloseTrigger.CLIENT_CLOSED] * 4
    assert len({each.call_site for each in seen.connections}) == 1


def test_a_response_that_is_kept_unread_keeps_its_connection(
    server: KeepaliveServer, session: requests.Session
) -> None:
    server.reply("/", body=BODY)
    with measure() as seen:
        kept = [session.get(server.url, stream=True) for _ in range(3)]
        for response in kept:
            response.close()
    assert_agreement(seen, server)
    assert seen.count == 3
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.ABANDONED] * 3
    assert triggers(seen) == [CloseTrigger.BODY_UNREAD] * 3


def test_a_response_that_was_iterated_to_its_end_gives_its_connection_back(
    server: KeepaliveServer, session: requests.Session
) -> None:
    server.reply("/", body=[b"line\n"] * 100)
    with measure() as seen:
        for _ in range(3):
            with session.get(server.url, stream=True) as response:
                assert len(list(response.iter_lines())) == 100
    assert_agreement(seen, server)
    assert seen.count == 1


def test_a_read_that_times_out_fails_its_exchange(
    server: KeepaliveServer, session: requests.Session
) -> None:
    server.route("/", [Reply(hold=True), Reply()])
    with measure() as seen:
        with pytest.raises(requests.exceptions.ReadTimeout):
            session.get(server.url, timeout=0.02)
        session.get(server.url)
    assert_agreement(seen, server)
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.FAILED, Ending.COMPLETE]
    assert triggers(seen) == [CloseTrigger.FAILED, None]


def test_a_digest_is_answered_on_the_same_connection(
    server: KeepaliveServer, session: requests.Session
) -> None:
    def guarded(request: RecordedRequest) -> Reply:
        if request.header("authorization"):
            return Reply()
        return Reply.challenge('Digest realm="secret room", nonce="n0nce", qop="auth"')

    server.route("/", guarded)
    session.auth = HTTPDigestAuth("user", "secret")
    with measure() as seen:
        assert session.get(server.url).status_code == 200
    assert_agreement(seen, server)
    assert seen.count == 1
    first, second = seen.exchanges
    assert (first.status, second.status) == (401, 200)
    assert first.header("www-authenticate") == "Digest"


def test_a_pool_that_is_too_small_evicts(server: KeepaliveServer) -> None:
    with measure() as seen, requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=1))
        kept = [session.get(server.url, stream=True) for _ in range(2)]
        for response in kept:
            assert response.content == b"ok"
        assert triggers(seen) == [None, CloseTrigger.EVICTED]
    assert_agreement(seen, server)


def test_more_hosts_than_pools_dispose_of_pools(server: KeepaliveServer) -> None:
    with measure() as seen, requests.Session() as session:
        session.trust_env = False
        session.mount("http://", HTTPAdapter(pool_connections=1))
        for host in ("127.0.0.1", "localhost", "127.0.0.1"):
            session.get(f"http://{host}:{server.port}/")
        assert triggers(seen) == [CloseTrigger.POOL_DISPOSED] * 2 + [None]
    assert_agreement(seen, server)


def test_a_hook_of_the_user_may_use_another_client(
    server: KeepaliveServer, session: requests.Session
) -> None:
    import http.client

    def also(response: requests.Response, **_: Any) -> None:
        client = http.client.HTTPConnection(server.host, server.port)
        client.request("GET", "/hook")
        client.getresponse().read()
        client.close()

    with measure() as seen:
        session.get(server.url, hooks={"response": also})
    assert_agreement(seen, server)
    assert [each.client for each in seen.connections] == ["requests", "http.client"]
    sites = [each.call_site for each in seen.connections]
    assert all(sites)
    assert [site.source.partition("(")[0] for site in sites if site] == [
        "session.get",
        "client.request",
    ]


LATE = """
import sys
from pytest_keepalive import measure

with measure() as seen:
    assert "http.client" not in sys.modules
    import requests
    with requests.Session() as session:
        for _ in range(3):
            session.get(sys.argv[1])
(connection,) = seen.connections
print(len(seen.exchanges), connection.client, connection.adoption.pool_name, seen.recording.notes)
print(type(sys.modules["http.client"].__loader__).__name__)
"""


def test_a_client_that_is_imported_inside_the_block_is_seen(server: KeepaliveServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE, server.url], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == [
        "3 requests urllib3.HTTPConnectionPool ()",
        "SourceFileLoader",
    ], done.stderr
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))
