from __future__ import annotations

import socket
from collections.abc import Sequence

import psutil
import pytest

from pytest_keepalive import ConnectionLimitExceeded, measure
from pytest_keepalive._left_open import left_open
from pytest_keepalive._server import KeepaliveServer

from . import facts

pytestmark = pytest.mark.usefixtures("_sockets_alone")


def test_a_connection_that_is_open_is_left_open(server: KeepaliveServer) -> None:
    with measure() as seen:
        client = socket.create_connection((server.host, server.port))
        assert left_open(seen.opened) == seen.connections
        client.close()
        assert left_open(seen.opened) == ()


def test_a_connection_that_the_peer_has_closed_is_still_left_open(server: KeepaliveServer) -> None:
    with measure() as seen, socket.create_connection((server.host, server.port)) as client:
        server.wait_for_connections(1)
        server.drop_idle()
        assert client.recv(1) == b""
        assert len(left_open(seen.opened)) == 1


def test_a_connection_that_lets_go_of_its_descriptor_is_not(server: KeepaliveServer) -> None:
    with measure() as seen:
        client = socket.create_connection((server.host, server.port))
        server.wait_for_connections(1)
        client.shutdown(socket.SHUT_WR)
        server.wait_until_closed()
        client.close()
        assert left_open(seen.opened) == ()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_ipv6_addresses_are_compared_in_the_same_form() -> None:
    with KeepaliveServer() as server, measure() as seen, socket.socket(socket.AF_INET6) as client:
        # An IPv4 address in the form that a dual-stack socket uses.
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        client.connect(("::ffff:127.0.0.1", server.port))
        assert seen.connections[0].peer == ("127.0.0.1", server.port)
        assert left_open(seen.opened) == seen.connections


def test_a_connection_whose_local_end_was_not_seen_cannot_be_told() -> None:
    assert left_open([facts.connection(local=None)]) == ()


def test_nothing_is_asked_about_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil, "Process")
    assert left_open([]) == ()


def test_psutil_before_6_is_asked_by_its_older_name(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Older:
        def connections(self, kind: str) -> Sequence[object]:
            asked.append(kind)
            return current(kind=kind)

    current = psutil.Process().net_connections
    monkeypatch.setattr(psutil, "Process", Older)
    with measure() as seen, socket.create_connection((server.host, server.port)):
        assert left_open(seen.opened) == seen.connections
    assert asked == ["tcp"]


def test_a_block_is_held_to_what_is_open_at_that_moment(server: KeepaliveServer) -> None:
    with measure() as seen:
        client = socket.create_connection((server.host, server.port))
        seen.assert_connections(left_open_at_most=1)
        with pytest.raises(ConnectionLimitExceeded, match=r"left 1 connection to tcp://.* open"):
            seen.assert_connections(left_open_at_most=0)
        client.close()
        seen.assert_connections(left_open_at_most=0)
