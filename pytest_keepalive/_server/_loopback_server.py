"""What the origin and the proxy share: accepting, counting, waiting, and leaving nothing behind.

Rules
1. ``close`` joins every thread and closes every socket; it may be called more than once.
2. Nothing is printed: what goes wrong is in ``errors`` and in a connection's ``close_reason``.
3. A test waits for a state, never for time to pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from socket import socket
from threading import Lock
from typing import NoReturn, TypeVar

from pytest_keepalive._origin import Address
from pytest_keepalive._server import _arguments
from pytest_keepalive._server._faults import Effect, Fault, Moment
from pytest_keepalive._server._listener import Listener, checked_host
from pytest_keepalive._server._recorder import Entry
from pytest_keepalive._server._records import AcceptedConnection, RecordedRequest
from pytest_keepalive._server._service import Service, server_closed
from pytest_keepalive._server._wire import Ended, Wire
from pytest_keepalive._server._workers import Workers

_Self = TypeVar("_Self", bound="LoopbackServer")

_DEFAULT_TIMEOUT = 5.0


class LoopbackServer(ABC):
    """A server on loopback that counts what it accepts; a context manager.

    Args:
        host: ``localhost`` (listening on 127.0.0.1) or a loopback address.
        port: 0 takes a free one.
        tls: Whether a connection begins with a handshake.
        service: What its connections share.
    """

    def __init__(self, host: str, port: int, tls: bool, service: Service) -> None:
        self._host = checked_host(host)
        self._wanted_port = _arguments.count("port", port, 0, 65535)
        self._tls = tls
        self._service = service
        self._listener: Listener | None = None
        self._workers = Workers(type(self).__name__)
        self._lock = Lock()
        self._wires: dict[Wire, Entry] = {}
        self._accept_faults: deque[Fault | None] = deque()

    def start(self: _Self) -> _Self:
        """Begin to listen.

        Raises:
            RuntimeError: It was started before.
            OSError: The address cannot be listened on.
        """
        if self._listener is not None:
            raise RuntimeError(f"{self!r} was started before")
        self._listener = Listener(
            self._host, self._wanted_port, self._take, f"{type(self).__name__}-accept"
        )
        return self

    def close(self) -> None:
        """Close every connection and stop listening; what was recorded can still be read."""
        if self._listener is None or self._service.closing.is_set():
            return
        self._service.closing.set()
        self._listener.close()
        for wire in self._open_wires():
            wire.abort()
        self._workers.close()

    def __enter__(self: _Self) -> _Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "not started" if self._listener is None else self.url
        recorder = self._service.recorder
        seen = f"{recorder.accepted} accepted, {recorder.requested} requests"
        return f"<{type(self).__name__} {where}: {seen}>"

    @property
    def host(self) -> str:
        """The host as it was asked for."""
        return self._host

    @property
    def port(self) -> int:
        """The port that it listens on.

        Raises:
            RuntimeError: The server was not started.
        """
        if self._listener is None:
            raise RuntimeError(f"{self!r}: start it first, or use it in a with statement")
        return self._listener.port

    @property
    def url(self) -> str:
        """The origin, such as ``http://127.0.0.1:40123``, without a slash at the end."""
        shown = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{shown}:{self.port}"

    @property
    def connections(self) -> tuple[AcceptedConnection, ...]:
        """What was accepted, in order."""
        return self._service.recorder.connections

    @property
    def open_connections(self) -> tuple[AcceptedConnection, ...]:
        """Those of the connections that are open."""
        return tuple(connection for connection in self.connections if connection.is_open)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """What was requested, in order of arrival, over whichever connection."""
        return self._service.recorder.requests

    @property
    def exchanges(self) -> tuple[tuple[int, int], ...]:
        """The connection index and the exchange index of each request, in order of arrival."""
        return tuple((r.connection_index, r.exchange_index) for r in self.requests)

    @property
    def accepted(self) -> int:
        """How many connections were accepted."""
        return self._service.recorder.accepted

    @property
    def count(self) -> int:
        """The same as ``accepted``."""
        return self.accepted

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """What the author's own functions raised, in order."""
        return tuple(self._service.errors)

    def reset(self) -> None:
        """Forget what was recorded; indices start again.

        A connection that is open now and carries another request is listed anew, with the next
        index; its exchanges are counted on.
        """
        self._service.recorder.reset()

    def on_accept(self, *faults: Fault | None) -> None:
        """Have faults strike the next connections, one each; ``None`` lets one pass.

        Raises:
            TypeError: One is no fault.
            ValueError: One does not strike on accept, or waits for nothing.
        """
        for fault in faults:
            _check_accept_fault(fault)
        self._accept_faults.extend(faults)

    def drop_idle(self, timeout: float = _DEFAULT_TIMEOUT) -> int:
        """Close every idle connection, and every other one as soon as its exchange ends.

        Args:
            timeout: Seconds to wait until the idle ones are closed.

        Returns:
            How many were idle.

        Raises:
            TimeoutError: They were not closed in that time.
        """
        with self._lock:
            wires = tuple(self._wires.items())
        idle = [entry for wire, entry in wires if wire.drop()]
        self._service.recorder.wait_for(
            lambda: all(entry.closed_at is not None for entry in idle),
            timeout,
            f"{len(idle)} idle connections to be dropped",
        )
        return len(idle)

    def wait_for(
        self: _Self, condition: Callable[[_Self], object], timeout: float = _DEFAULT_TIMEOUT
    ) -> None:
        """Wait until a condition on this server holds, judging it at each change.

        Raises:
            TimeoutError: It did not come to hold in so many seconds.
        """
        recorder = self._service.recorder
        recorder.wait_for(lambda: condition(self), timeout, "a condition on the server")

    def wait_for_connections(self, count: int, timeout: float = _DEFAULT_TIMEOUT) -> None:
        """Wait until so many connections were accepted.

        Raises:
            TimeoutError: They were not in so many seconds.
        """
        recorder = self._service.recorder
        recorder.wait_for(lambda: recorder.accepted >= count, timeout, f"{count} connections")

    def wait_for_requests(self, count: int, timeout: float = _DEFAULT_TIMEOUT) -> None:
        """Wait until so many requests have come, answered or not.

        Raises:
            TimeoutError: They had not in so many seconds.
        """
        recorder = self._service.recorder
        recorder.wait_for(lambda: recorder.requested >= count, timeout, f"{count} requests")

    def wait_until_closed(
        self, connections: int | None = None, timeout: float = _DEFAULT_TIMEOUT
    ) -> None:
        """Wait until so many connections are closed; by default as many as were accepted.

        Raises:
            TimeoutError: They were not in so many seconds.
        """
        recorder = self._service.recorder
        count = recorder.accepted if connections is None else connections
        what = f"{count} connections to be closed"
        recorder.wait_for(lambda: recorder.closed >= count, timeout, what)

    @abstractmethod
    def _converse(self, wire: Wire, entry: Entry) -> NoReturn:
        """Do what is done with one connection, until it is ``Ended``."""

    def _open_wires(self) -> list[Wire]:
        with self._lock:
            return list(self._wires)

    def _take(self, sock: socket, peer: Address) -> None:
        wire = Wire(sock, self._tls)
        # Who waited for a connection may drop it at once.
        with self._lock:
            entry = self._wires[wire] = self._service.recorder.accept(peer, self._tls)
        fault = self._accept_faults.popleft() if self._accept_faults else None
        self._workers.run(partial(self._attend, wire, entry, fault))

    def _attend(self, wire: Wire, entry: Entry, fault: Fault | None) -> None:
        ended = self._ending(wire, entry, fault)
        wire.leave(ended.manner)
        self._service.recorder.close(entry, ended.by, ended.reason)
        wire.linger()
        with self._lock:
            del self._wires[wire]

    def _ending(self, wire: Wire, entry: Entry, fault: Fault | None) -> Ended:
        try:
            if fault is not None:
                self._service.strike(fault, wire, None)
            self._converse(wire, entry)
        except Ended as exception:
            ended = exception
        except BaseException as error:
            self._service.errors.append(error)
            ended = Ended("server", f"{type(error).__name__}: {error}")
        return server_closed() if self._service.closing.is_set() else ended


def _check_accept_fault(fault: object) -> None:
    if fault is None:
        return
    if not isinstance(fault, Fault):
        raise TypeError(f"on_accept takes Fault values or None, not {fault!r}")
    if fault.moment is not Moment.ON_ACCEPT:
        raise ValueError(f"{fault!r} does not strike on accept")
    if fault.effect is Effect.HOLD and fault.gate is None:
        raise ValueError("on accept there is no route to release: give the hold a gate")
