"""The kernel's own list of TCP sockets, over netlink (sock_diag(7)).

Rules
1. A dump holds every TCP socket of the network namespace, those in TIME-WAIT too, each with
   its cookie; who owns it is not told.
2. The same is told of sockets that are destroyed (see ``_obituaries``); a reset from this side
   wipes their ends and their counts before.
3. Byte counts are payload. What was received may hold one byte more, for the peer's FIN.
"""

from __future__ import annotations

import _socket
import os
import struct
import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pytest_keepalive._origin import Address, Pair, address_of

ESTABLISHED, SYN_SENT, TIME_WAIT, CLOSE, CLOSE_WAIT = 1, 2, 6, 7, 8

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_ERROR, _DONE = 2, 3
_TCP = 6
_LISTEN = 10
_STATES = 0xFFF & ~(1 << _LISTEN) & ~(1 << CLOSE)
_INFO = 2
_ASK_INFO = 1 << (_INFO - 1)
_ATTRIBUTE_BYTECODE = 1
_BUFFER_SIZE = 1 << 18

_ERROR_NUMBER = struct.Struct("=i")
_HEAD = struct.Struct("=IHHII")
HEAD_SIZE = _HEAD.size
_REQUEST = struct.Struct("=BBBxI2x2x16x16xIQ")
_ATTRIBUTE = struct.Struct("=HH")
_MESSAGE = struct.Struct("!BBxxHH16s16s")
COOKIE_AT, PEER_PORT_AT = 44, 6
_COOKIE = struct.Struct("=Q")
_INODE_AT, _INODE = 68, struct.Struct("=I")
_EXPIRES_AT = 52
_MESSAGE_SIZE = 72
# TCP_TIMEWAIT_LEN of the kernel.
_TIME_WAIT_SECONDS = 60
_INET, _INET6 = 2, 10
# A code, how far to go on when it holds, and how far when it does not.
_OPERATION = struct.Struct("=BBH")
_JUMP, _PEER_PORT_IS = 1, 12
_PORTS_AT_MOST = 16

# struct tcp_info: acknowledged and received bytes; payload sent, and what of it sent again.
_COUNTS_AT, _COUNTS = 120, struct.Struct("=QQ")
_DATA_SEGMENTS_IN_AT, _WORD = 152, struct.Struct("=I")
_PAYLOAD_AT, _PAYLOAD = 200, struct.Struct("=QQ")


class Counts(NamedTuple):
    """What went over a connection.

    Args:
        established: Whether the handshake was ever completed: the SYN counts as one
            acknowledged byte.
        sent: Bytes of payload sent, ``None`` before Linux 4.19.
        received: Bytes of payload received (see rule 3).
    """

    established: bool
    sent: int | None
    received: int


class Socket(NamedTuple):
    """A TCP socket as the kernel tells of it.

    Args:
        cookie: Its number, never given twice.
        state: Of Linux's tcp_states.h.
        local: This end.
        peer: The other end; its port is 0 where it was wiped.
        inode: 0 when no descriptor refers to it any more.
        counts: ``None`` where they are not told, as in TIME-WAIT.
        waits_since: When it came into TIME-WAIT, in seconds of ``time.monotonic``; 0.0 for
            others.
    """

    cookie: int
    state: int
    local: Address
    peer: Address
    inode: int
    counts: Counts | None
    waits_since: float = 0.0


