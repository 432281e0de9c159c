"""Which connects the socket probe sees, and what a connection tells."""

from __future__ import annotations

import _socket
import _thread
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pytest_keepalive import measure
from pytest_keepalive._events import Closed
from pytest_keepalive._probes import _socket as _socket_probe
from pytest_keepalive._probes._socket import SocketProbe
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._unfolding import unfold
from tests.probes.agreement import agreed
from tests.probes.needs import has_ipv6, on_linux
from tests.probes.view import only
from tests.probes.ways_to_connect import WAYS, by_name, plainly
from tests.sockets import GET, address_of, connect

pytestmark = pytest.mark.usefixtures("_sockets_alone")

# Every way to connect


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_connect_is_one_connection(
    server: KeepaliveServer, way: Callable[[KeepaliveServer], None]
) -> None:
    with measure() as seen:
        way(server)
    server.wait_for_connections(1)
    assert seen.attempts == 1
    assert server.accepted == 1
    connection = only(seen)
    assert connection.local == server.connections[0].peer
    assert connection.peer == address_of(server)
    assert connection.closed_at is not None
    assert not connection.exchanges_seen
    assert connection.observer == "socket"


def test_connect_itself_may_be_what_a_thread_begins_with(server: KeepaliveServer) -> None:
    with measure() as seen, socket.socket() as client:
        _thread.start_new_thread(client.connect, (address_of(server),))
        deadline = time.monotonic() + 5
        while seen.count < 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        server.wait_for_connections(1)
    assert agreed(seen, server) == 1
    assert only(seen).call_site is None


@pytest.mark.parametrize("threads", [8])
def test_each_connect_is_one_connection_from_many_threads(
    server: KeepaliveServer, threads: int
) -> None:
    def work() -> None:
        for _ in range(10):
            plainly(server)

    with measure() as seen:
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    server.wait_for_connections(10 * threads)
    assert seen.count == 10 * threads
    assert {each.local for each in seen.connections} == {each.peer for each in server.connections}


def run(program: str, *arguments: str) -> list[str]:
    """Run a program of its own and give its lines."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_gevent_connects_are_seen(server: KeepaliveServer) -> None:
    pytest.importorskip("gevent")
    program = """
import warnings
warnings.simplefilter("ignore")
from gevent import monkey
monkey.patch_all()
import socket, sys, gevent
from pytest_keepalive import measure
address = "127.0.0.1", int(sys.argv[1])
def work():
    with socket.create_connection(address):
        pass
with measure() as seen:
    gevent.joinall([gevent.spawn(work) for _ in range(3)], raise_error=True)
    bare = socket.socket()
    gevent.spawn(bare.connect, address).get()
    bare.close()
print(seen.count, len(seen.attempts), sum(each.closed_at is not None for each in seen.connections))
"""
    assert run(program, str(server.port)) == ["4 4 4"]
    server.wait_for_connections(4)
    assert server.accepted == 4


def test_twisted_connects_are_seen_once(server: KeepaliveServer) -> None:
    pytest.importorskip("twisted")
    program = """
import warnings
warnings.simplefilter("ignore")
import sys
from twisted.internet import defer, endpoints, protocol, reactor
from pytest_keepalive import measure

class Once(protocol.Protocol):
    def connectionMade(self):
        self.done = defer.Deferred()
        self.transport.loseConnection()
    def connectionLost(self, reason):
        self.done.callback(None)

@defer.inlineCallbacks
def main():
    for _ in range(2):
        where = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", int(sys.argv[1]))
        once = yield endpoints.connectProtocol(where, Once())
        yield once.done

with measure() as seen:
    main().addBoth(lambda result: reactor.callFromThread(reactor.stop))
    reactor.run()
