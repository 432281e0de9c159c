"""A server that the network loses: its kernel drops whatever comes, and says nothing."""

from __future__ import annotations

import ctypes
import socket
from contextlib import suppress
from threading import Event, Thread

_SO_ATTACH_FILTER = 26
_RETURN_NOTHING = 0x06
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("constant", ctypes.c_uint),
    ]


class _Program(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_ushort),
        ("instructions", ctypes.POINTER(_Instruction)),
    ]


def swallow(sock: socket.socket) -> None:
    """Have the kernel drop every segment that comes for a socket, unacknowledged (Linux)."""
    program = _Program(1, (_Instruction * 1)(_Instruction(_RETURN_NOTHING, 0, 0, 0)))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))


class BlackHole:
    """A server whose first connection is lost behind its first response; the others are fine."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._accepting = Thread(target=self._accept)
        self._threads: list[Thread] = []
        self.accepted = 0
        self.is_lost = Event()

    def __enter__(self) -> BlackHole:
        self._accepting.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._open:
            sock.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                self.accepted += 1
                thread = Thread(target=self._serve, args=(sock, self.accepted == 1))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket, is_first: bool) -> None:
        with suppress(OSError):
            while sock.recv(65536):
                sock.sendall(_RESPONSE)
                if is_first:
                    swallow(sock)
                    self.is_lost.set()
