"""The ends of sockets, as the kernel announces them.

Rules
1. What is announced to nobody who listens is lost, and so is what comes faster than it is
   read: an obituary tells more of a connect that is known, and counts none.
2. Every socket of the network namespace is announced, whoever had it, one that never connected
   too. Only those of recorded connects are kept; a flood of others costs time, but no more of
   it at once than this bounds.
3. A connect is recorded before its socket can be announced: what is announced and not yet
   recorded is nobody's here.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from pytest_keepalive._origin import Address
from pytest_keepalive._watch._ring import CAPACITY, Ring
from pytest_keepalive._watch._sock_diag import (
    COOKIE_AT,
    HEAD_SIZE,
    PEER_PORT_AT,
    Socket,
    open_netlink,
    socket_at,
)

_GROUPS = 1 << 0 | 1 << 2  # SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY
_SO_RCVBUF, _SO_RCVBUFFORCE, _SOL_SOCKET = 8, 33, 1
_WANTED_BUFFER = 1 << 23
_MESSAGE_AT_MOST = 4096
_AT_ONCE = 1000
_SELDOM_SECONDS, _OFTEN_SECONDS = 0.02, 0.005
_COOKIE = struct.Struct("=Q")
_PORT = struct.Struct("!H")


class Obituaries:
    """Hears of the sockets that are gone.

    Args:
        ring: Where the connects are recorded whose sockets are of interest.

    Attributes:
        lost: Whether some were missed.

    Raises:
        OSError: The kernel does not offer it.
    """

    def __init__(self, ring: Ring) -> None:
        self.lost = False
        self._ring = ring
        self._known_up_to = ring.count
        self._cookies: dict[int, None] = {}
        self._ports: set[int] = set()
        self._kept: dict[int, bytes] = {}
        self._buffer = bytearray(_MESSAGE_AT_MOST)
        self._sock = open_netlink()
        self._sock.setblocking(False)
        self._widen()
        self._sock.bind((0, _GROUPS))

    def fileno(self) -> int:
        """Give the descriptor, readable when there is something to hear."""
        return int(self._sock.fileno())

    @property
    def seconds_between(self) -> float:
        """How long to wait between listening, in seconds, for little to be lost.

        Hearing of each socket at once would take the processor from those who open them.
        """
        size = self._sock.getsockopt(_SOL_SOCKET, _SO_RCVBUF)
        return _SELDOM_SECONDS if size >= _WANTED_BUFFER else _OFTEN_SECONDS

    def listen(self) -> bool:
        """Take in what was announced; tell whether there may be more at once."""
        heard: list[tuple[int, int, bytes]] = []
        while len(heard) < _AT_ONCE and (message := self._next()) is not None:
            heard.append(message)
        self._learn()
        for cookie, port, data in heard:
            if cookie in self._cookies or port in self._ports:
                self._cookies.pop(cookie, None)
                self._kept[cookie] = data
        while len(self._kept) > CAPACITY:
            del self._kept[next(iter(self._kept))]
        return len(heard) == _AT_ONCE

    def take(self, cookie: int) -> Socket | None:
        """Give the obituary of a socket, once; ``None`` when none was heard."""
        data = self._kept.pop(cookie, None)
        return None if data is None else _read(data)

    def of_those_who_went(self, peers: Collection[Address]) -> list[Socket]:
        """Give the obituaries of sockets that had connected to certain places."""
        return [dead for dead in map(_read, self._kept.values()) if dead.peer in peers]

    def close(self) -> None:
        """Let go of the netlink socket."""
        self._sock.close()

    def _next(self) -> tuple[int, int, bytes] | None:
        try:
            size = self._sock.recv_into(self._buffer)
        except BlockingIOError:
            return None
        except OSError:
            self.lost = True  # ENOBUFS, once; what follows is whole again
            return self._next()
        cookie = _COOKIE.unpack_from(self._buffer, HEAD_SIZE + COOKIE_AT)[0]
        port = _PORT.unpack_from(self._buffer, HEAD_SIZE + PEER_PORT_AT)[0]
        return cookie, port, bytes(self._buffer[:size])

    def _learn(self) -> None:
        """Take note of what was recorded since the last time."""
        count = self._ring.count
        for position in range(max(self._known_up_to, count - CAPACITY), count):
            cookie, port = self._ring.socket_at(position)
            if cookie:
                self._cookies[cookie] = None
            else:
                self._ports.add(port)
        self._known_up_to = count
        while len(self._cookies) > CAPACITY:
            del self._cookies[next(iter(self._cookies))]

    def _widen(self) -> None:
        for option in (_SO_RCVBUF, _SO_RCVBUFFORCE):
            try:
                self._sock.setsockopt(_SOL_SOCKET, option, _WANTED_BUFFER)
            except PermissionError:
                return


def _read(data: bytes) -> Socket:
    return socket_at(data, HEAD_SIZE, len(data))
