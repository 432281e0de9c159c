"""The judge of notifications, asked about calls of this very process."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from pytest_keepalive._watch._examiner import Examiner
from pytest_keepalive._watch._outcomes import Outcomes
from pytest_keepalive._watch._record import Record
from pytest_keepalive._watch._ring import (
    BY_DESCRIPTOR,
    BY_NAME,
    CONNECT,
    HIDDEN,
    IO_URING,
    Ring,
    make_memory,
)
from pytest_keepalive._watch._system_calls import Duplicator, MemoryReader

pytestmark = [
    pytest.mark.usefixtures("kernel_watch"),
    pytest.mark.skipif(
        not hasattr(os, "uname") or os.uname().machine != "x86_64", reason="x86_64's numbers"
    ),
]

ARCH, CONNECT_NUMBER, IO_URING_NUMBER = 0xC000003E, 42, 425


class Caller:
    """A thread of this process that is about to connect."""

    def __init__(self, examiner: Examiner) -> None:
        self._examiner = examiner

    def connects(self, sock: socket.socket, sockaddr: bytes) -> Record | None:
        buffer = ctypes.create_string_buffer(sockaddr, len(sockaddr))
        return self.calls(CONNECT_NUMBER, sock.fileno(), ctypes.addressof(buffer), len(sockaddr))

    def calls(self, number: int, *arguments: int) -> Record | None:
        padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
        call = [threading.get_native_id(), 0, number, ARCH, 0, *padded]
        fields = self._examiner.examine(call)
        return None if fields is None else Record._make((1, 1, *fields))


@pytest.fixture
def examiner() -> Examiner:
    return Examiner("x86_64", runners=False)


@pytest.fixture
def caller(examiner: Examiner) -> Caller:
    return Caller(examiner)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def tcp() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


def ipv4(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_aton(host))


def ipv6(host: str, port: int, scope: int) -> bytes:
    address = struct.pack("!HI16s", port, 0, socket.inet_pton(socket.AF_INET6, host))
    return struct.pack("=H", socket.AF_INET6) + address + struct.pack("=I", scope)


UNSPEC = struct.pack("=H14x", socket.AF_UNSPEC)


def refuse(*_: object) -> int:
    raise PermissionError(1, "refused")


class TestWhatCounts:
    def test_a_new_socket(self, caller: Caller, tcp: socket.socket) -> None:
        record = caller.connects(tcp, ipv4("10.1.2.3", 8080))
        assert record is not None
        assert (record.kind, record.look) == (CONNECT, BY_DESCRIPTOR)
        assert (record.family, record.port) == (socket.AF_INET, 8080)
        assert record.address[:4] == bytes((10, 1, 2, 3))
        assert (record.tid, record.tgid) == (threading.get_native_id(), os.getpid())
        cookie = struct.unpack("=Q", tcp.getsockopt(socket.SOL_SOCKET, 57, 8))[0]
        assert (record.cookie, record.descriptor) == (cookie, tcp.fileno())

    def test_ipv6_with_its_scope(self, caller: Caller) -> None:
        with socket.socket(socket.AF_INET6) as sock:
            record = caller.connects(sock, ipv6("fe80::1", 443, 7))
        assert record is not None
        assert (record.family, record.port, record.scope) == (socket.AF_INET6, 443, 7)
        assert record.address == socket.inet_pton(socket.AF_INET6, "fe80::1")

    def test_a_connected_socket_does_not_count(
        self, caller: Caller, tcp: socket.socket, listener: socket.socket
    ) -> None:
        host, port = listener.getsockname()
        assert caller.connects(tcp, ipv4(host, port)) is not None
        tcp.connect((host, port))
        assert caller.connects(tcp, ipv4(host, port)) is None

    def test_udp_unix_and_no_socket_do_not_count(self, caller: Caller, tcp: socket.socket) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            assert caller.connects(udp, ipv4("10.0.0.1", 53)) is None
        with socket.socket(socket.AF_UNIX) as unix:
            assert caller.connects(unix, ipv4("10.0.0.1", 53)) is None
            assert caller.connects(tcp, struct.pack("=H", socket.AF_UNIX) + b"/x") is None
        with open(os.devnull) as file:
            assert caller.calls(CONNECT_NUMBER, file.fileno(), 0, 16) is None

    def test_what_the_kernel_would_refuse_does_not_count(
        self, caller: Caller, tcp: socket.socket
    ) -> None:
        assert caller.connects(tcp, ipv4("10.0.0.1", 80)[:8]) is None
        assert caller.connects(tcp, b"\x02") is None
        assert caller.calls(CONNECT_NUMBER, tcp.fileno(), 8, 16) is None
        assert caller.calls(CONNECT_NUMBER, 10_000, 8, 16) is None

    def test_dissolving_does_not_count(self, caller: Caller, tcp: socket.socket) -> None:
        assert caller.connects(tcp, UNSPEC) is None

    def test_a_ring_is_noted(self, caller: Caller) -> None:
        record = caller.calls(IO_URING_NUMBER, 4, 0x1000)
        assert record is not None
        assert record.kind == IO_URING

    def test_nothing_is_left_open(self, caller: Caller, tcp: socket.socket) -> None:
        caller.connects(tcp, ipv4("10.0.0.1", 80))
        before = os.listdir("/proc/self/fd")
        for _ in range(10):
            caller.connects(tcp, ipv4("10.0.0.1", 80))
            with open(os.devnull) as file:
                caller.calls(CONNECT_NUMBER, file.fileno(), 0, 16)
        assert os.listdir("/proc/self/fd") == before


class TestWithoutTheDescriptor:
    @pytest.fixture(autouse=True)
    def _refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Duplicator, "duplicate", refuse)

    def test_the_name_of_the_protocol_tells(self, caller: Caller, tcp: socket.socket) -> None:
        record = caller.connects(tcp, ipv4("10.0.0.1", 80))
        assert record is not None
        assert (record.kind, record.look, record.cookie) == (CONNECT, BY_NAME, 0)
        assert record.inode == os.fstat(tcp.fileno()).st_ino

    def test_a_socket_counts_once(self, caller: Caller, tcp: socket.socket) -> None:
        assert caller.connects(tcp, ipv4("10.0.0.1", 80)) is not None
        assert caller.connects(tcp, ipv4("10.0.0.1", 80)) is None

    def test_and_again_when_its_association_was_dissolved(
        self, caller: Caller, tcp: socket.socket
    ) -> None:
        assert caller.connects(tcp, ipv4("10.0.0.1", 80)) is not None
        assert caller.connects(tcp, UNSPEC) is None
        assert caller.connects(tcp, ipv4("10.0.0.1", 80)) is not None

    def test_udp_unix_and_files_do_not_count(self, caller: Caller) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            assert caller.connects(udp, ipv4("10.0.0.1", 53)) is None
        with socket.socket(socket.AF_UNIX) as unix:
            assert caller.connects(unix, ipv4("10.0.0.1", 53)) is None
        with open(os.devnull) as file:
            fake = struct.pack("=H14x", socket.AF_INET)
            buffer = ctypes.create_string_buffer(fake, 16)
            address = ctypes.addressof(buffer)
            assert caller.calls(CONNECT_NUMBER, file.fileno(), address, 16) is None


class TestWithoutTheMemoryEither:
    """What Yama leaves of a process that is no descendant of the supervisor."""

    @pytest.fixture(autouse=True)
    def _refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Duplicator, "duplicate", refuse)
        monkeypatch.setattr(MemoryReader, "read", refuse)

    def test_it_counts_and_its_destination_comes_from_the_kernels_list(
        self, caller: Caller, tcp: socket.socket, listener: socket.socket
    ) -> None:
        record = caller.connects(tcp, ipv4("10.0.0.1", 80))
        assert record is not None
        assert (record.kind, record.look, record.family) == (CONNECT, BY_NAME, 0)
        tcp.connect(listener.getsockname())
        memory = make_memory()
        outcomes = Outcomes(Ring(memory))
        os.close(memory)
        found = outcomes.of([record])[record.sequence]
        outcomes.close()
        assert found.peer == listener.getsockname()
        assert found.local == tcp.getsockname()
        assert found.is_open

    def test_what_is_not_tcp_does_not_count(self, caller: Caller) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            assert caller.connects(udp, ipv4("10.0.0.1", 53)) is None

    def test_where_nothing_can_be_seen_the_call_is_hidden(
        self, caller: Caller, tcp: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "getxattr", refuse)
        record = caller.connects(tcp, ipv4("10.0.0.1", 80))
        assert record is not None
        assert record.kind == HIDDEN
