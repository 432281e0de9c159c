"""A probe for a client of one's own: pytest-keepalive sees its exchanges, too."""

from __future__ import annotations

import pytest
from toy_client import ToyClient

from pytest_keepalive import ConnectionCounter, KeepaliveServer

pytest_plugins = ["toy_probe"]


@pytest.mark.single_connection(requests=3)
def test_the_exchanges_of_the_toy_client_are_counted(keepalive_server: KeepaliveServer) -> None:
    client = ToyClient(keepalive_server.host, keepalive_server.port)
    for path in ("/a", "/b?token=secret", "/c"):
        assert client.get(path) == 200
    client.close()


def test_they_are_known_by_the_name_of_their_client(
    keepalive_server: KeepaliveServer, connection_counter: ConnectionCounter
) -> None:
    client = ToyClient(keepalive_server.host, keepalive_server.port)
    client.get("/?token=secret")
    client.get("/")
    client.close()
    (connection,) = connection_counter.connections
    assert connection.client == "toy"
    assert [exchange.reused for exchange in connection.exchanges] == [False, True]
    assert connection.exchanges[0].url.endswith("/?token=...")
    assert connection.call_site is not None
    assert connection.call_site.path.endswith("test_third_party_probe.py")
