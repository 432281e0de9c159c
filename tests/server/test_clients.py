"""Real clients against the server: what they make of what it does."""

from __future__ import annotations

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import urllib3

from pytest_keepalive._server import ConnectProxy, Fault, KeepaliveServer, Reply


def test_http_client_reuses_its_connection(server: KeepaliveServer) -> None:
    client = http.client.HTTPConnection(server.host, server.port)
    for _ in range(3):
        client.request("GET", "/")
        assert client.getresponse().read() == b"ok"
    client.close()
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))


def test_urllib3_reuses_its_connection_and_reconnects_when_told(server: KeepaliveServer) -> None:
    server.reply("/last", keep_alive=False)
    with urllib3.PoolManager() as client:
        paths = ("/", "/last", "/", "/")
        assert [client.request("GET", server.url_for(p)).status for p in paths] == [200] * 4
    assert server.exchanges == ((0, 0), (0, 1), (1, 0), (1, 1))


def test_httpx_reuses_its_connection_over_tls() -> None:
    with KeepaliveServer(tls=True, host="localhost") as server:
        with httpx.Client(verify=server.client_context()) as client:
            assert [client.get(server.url).text for _ in range(3)] == ["ok"] * 3
        assert server.exchanges == ((0, 0), (0, 1), (0, 2))


def test_a_client_finds_out_that_it_was_dropped_while_idle(server: KeepaliveServer) -> None:
    with httpx.Client() as client:
        client.get(server.url)
        assert server.drop_idle() == 1
        client.get(server.url)
    assert server.exchanges == ((0, 0), (1, 0))


def test_a_client_loses_the_race_against_a_closing_server(server: KeepaliveServer) -> None:
    server.route("/race", [Reply(), Reply(close="before_head")])
    with httpx.Client() as client:
        client.get(server.url_for("/race"))
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending"):
            client.get(server.url_for("/race"))
    assert server.exchanges == ((0, 0), (0, 1))


def test_a_client_retries_on_a_fresh_connection(server: KeepaliveServer) -> None:
    server.route("/retry", [Reply(reset="before_head"), Reply()])
    with urllib3.PoolManager(retries=1) as client:
        assert client.request("GET", server.url_for("/retry")).status == 200
    assert server.exchanges == ((0, 0), (1, 0))


def test_a_flow_that_was_lost_times_out(server: KeepaliveServer) -> None:
    server.route("/lost", [Reply(), Reply(stall="on_request"), Reply()])
    with httpx.Client(timeout=0.05) as client:
        client.get(server.url_for("/lost"))
        with pytest.raises(httpx.ReadTimeout):
            client.get(server.url_for("/lost"))
        client.get(server.url_for("/lost"))
    assert server.exchanges == ((0, 0), (0, 1), (1, 0))


def test_a_redirect_to_another_server_is_counted_at_both(server: KeepaliveServer) -> None:
    with KeepaliveServer() as other, httpx.Client(follow_redirects=True) as client:
        server.route("/moved", Reply.redirect(other.url_for("/new")))
        assert client.get(server.url_for("/moved")).text == "ok"
    assert (server.count, other.count) == (1, 1)


def test_concurrent_requests_take_a_connection_each(server: KeepaliveServer) -> None:
    server.reply("/held", hold=True)
    with httpx.Client() as client, ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(client.get, server.url_for("/held")) for _ in range(3)]
        server.wait_for_requests(3)
        server.release()
        assert [reply.result().text for reply in replies] == ["ok"] * 3
    assert sorted(server.exchanges) == [(0, 0), (1, 0), (2, 0)]


def test_a_stream_that_is_left_before_its_end_costs_the_connection(
    server: KeepaliveServer,
) -> None:
    gate = threading.Event()
    last = Fault("hold", "in_body", after=14, gate=gate)
    server.route("/events", Reply.events(["[DONE]"], faults=last))
    with httpx.Client() as client:
        with client.stream("GET", server.url_for("/events")) as response:
            assert next(response.iter_lines()) == "data: [DONE]"
        client.get(server.url)
    gate.set()
    assert server.exchanges == ((0, 0), (1, 0))


def test_httpx_goes_through_the_proxy_either_way() -> None:
    secure, plain, proxy = KeepaliveServer(tls=True), KeepaliveServer(), ConnectProxy()
    with (
        secure,
        plain,
        proxy,
        httpx.Client(proxy=proxy.url, verify=secure.client_context()) as client,
    ):
        for url in (secure.url, plain.url, secure.url, plain.url):
            assert client.get(url).text == "ok"
    assert secure.exchanges == plain.exchanges == ((0, 0), (0, 1))
    assert [request.method for request in proxy.requests] == ["CONNECT", "GET", "GET"]
    assert proxy.exchanges == ((0, 0), (1, 0), (1, 1))


def test_a_digest_dance_keeps_its_connection(server: KeepaliveServer) -> None:
    challenge = Reply.challenge('Digest realm="r", nonce="n", qop="auth"')
    server.route("/private", lambda r: Reply() if r.header("Authorization") else challenge)
    with httpx.Client(auth=httpx.DigestAuth("user", "secret")) as client:
        assert client.get(server.url_for("/private")).status_code == 200
    assert server.exchanges == ((0, 0), (0, 1))
