"""The patches of the socket probe beside those of others, and behind its time."""

from __future__ import annotations

import _socket
import socket
from typing import Any

import pytest

from pytest_keepalive import measure
from pytest_keepalive._events import Trouble
from pytest_keepalive._probes import _socket as socket_probe
from pytest_keepalive._probes._socket import SocketProbe
from pytest_keepalive._server import KeepaliveServer
from tests.probes.agreement import agreed
from tests.probes.socket_probes import installed
from tests.probes.view import only
from tests.probes.ways_to_connect import plainly
from tests.sockets import address_of, connect

pytestmark = pytest.mark.usefixtures("_sockets_alone")


def test_a_patch_that_somebody_put_over_ours_stays(server: KeepaliveServer) -> None:
    calls = []
    try:
        with measure() as seen:
            ours = socket.socket.connect

            def theirs(sock: socket.socket, address: Any) -> None:
                calls.append(address)
                ours(sock, address)

            setattr(socket.socket, "connect", theirs)  # noqa: B010 - no such assignment is typed
            plainly(server)
        assert socket.socket.connect is theirs
        plainly(server)
        with measure() as again:
            plainly(server)
        assert socket.socket.connect is theirs
    finally:
        del socket.socket.connect
    server.wait_for_connections(3)
    assert len(calls) == 3
    assert (seen.count, again.count) == (1, 1)


def test_a_class_of_sockets_that_appears_later_is_seen_at_the_next_window(
    server: KeepaliveServer,
) -> None:
    with measure():

        class Own(_socket.socket):
            pass

        with measure() as seen:
            client = Own()
            client.connect(address_of(server))
            client.close()
            assert only(seen).closed_at is not None
        assert seen.count == 1
    assert "connect" not in vars(Own)
    assert "close" not in vars(Own)


PYTEST_SOCKET = """
import socket
import pytest

def connect(url={url!r}):
    host, port = url.rpartition("/")[2].split(":")
    socket.create_connection((host, int(port))).close()

@pytest.mark.single_connection
def test_allowed():
    connect()

@pytest.mark.single_connection
def test_allowed_again():
    connect()

def test_counter(connection_counter):
    connect()
    assert connection_counter.count == 1

@pytest.mark.connections(exactly=0)
@pytest.mark.xfail(raises=RuntimeError, strict=True)
def test_forbidden():
    connect("http://127.0.0.2:1")

@pytest.mark.disable_socket
@pytest.mark.connections(exactly=0)
@pytest.mark.filterwarnings("ignore")
def test_disabled():
    from pytest_socket import SocketBlockedError
    with pytest.raises(SocketBlockedError):
        socket.socket()
    with pytest.raises(SocketBlockedError):
        connect()

@pytest.mark.single_connection
def test_allowed_behind_it():
    connect()
"""


@pytest.mark.parametrize("order", [("keepalive", "pytest_socket"), ("pytest_socket", "keepalive")])
def test_pytest_socket_works_beside_us_in_either_order(
    server: KeepaliveServer,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    order: tuple[str, str],
) -> None:
    pytest.importorskip("pytest_socket")
    names = {"keepalive": "pytest_keepalive.plugin", "pytest_socket": "pytest_socket"}
    pytester.makepyfile(PYTEST_SOCKET.format(url=server.url))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    chosen = [argument for name in order for argument in ("-p", names[name])]
    result = pytester.runpytest_subprocess(*chosen, "--allow-hosts=127.0.0.1", "-Wignore")
    result.assert_outcomes(passed=5, xfailed=1)
    server.wait_for_connections(4)
    assert server.accepted == 4


def test_what_pytest_socket_has_forbidden_can_be_allowed_again_under_measurement(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    guards = pytest.importorskip("pytest_socket")
    before = socket.getaddrinfo
    # It is back at the end, whatever becomes of this.
    for name in ("socket", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, getattr(socket, name))
    guards.disable_socket()
    with measure() as seen:
        guards.enable_socket()
        connect(server).close()
        with measure() as later:
            socket.create_connection(("localhost", server.port), timeout=5).close()
    assert agreed(seen, server) == 2
    assert only(later).asked_for == "localhost"
    assert socket.getaddrinfo is before


def test_a_probe_that_was_uninstalled_says_nothing(server: KeepaliveServer) -> None:
    stated: list[Any] = []
    probe = SocketProbe(stated.append)
    probe.install()
    client = connect(server)
    said = len(stated)
    assert said == 1
    probe.uninstall()
    client.close()
    plainly(server)
    assert len(stated) == said


@pytest.mark.parametrize("way", ["connect", "connect_ex"])
def test_what_a_guard_raises_in_the_probe_reaches_the_program_nowhere(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    stated: list[Any] = []
    with installed(stated.append) as probe:
        monkeypatch.setattr(socket_probe, "_getsockname", _refuse)
        with socket.socket() as client:
            assert not getattr(client, way)(address_of(server))
            client.shutdown(socket.SHUT_RDWR)
    server.wait_for_connections(1)
    assert server.accepted == 1
    assert [type(each) for each in stated] == [Trouble]
    # It is the witness's to count.
    assert probe.opens == 0


@pytest.mark.parametrize("asks", ["_fileno", "_type"])
def test_a_guard_that_raises_before_and_after_a_connection_changes_nothing_of_it(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    stated: list[Any] = []
    with installed(stated.append):
        monkeypatch.setattr(socket_probe, asks, _refuse)
        client = socket.socket()
        client.connect(address_of(server))
        client.shutdown(socket.SHUT_RDWR)
        client.close()
        assert client.fileno() == -1
    server.wait_for_connections(1)
    assert server.accepted == 1
    assert Trouble in [type(each) for each in stated]


def _refuse(*_: Any) -> Any:
    raise RuntimeError("blocking call")
