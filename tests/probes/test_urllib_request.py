from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from pytest_keepalive import measure
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.probes.agreement import assert_agreement
from tests.probes.view import last


def test_urllib_request_asks_for_the_close_each_time(server: KeepaliveServer) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with measure() as seen:
        for _ in range(2):
            with opener.open(server.url_for("/?q=1")) as response:
                assert response.read() == b"ok"
    assert_agreement(seen, server)
    assert {each.client for each in seen.connections} == {"urllib.request"}
    assert [exchange.closing for exchange in seen.exchanges] == [True, True]
    assert [exchange.will_close for exchange in seen.exchanges] == [True, True]


def test_urllib_request_follows_redirects_over_new_connections(server: KeepaliveServer) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    server.route("/old", Reply.redirect("/new?token=secret"))
    with measure() as seen:
        opener.open(server.url_for("/old")).read()
    assert_agreement(seen, server)
    assert [exchange.status for exchange in seen.exchanges] == [302, 200]
    assert seen.exchanges[0].header("location") == "/new?token=..."


def test_urllib_request_raises_for_an_error_that_is_an_exchange(server: KeepaliveServer) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    server.reply("/", 503, "busy")
    with measure() as seen, pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(server.url)
    caught.value.close()
    assert_agreement(seen, server)
    assert last(seen).status == 503