class SockDiag:
    """Asks for the list of sockets.

    Raises:
        OSError: The kernel does not offer it.
    """

    def __init__(self) -> None:
        self._sock = open_netlink()
        self._buffer = bytearray(_BUFFER_SIZE)
        self._done = False

    def find(
        self,
        cookies: Collection[int],
        inodes: Collection[int] = (),
        ports: Collection[int] = (),
        peers: Collection[Address] = (),
    ) -> list[Socket]:
        """Give the sockets that have certain numbers, or go to certain places.

        Args:
            cookies: Those wanted.
            inodes: Others wanted, of which no cookie is known.
            ports: The ports that all of these connected to; empty when they are not known.
            peers: Places to which everything is wanted.

        Raises:
            OSError: The kernel refuses.
        """
        code = _port_tests(ports) if len(ports) <= _PORTS_AT_MOST else b""
        found = []
        for begin, end in self._dump(_ASK_INFO, code):
            cookie = _COOKIE.unpack_from(self._buffer, begin + COOKIE_AT)[0]
            inode = _INODE.unpack_from(self._buffer, begin + _INODE_AT)[0]
            if peers or cookie in cookies or inode in inodes:
                entry = socket_at(self._buffer, begin, end)
                if entry.peer in peers or cookie in cookies or inode in inodes:
                    found.append(entry)
        return found

    def states(self, ports: Collection[int] = ()) -> dict[Pair, int]:
        """Give the state of the connections of the network namespace, but for TIME-WAIT.

        Args:
            ports: Only those to these ports; empty for all.

        Raises:
            OSError: The kernel refuses.
        """
        code = _port_tests(ports) if len(ports) <= _PORTS_AT_MOST else b""
        states: dict[Pair, int] = {}
        hosts = {_INET: _Hosts(_INET), _INET6: _Hosts(_INET6)}
        for family in hosts:
            known = hosts[family]
            self._sock.send(_request(family, 0, code, _STATES & ~(1 << TIME_WAIT)))
            for state, local_port, peer_port, local, peer in self._ends():
                states[Pair((known[local], local_port), (known[peer], peer_port))] = state
        return states

    def close(self) -> None:
        """Let go of the netlink socket."""
        self._sock.close()

    def _dump(self, extensions: int, code: bytes) -> Iterator[tuple[int, int]]:
        """Give where each message lies in the buffer, as long as it does."""
        for family in (_INET, _INET6):
            self._sock.send(_request(family, extensions, code, _STATES))
            yield from self._messages()

    def _messages(self) -> Iterator[tuple[int, int]]:
        for size in self._datagrams():
            yield from self._messages_in(size)

    def _ends(self) -> Iterator[tuple[int, int, int, bytes, bytes]]:
        """Give state, ports and hosts of each message."""
        for size in self._datagrams():
            alike = self._alike(size)
            if alike is not None:
                yield from alike
                continue
            for begin, _ in self._messages_in(size):
                yield _MESSAGE.unpack_from(self._buffer, begin)[1:]

    def _alike(self, size: int) -> list[tuple[int, int, int, bytes, bytes]] | None:
        """Read messages that are all of one size at once, which is twice as fast."""
        step = _HEAD.unpack_from(self._buffer)[0]
        if size % step or step < _HEAD.size + _MESSAGE_SIZE:
            return None
        layout = struct.Struct(f"!4s13xBxxHH16s16s{step - 56}x")
        messages = list(layout.iter_unpack(memoryview(self._buffer)[:size]))
        length = messages[0][0]
        if any(message[0] != length for message in messages):
            return None
        return [message[1:] for message in messages]

    def _datagrams(self) -> Iterator[int]:
        """Receive the parts of a dump, and give how much of the buffer each fills."""
        self._done = False
        while not self._done:
            yield self._sock.recv_into(self._buffer)

    def _messages_in(self, size: int) -> Iterator[tuple[int, int]]:
        """Give where each message of the buffer lies."""
        at = 0
        while at < size:
            length, kind, *_ = _HEAD.unpack_from(self._buffer, at)
            if kind == _DONE:
                self._done = True
                return
            if kind == _ERROR:
                raise _error_at(self._buffer, at)
            yield at + _HEAD.size, at + length
            at += (length + 3) & ~3


class _Hosts(dict[bytes, str]):
    """Addresses as text, each written once."""

    def __init__(self, family: int) -> None:
        super().__init__()
        self._family = family

    def __missing__(self, raw: bytes) -> str:
        text = self[raw] = _host(self._family, raw)
        return text


