"""A server that does nothing but count: the other witness of every number in these tests."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from types import TracebackType

from pytest_keepalive._origin import Address, address_of

_UNACKED_AT = 24  # of struct tcp_info; on a listening socket, how many wait to be accepted
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
_END_OF_HEAD = b"\r\n\r\n"


class CountingServer:
    """Accepts, answers each request head, and remembers who came."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=4096)
        self._listener.setblocking(False)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}/"
        self._lock = threading.Lock()
        self._clients: list[Address] = []
        self._conversations: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._closing, self._close = socket.socketpair()
        self._selector.register(self._closing, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="counting-server")

    def __enter__(self) -> CountingServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close.send(b"x")
        self._thread.join()
        for sock in (*self._conversations, self._listener, self._closing, self._close):
            sock.close()
        self._selector.close()

    @property
    def accepted(self) -> list[Address]:
        """Who came, when nobody waits to be accepted any more."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with self._lock:
                if not self._waiting():
                    return list(self._clients)
            time.sleep(0.001)
        raise AssertionError("somebody still waits to be accepted")

    def _waiting(self) -> int:
        info = self._listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return int(struct.unpack_from("=I", info, _UNACKED_AT)[0])

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock is self._closing:
                    return
                if sock is self._listener:
                    self._accept()
                else:
                    self._answer(sock)

    def _accept(self) -> None:
        with self._lock:
            try:
                while True:
                    sock, client = self._listener.accept()
                    address = address_of(client)
                    assert address is not None
                    self._clients.append(address)
                    self._conversations.add(sock)
                    self._selector.register(sock, selectors.EVENT_READ)
            except BlockingIOError:
                return

    def _answer(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
            for _ in range(data.count(_END_OF_HEAD)):
                sock.sendall(_REPLY)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(sock)
            self._conversations.discard(sock)
            sock.close()
