"""Starting, closing, and leaving nothing behind, whatever was going on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from pytest_keepalive._server import ConnectProxy, Fault, KeepaliveServer, Reply

from .raw_client import RawClient


def _run(program: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_importing_loads_nothing_heavy() -> None:
    loaded = _run(
        "import sys, pytest_keepalive._server\n"
        "print(*{'h11', 'ssl', 'trustme', 'h2', 'asyncio', 'pytest'} & sys.modules.keys())"
    )
    assert loaded.split() == []


def test_a_plain_server_loads_neither_trustme_nor_h2() -> None:
    loaded = _run(
        "import sys\n"
        "from pytest_keepalive._server import KeepaliveServer\n"
        "with KeepaliveServer(): pass\n"
        "print(*{'h11', 'trustme', 'h2'} & sys.modules.keys())"
    )
    assert loaded.split() == ["h11"]


def test_the_server_itself_never_connects() -> None:
    events = _run(
        "import socket, sys\n"
        "from pytest_keepalive._server import KeepaliveServer\n"
        "events = []\n"
        "sys.addaudithook(lambda name, _: name == 'socket.connect' and events.append(name))\n"
        "with KeepaliveServer() as server:\n"
        "    before = len(events)\n"
        "    socket.create_connection((server.host, server.port)).close()\n"
        "    server.wait_until_closed(1)\n"
        "print(before, len(events))"
    )
    # On Windows a socketpair is a TCP connection to itself.
    assert events.split() == (["1", "2"] if sys.platform == "win32" else ["0", "1"])


def _threads_and_sockets() -> tuple[int, int]:
    process = psutil.Process()
    return threading.active_count(), len(process.net_connections(kind="all"))


@pytest.mark.parametrize("tls", [False, True])
def test_nothing_is_left_behind(tls: bool, capfd: pytest.CaptureFixture[str]) -> None:
    before = _threads_and_sockets()
    for _ in range(3):
        with KeepaliveServer(tls=tls) as server:
            context = server.client_context() if tls else None
            with RawClient(server, context) as first, RawClient(server, context) as second:
                first.get()
                second.get("/", "Connection: close")
    assert _threads_and_sockets() == before
    assert capfd.readouterr() == ("", "")


def test_what_was_recorded_outlives_the_server() -> None:
    with KeepaliveServer() as server, RawClient(server) as client:
        client.get()
    assert server.exchanges == ((0, 0),)
    assert server.url.startswith("http://127.0.0.1:")
    server.close()


def test_closing_refuses_further_connections() -> None:
    with KeepaliveServer() as server:
        pass
    with pytest.raises(ConnectionRefusedError):
        RawClient(server)


def test_a_server_is_started_once() -> None:
    server = KeepaliveServer()
    server.close()
    assert server.start() is server
    with pytest.raises(RuntimeError, match="was started before"):
        server.start()
    server.close()


def _idle(client: RawClient) -> None:
    client.get()


def _asking(client: RawClient) -> None:
    client.send(b"GET / HTTP/1.1\r\nHo")


def _uploading(client: RawClient) -> None:
    client.ask("/", "Content-Length: 9", method="POST")


def _waiting_on(path: str) -> Callable[[RawClient], None]:
    return lambda client: client.ask(path)


@pytest.mark.parametrize(
    "keep_busy",
    [
        _idle,
        _asking,
        _uploading,
        *map(_waiting_on, ("/stall", "/hold", "/gate", "/delay", "/pause", "/large", "/half")),
    ],
)
def test_closing_ends_whatever_is_going_on(keep_busy: Callable[[RawClient], None]) -> None:
    server = KeepaliveServer()
    server.reply("/stall", stall="before_head")
    server.reply("/hold", hold=True)
    server.reply("/gate", hold=threading.Event())
    server.reply("/delay", delay=60)
    server.reply("/pause", body=["a", "b"], pause=60)
    server.reply("/large", body=b"x" * 20_000_000)
    server.reply("/half", half_close="before_head")
    with server, RawClient(server) as client:
        keep_busy(client)
        server.wait_for_connections(1)
        if keep_busy is not _asking:
            server.wait_for_requests(1)
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 1
        assert server.connections[0].closed_by == "server"


def test_closing_ends_a_stream_without_end() -> None:
    def ticks() -> Iterator[bytes]:
        while True:
            yield b"tick"

    with KeepaliveServer() as server, RawClient(server) as client:
        server.route("/ticks", Reply(body=ticks, pause=0.001))
        client.ask("/ticks")
        received = b""
        while b"tick" not in received:
            received += client.sock.recv(65536)
        server.close()
        assert not client.read_to_end().endswith(b"0\r\n\r\n")
    assert server.connections[0].close_reason == "the server was closed"
    assert server.errors == ()


def test_a_stream_ends_with_its_client(server: KeepaliveServer, client: RawClient) -> None:
    ended = threading.Event()

    def ticks() -> Iterator[bytes]:
        try:
            while True:
                yield b"tick" * 1000
        finally:
            ended.set()

    server.reply("/ticks", body=ticks)
    client.ask("/ticks")
    assert client.sock.recv(65536)
    client.close()
    assert ended.wait(5)
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "client"
    assert server.connections[0].close_reason.startswith("connection broke: ")


def test_a_client_that_resets_is_the_one_who_closed(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/unread", body=b"x" * 100_000)
    client.ask("/unread")
    client.sock.recv(1)
    client.close()
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "client"
    assert "reset" in server.connections[0].close_reason


@pytest.mark.parametrize("kind", [KeepaliveServer, ConnectProxy])
def test_closing_ends_what_a_fault_on_accept_holds(
    kind: type[KeepaliveServer] | type[ConnectProxy],
) -> None:
    with kind() as server:
        server.on_accept(Fault("stall", "on_accept"), Fault("delay", "on_accept", seconds=60))
        with RawClient(server), RawClient(server):
            server.wait_for_connections(2)
            server.close()
    assert {c.close_reason for c in server.connections} == {"the server was closed"}


def test_five_hundred_clients_at_once(server: KeepaliveServer) -> None:
    server.reply("/held", hold=True)
    clients = [RawClient(server) for _ in range(500)]
    for client in clients:
        client.ask("/held")
    server.wait_for_requests(500)
    assert len(server.open_connections) == 500
    server.release()
    assert {client.read().status for client in clients} == {200}
    for client in clients:
        client.close()
    server.wait_until_closed(500)
    assert set(server.exchanges) == {(index, 0) for index in range(500)}


def test_thousands_of_short_connections_need_few_threads(server: KeepaliveServer) -> None:
    def visit(_: int) -> None:
        with socket.create_connection((server.host, server.port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            while sock.recv(1000):
                pass

    before = threading.active_count()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(visit, range(2000)))
        assert threading.active_count() - before < 50
    server.wait_until_closed(2000)
    assert [connection.index for connection in server.connections] == list(range(2000))


def test_an_accept_that_fails_is_not_the_end(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OSError(24, "Too many open files"), ConnectionAbortedError()])
    accept = socket.socket.accept

    def flaky(self: socket.socket) -> tuple[socket.socket, object]:
        for failure in failures:
            raise failure
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", flaky)
    with RawClient(server) as client:
        assert client.get().status == 200
    assert server.accepted == 1


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_a_close_reaches_the_client_though_a_child_holds_the_socket(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/last", keep_alive=False)
    client.get()
    # What fork does to descriptors, without the rest of it.
    (wire,) = server._wires
    inherited = os.dup(wire._socket.fileno())
    try:
        client.get("/last")
        assert client.at_eof()
    finally:
        os.close(inherited)


@pytest.mark.skipif(sys.platform != "linux", reason="where a listener can be shut down")
def test_closing_refuses_connections_though_a_child_listens() -> None:
    with KeepaliveServer() as server:
        assert server._listener is not None
        inherited = os.dup(server._listener._socket.fileno())
    try:
        with pytest.raises(ConnectionRefusedError):
            RawClient(server)
    finally:
        os.close(inherited)


def test_a_default_timeout_of_the_test_is_not_the_server_s() -> None:
    socket.setdefaulttimeout(0.01)
    try:
        with KeepaliveServer() as server, RawClient(server) as client:
            assert client.get().status == 200
            with pytest.raises(TimeoutError):
                server.wait_until_closed(1, timeout=0.05)
            assert client.get().status == 200
    finally:
        socket.setdefaulttimeout(None)
