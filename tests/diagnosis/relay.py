"""A TCP relay that counts what it accepts: the referee in front of a server that tells nothing."""

from __future__ import annotations

import _socket
import socket
from contextlib import suppress
from threading import Thread


class Relay:
    """Carries each connection to a server, and each close, from either side.

    Args:
        upstream: The port of the server, on loopback.
        hold: Carry nothing before so many connections were accepted.
    """

    def __init__(self, upstream: int, hold: int = 0) -> None:
        self._upstream = upstream
        self._hold = hold
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [Thread(target=self._accept)]
        self._open: list[_socket.socket] = []
        self.accepted = 0

    def __enter__(self) -> Relay:
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in (self._listener, *self._open):
            sock.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def _accept(self) -> None:
        held: list[socket.socket] = []
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.append(near)
                self.accepted += 1
                held.append(near)
                if self.accepted >= self._hold:
                    while held:
                        self._join(held.pop())

    def _join(self, near: socket.socket) -> None:
        # One of the class below socket.socket, which goes past the probes.
        far = _socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        far.connect(("127.0.0.1", self._upstream))
        self._open.append(far)
        for source, target in ((near, far), (far, near)):
            thread = Thread(target=_carry, args=(source, target))
            self._threads.append(thread)
            thread.start()


def _carry(source: _socket.socket, target: _socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    # A server that closes takes nothing more, and answers it with a reset.
    for sock in (target, source):
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    target.close()