def counts_of(info: bytes) -> Counts | None:
    """Read ``struct tcp_info``; ``None`` when the kernel is too old to fill it."""
    if len(info) < _DATA_SEGMENTS_IN_AT + _WORD.size:
        return None
    acknowledged, received = _COUNTS.unpack_from(info, _COUNTS_AT)
    if not _WORD.unpack_from(info, _DATA_SEGMENTS_IN_AT)[0]:
        received = 0
    sent = None
    if len(info) >= _PAYLOAD_AT + _PAYLOAD.size:
        payload, again = _PAYLOAD.unpack_from(info, _PAYLOAD_AT)
        sent = payload - again
    return Counts(acknowledged > 0, sent, received)


def open_netlink() -> _socket.socket:
    """Open a netlink socket that asks about sockets."""
    # Not socket.socket: it may be watched, or forbidden to the test.
    if not hasattr(_socket, "AF_NETLINK"):
        raise OSError("this system has no netlink")
    kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
    return _socket.socket(_socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG)


def _request(family: int, extensions: int, code: bytes, states: int) -> bytes:
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(code), _ATTRIBUTE_BYTECODE) + code
    body = _REQUEST.pack(family, _TCP, extensions, states, 0, (1 << 64) - 1)
    body += attribute if code else b""
    return _HEAD.pack(_HEAD.size + len(body), _BY_FAMILY, _REQUEST_DUMP, 1, 0) + body


def _port_tests(ports: Collection[int]) -> bytes:
    """Write a filter: any of these ports; what goes past the end by one step is left out.

    The kernel wants every target on the way that all tests held make (inet_diag_bc_audit).
    """
    tests = b""
    for port in ports:
        # What comes after is written first: a jump tells how much of it to leave out.
        way_out = _OPERATION.pack(_JUMP, _OPERATION.size, len(tests) + _OPERATION.size)
        tests = _test(port) + (way_out + tests if tests else b"")
    return tests


def _test(port: int) -> bytes:
    size = 2 * _OPERATION.size
    holds = _OPERATION.pack(_PEER_PORT_IS, size, size + _OPERATION.size)
    return holds + _OPERATION.pack(0, 0, port)


def _error_at(buffer: bytearray, at: int) -> OSError:
    number = -_ERROR_NUMBER.unpack_from(buffer, at + _HEAD.size)[0]
    return OSError(number, os.strerror(number))


def socket_at(buffer: bytes | bytearray, begin: int, end: int) -> Socket:
    """Read a message (struct inet_diag_msg) that lies in a buffer."""
    family, state, local_port, peer_port, local, peer = _MESSAGE.unpack_from(buffer, begin)
    cookie = _COOKIE.unpack_from(buffer, begin + COOKIE_AT)[0]
    inode = _INODE.unpack_from(buffer, begin + _INODE_AT)[0]
    here = (_host(family, local), local_port)
    there = (_host(family, peer), peer_port)
    counts = _counts_at(buffer, begin + _MESSAGE_SIZE, end)
    waits_since = 0.0
    if state == TIME_WAIT:
        left = _INODE.unpack_from(buffer, begin + _EXPIRES_AT)[0] / 1000
        waits_since = time.monotonic() - (_TIME_WAIT_SECONDS - left)
    return Socket(cookie, state, here, there, inode, counts, waits_since)


def _counts_at(buffer: bytes | bytearray, at: int, end: int) -> Counts | None:
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(buffer, at)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _INFO:
            return counts_of(bytes(buffer[at + _ATTRIBUTE.size : at + length]))
        at += (length + 3) & ~3
    return None


def _host(family: int, raw: bytes) -> str:
    if family == _INET:
        return _socket.inet_ntop(_socket.AF_INET, raw[:4])
    address = address_of((_socket.inet_ntop(_socket.AF_INET6, raw), 0))
    return address[0] if address else ""
