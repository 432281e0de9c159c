"""Accepting connections on loopback.

Rules
1. Nothing here calls ``connect``, not even to wake the accept loop: a watched process would
   see a client that does not exist.
2. A connection is handed over in the order of accept, by one thread.
"""

from __future__ import annotations

import ipaddress
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from pytest_keepalive._origin import Address, address_of

Serve = Callable[[socket.socket, Address], None]

_BACKLOG = 4096
_BREATHER_SECONDS = 0.01


def checked_host(host: object) -> str:
    """Give a host on loopback back.

    Raises:
        TypeError: It is no text.
        ValueError: It is neither ``localhost`` nor a loopback address.
    """
    if not isinstance(host, str):
        raise TypeError(f"host must be text, not {host!r}")
    with suppress(ValueError):
        if host == "localhost" or ipaddress.ip_address(host).is_loopback:
            return host
    raise ValueError(f"host must be 'localhost' or a loopback address, not {host!r}")


class Listener:
    """A listening socket and the thread that accepts from it.

    Args:
        host: ``localhost`` (which is 127.0.0.1 here) or a loopback address.
        port: 0 takes a free one.
        serve: Called with each accepted socket and the client's address; it must not block.
        name: Of the thread.

    Raises:
        OSError: The address cannot be listened on.
    """

    def __init__(self, host: str, port: int, serve: Serve, name: str) -> None:
        address = "127.0.0.1" if host == "localhost" else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._serve = serve
        self._closing = Event()
        self._socket = socket.create_server((address, port), family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._waker, self._wakened = socket.socketpair()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self.port: int = self._socket.getsockname()[1]
        self._thread.start()

    def close(self) -> None:
        """Stop listening; no connection is handed over afterwards."""
        self._closing.set()
        self._waker.send(b"\0")
        self._thread.join()
        # A forked child may hold the socket too, and would go on listening.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for sock in (self._socket, self._waker, self._wakened):
            sock.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wakened, selectors.EVENT_READ)
            while not self._closing.is_set():
                selector.select()
                self._accept_waiting()

    def _accept_waiting(self) -> None:
        with suppress(BlockingIOError):
            while not self._closing.is_set():
                self._accept()

    def _accept(self) -> None:
        try:
            sock, name = self._socket.accept()
        except BlockingIOError:
            raise
        except OSError:
            # The client left already, or descriptors have run out: a breather lets some close.
            self._closing.wait(_BREATHER_SECONDS)
            return
        self._serve(sock, address_of(name) or ("", 0))
