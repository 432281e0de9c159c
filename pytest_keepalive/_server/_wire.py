"""One accepted socket: reading, writing, and the ways to leave it.

Rules
1. One thread reads and writes; any other may only ``drop`` or ``abort``.
2. FIN is sent by ``shutdown`` and not left to ``close``: a forked child may hold the socket too.
3. Over TLS a ``close_notify`` goes before FIN (RFC 9112, 9.8), in one segment where the system can
   hold it back for so long (tcp(7), TCP_CORK), and nobody waits for the answer.
4. A wire that was aborted while the peer was sending is reset. Nobody tells a peer that found no
   room that there is some again (Linux, once reading is shut down): it would wait for a minute.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from contextlib import suppress
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING

from pytest_keepalive._server._records import Side

if TYPE_CHECKING:
    import ssl

_READ_SIZE = 65536
_LINGER_SECONDS = 2.0
_CORK: int | None = getattr(socket, "TCP_CORK", None)
# Two shorts on Windows, two ints elsewhere: on, and no time at all.
_LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Manner(Enum):
    """How a connection is left."""

    CLOSE = "close"
    HALF_CLOSE = "half close, until the client closes"
    LINGER = "half close, then read for a while (RFC 9112, 9.6)"
    RESET = "reset"


class Ended(Exception):
    """A connection is over.

    Args:
        by: Who closed first.
        reason: Why, in words.
        manner: How the server leaves it.
    """

    def __init__(self, by: Side, reason: str, manner: Manner = Manner.CLOSE) -> None:
        super().__init__(by, reason, manner)
        self.by: Side = by
        self.reason = reason
        self.manner = manner


class Wire:
    """An accepted socket.

    Args:
        sock: As ``accept`` gave it.
        tls: Whether a handshake comes first; until it is made, the connection is not idle.
    """

    def __init__(self, sock: socket.socket, tls: bool = False) -> None:
        # Head and body are written together: Nagle could only delay them.
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        self._socket = sock
        self._tls: ssl.SSLSocket | None = None
        self._timeout: float | None = None
        self._lock = Lock()
        self._idle = not tls
        self._open = True
        self._aborted = False
        self._cut_short = False
        self.dropped = False

    def handshake(self, context: ssl.SSLContext) -> None:
        """Make the server's side of a TLS handshake.

        Raises:
            Ended: It failed.
        """
        # Under the lock, since wrapping moves the descriptor from one object to another.
        with self._lock:
            self._tls = context.wrap_socket(
                self._socket, server_side=True, do_handshake_on_connect=False
            )
            self._socket = self._tls
        try:
            self._tls.do_handshake()
        except OSError as error:
            raise Ended("client", f"TLS handshake failed: {_words(error)}") from None

    @property
    def alpn(self) -> str | None:
        """The protocol agreed on in the TLS handshake, if any."""
        return None if self._tls is None else self._tls.selected_alpn_protocol()

    def receive(self, timeout: float | None = None) -> bytes:
        """Read some bytes; ``b""`` when the client has closed.

        Raises:
            TimeoutError: Nothing came in so many seconds.
            Ended: The connection broke.
        """
        self._set_timeout(timeout)
        try:
            data = self._socket.recv(_READ_SIZE)
        except TimeoutError:
            raise
        except OSError as error:
            raise _broken(error) from None
        if data and self._aborted:
            self._cut_short = True
        return data

    def await_request(self, timeout: float | None) -> bytes:
        """Read the first bytes of a next request: until they come, the connection is idle.

        Raises:
            Ended: It was dropped, it was idle for too long, or it broke.
        """
        self.mark_idle()
        if self.dropped:
            raise _dropped()
        try:
            self._await_tls(timeout)
            data = self.receive(timeout)
        except TimeoutError:
            raise Ended("server", f"idle for {timeout:g} s") from None
        self.mark_busy()
        return data

    def mark_idle(self) -> None:
        """Say that no exchange is going on.

        It is said before the last bytes of a response are sent: a client that has them may
        count on it.
        """
        with self._lock:
            self._idle = True

    def mark_busy(self) -> None:
        """Say that an exchange begins.

        Raises:
            Ended: The connection was dropped before.
        """
        with self._lock:
            was_idle, self._idle = self._idle, False
            if was_idle and self.dropped:
                raise _dropped()

    def send(self, data: bytes | bytearray) -> None:
        """Write all of some bytes.

        Raises:
            Ended: The connection broke.
        """
        self._set_timeout(None)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _broken(error) from None

    def drop(self) -> bool:
        """Have the connection closed as soon as it is idle; tell whether it is idle now."""
        with self._lock:
            self.dropped = True
            if self._idle and self._open:
                _shut(self._socket, socket.SHUT_RD)
            return self._idle

    def abort(self) -> None:
        """Wake whoever reads or writes: to them the client has left."""
        with self._lock:
            self._aborted = True
            if self._open:
                _shut(self._socket, socket.SHUT_RDWR)

    def finish_sending(self) -> None:
        """Send FIN and go on reading; nothing raises."""
        _shut(self._socket, socket.SHUT_WR)

    def leave(self, manner: Manner) -> None:
        """End the connection as far as the client can see; nothing raises."""
        with self._lock:
            self._idle = False
        if manner is Manner.RESET or self._cut_short:
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        else:
            self._say_goodbye()
        if manner is Manner.HALF_CLOSE:
            self._drain(None)
        if manner is not Manner.LINGER:
            self._close()

    def linger(self) -> None:
        """Close what was left to linger, once the client has closed or time is up."""
        if self._open:
            self._drain(_LINGER_SECONDS)
            self._close()

    def _close(self) -> None:
        with self._lock:
            self._open = False
            self._socket.close()

    def _await_tls(self, timeout: float | None) -> None:
        # To OpenSSL the end that ``drop`` makes would be an attack, answered with an alert:
        # so the wait is for bytes, and TLS is asked only when the connection goes on.
        if self._tls is not None and not self._tls.pending():
            self._set_timeout(timeout)
            with suppress(ConnectionError):
                socket.SocketType.recv(self._tls, 1, socket.MSG_PEEK)
            if self.dropped:
                raise _dropped()

    def _set_timeout(self, timeout: float | None) -> None:
        if timeout != self._timeout:
            self._socket.settimeout(timeout)
            self._timeout = timeout

    def _say_goodbye(self) -> None:
        if self._tls is not None:
            self._close_notify(self._tls)
        _shut(self._socket, socket.SHUT_WR)

    def _close_notify(self, tls: ssl.SSLSocket) -> None:
        with suppress(OSError, ValueError):
            # A client that has read it, and no FIN yet, may take the connection for a live one.
            if _CORK is not None:
                tls.setsockopt(socket.IPPROTO_TCP, _CORK, 1)
            # Without a timeout it would wait for the client's own close_notify.
            tls.settimeout(0)
            tls.unwrap()

    def _drain(self, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        with suppress(OSError):
            while self._drain_some(deadline):
                pass

    def _drain_some(self, deadline: float | None) -> bool:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return False
        self._socket.settimeout(left)
        # What is read is thrown away, so TLS need not be taken off.
        return bool(socket.SocketType.recv(self._socket, _READ_SIZE))


def _shut(sock: socket.socket, how: int) -> None:
    with suppress(OSError):
        # Not SSLSocket's own, which would take TLS off under the thread that reads.
        socket.SocketType.shutdown(sock, how)


def _dropped() -> Ended:
    return Ended("server", "dropped while idle")


def _broken(error: OSError) -> Ended:
    # The server leaves on its own terms: what breaks under it was broken by the client.
    return Ended("client", f"connection broke: {_words(error)}")


def _words(error: OSError) -> str:
    return error.strerror or str(error)
