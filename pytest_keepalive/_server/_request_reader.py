"""Reading the requests of one HTTP/1 connection: the I/O around framing."""

from __future__ import annotations

from typing import NoReturn

from pytest_keepalive._server._framing import (
    BodyData,
    Broken,
    MessageEnd,
    PeerClosed,
    RequestFraming,
)
from pytest_keepalive._server._messages import (
    CONTINUE,
    RequestHead,
    ResponseHead,
    encode_response_head,
    reason_of,
)
from pytest_keepalive._server._wire import Ended, Manner, Wire


class RequestReader:
    """Reads requests one after the other.

    Args:
        wire: The accepted socket, after any TLS handshake.
        idle_timeout: Seconds to wait for the beginning of a request; ``None`` for ever.
        received: Bytes that were read already.
    """

    def __init__(self, wire: Wire, idle_timeout: float | None, received: bytes = b"") -> None:
        self._wire = wire
        self._idle_timeout = idle_timeout
        self._framing = RequestFraming()
        if received:
            self._framing.receive(received)

    @property
    def awaits_continue(self) -> bool:
        """Whether the client still waits for a 100 before it sends its body."""
        return self._framing.awaits_continue

    @property
    def leftover(self) -> bytes:
        """The bytes that came after what was read."""
        return self._framing.leftover

    def read_head(self) -> RequestHead:
        """Read the head of the next request.

        Raises:
            Ended: There is none.
        """
        while (event := self._framing.next_event()) is None:
            self._framing.receive(self._read())
        if not isinstance(event, RequestHead):
            self._give_up(event)
        return event

    def read_body(self, says_continue: bool = True) -> bytes:
        """Read the body up to its end.

        Args:
            says_continue: Whether to ask for it where the client waits for that.

        Raises:
            Ended: It has no end.
        """
        pieces = []
        while not isinstance(event := self._framing.next_event(), MessageEnd):
            if isinstance(event, BodyData):
                pieces.append(event.data)
            elif event is None:
                if says_continue:
                    self._ask_for_body()
                    says_continue = False
                self._framing.receive(self._wire.receive())
            else:
                self._give_up(event)
        return b"".join(pieces)

    def start_next(self) -> None:
        """Turn to the next request, leaving out what was not read of the present one."""
        self._framing.start_next()

    def _read(self) -> bytes:
        if self._framing.between_messages:
            return self._wire.await_request(self._idle_timeout)
        return self._wire.receive()

    def _ask_for_body(self) -> None:
        if self._framing.awaits_continue:
            self._wire.send(CONTINUE)

    def _give_up(self, event: object) -> NoReturn:
        if isinstance(event, Broken):
            fields = (("Content-Length", "0"), ("Connection", "close"))
            head = ResponseHead(event.status, reason_of(event.status), "1.1", fields)
            self._wire.send(encode_response_head(head))
            raise Ended("server", f"broken request: {event.reason}", Manner.LINGER)
        mid_message = isinstance(event, PeerClosed) and event.mid_message
        raise Ended("client", "left in the middle of a request" if mid_message else "left")
