"""A server that counts what it accepts, and answers each line of bytes by a script."""

from __future__ import annotations

import socketserver
from collections.abc import Callable
from threading import Condition, Thread
from types import TracebackType

Answer = Callable[[bytes], bytes]


class CountingServer:
    """Listens on loopback; a context manager.

    Args:
        answer: What it sends for what it received; nothing closes the connection.
    """

    def __init__(self, answer: Answer) -> None:
        self._changed = Condition()
        self.accepted = 0
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with outer._changed:
                    outer.accepted += 1
                    outer._changed.notify_all()
                while received := self.request.recv(65536):
                    reply = answer(received)
                    if not reply:
                        return
                    self.request.sendall(reply)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def accepted_of(self, count: int) -> int:
        """Wait until so many were accepted, and give how many were; for five seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: self.accepted >= count, timeout=5)
            return self.accepted

    def __enter__(self) -> CountingServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