print(seen.count, len(seen.attempts), sum(each.closed_at is not None for each in seen.connections))
"""
    assert run(program, str(server.port)) == ["2 2 2"]
    server.wait_for_connections(2)
    assert server.accepted == 2


# What a connection tells


def test_a_connection_tells_who_was_asked_for_and_where(server: KeepaliveServer) -> None:
    with measure() as seen:
        by_name(server)
    connection = only(seen)
    assert connection.asked_for == "localhost"
    assert connection.origin == f"tcp://localhost:{server.port}"
    assert connection.client is None
    assert connection.thread == threading.get_ident()
    assert connection.call_site is not None
    assert connection.call_site.source == 'client.connect(("localhost", server.port))'


def test_a_name_that_was_resolved_before_is_known(server: KeepaliveServer) -> None:
    with measure() as seen:
        found = socket.getaddrinfo(b"LOCALHOST", server.port, socket.AF_INET, socket.SOCK_STREAM)
        with socket.socket() as client:
            client.connect(found[0][4])
    assert only(seen).asked_for == "localhost"


@pytest.mark.parametrize("answer", [None, 7, [], [()], [("x",)], [(1, 2, 3, "", ("path",))]])
def test_a_stand_in_for_the_resolver_may_give_anything(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answer)
    with measure() as seen:
        assert socket.getaddrinfo("api.example.com", 80) is answer
    assert seen.recording.notes == () or answer == [()]


def test_an_address_that_is_asked_for_without_a_name_has_none(server: KeepaliveServer) -> None:
    with measure() as seen:
        found = socket.getaddrinfo(None, server.port, socket.AF_INET, socket.SOCK_STREAM)
        assert found
    assert seen.count == 0


def test_a_stand_in_for_the_resolver_may_give_what_can_be_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    once = iter([(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: once)
    with measure():
        assert len(list(socket.getaddrinfo("api.example.com", 80))) == 1


def test_how_long_the_connect_took_is_told(server: KeepaliveServer) -> None:
    with measure() as seen:
        before = time.perf_counter()
        client = connect(server)
        after = time.perf_counter()
        client.close()
    connection = only(seen)
    assert connection.opened_at is not None
    assert connection.connect_seconds is not None
    assert before < connection.opened_at < after
    assert 0 < connection.connect_seconds < after - before


@has_ipv6
def test_ipv6_is_seen() -> None:
    with KeepaliveServer(host="::1") as server, measure() as seen:
        client = socket.create_connection(("::1", server.port))
        server.wait_for_connections(1)
        client.close()
    connection = only(seen)
    assert connection.local == server.connections[0].peer
    assert connection.peer == ("::1", server.port)


# What does not count


def test_accepted_sockets_do_not_count() -> None:
    with measure() as seen, socket.create_server(("127.0.0.1", 0)) as listener:
        bare = _socket.socket()
        bare.connect(listener.getsockname())
        accepted, _ = listener.accept()
        accepted.close()
        bare.close()
    assert (seen.count, len(seen.attempts)) == (0, 0)


def test_udp_does_not_count() -> None:
    with measure() as seen, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", 9))
    assert (seen.count, len(seen.attempts)) == (0, 0)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_unix_sockets_do_not_count(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "u")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with measure() as seen, socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
    assert (seen.count, len(seen.attempts)) == (0, 0)


def test_a_stream_of_another_protocol_does_not_count() -> None:
    sctp = getattr(socket, "IPPROTO_SCTP", 132)
    try:
        client = socket.socket(proto=sctp)
    except OSError:
        pytest.skip("needs SCTP")
    with measure() as seen, client, contextlib.suppress(OSError):
        client.settimeout(1)
        client.connect(("127.0.0.1", 9))
    assert (seen.count, len(seen.attempts)) == (0, 0)


def test_a_socketpair_does_not_count() -> None:
    with measure() as seen:
        for end in socket.socketpair():
            end.close()
    assert (seen.count, len(seen.attempts)) == (0, 0)


def test_an_emulated_socketpair_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_socket_probe, "_EMULATES_PAIRS", True)

    # What Windows has: two TCP sockets, for the event loop to talk to itself.
    def _fallback_socketpair() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
            listener.accept()[0].close()

    with measure() as seen:
        _fallback_socketpair()
    assert (seen.count, len(seen.attempts)) == (0, 0)


def test_a_connection_opened_before_the_window_does_not_count(server: KeepaliveServer) -> None:
    with measure() as whole, connect(server) as client, measure() as seen:
        client.sendall(GET)
        assert client.recv(4)
    assert (whole.count, seen.count) == (1, 0)


# The bound that the kernel gives


@on_linux
def test_no_more_is_attributed_than_the_kernel_counted(
    server: KeepaliveServer, refusing: tuple[str, int]
) -> None:
    from pytest_keepalive._watch._witness import Witness

    witness = Witness()
    stated: list[Any] = []
    probe = SocketProbe(stated.append)
    before = witness.opens()
    probe.install()
    try:
        for way in WAYS:
            way(server)
        made = len(WAYS)
        with socket.socket() as client, contextlib.suppress(OSError):
            client.connect(refusing)
        made += 1
        for address in (("no-such-host.invalid", 80), "nonsense", ("127.0.0.1", "http")):
            with socket.socket() as client, contextlib.suppress(OSError, TypeError):
                client.connect(address)
        client.close()
        with contextlib.suppress(OSError):
            client.connect(address_of(server))
        assert probe.opens == made
    finally:
        probe.uninstall()
    after = witness.opens()
    witness.close()
    assert before is not None
    assert after is not None
    # Other tests may run on this machine at the same time.
    assert after - before >= made
    assert sum(isinstance(each, Closed) for each in unfold(stated)[0]) >= made - 2
