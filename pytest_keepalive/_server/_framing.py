"""Where HTTP/1 messages begin and end: bytes in, events out, no I/O.

Rules
1. Parsing is h11's; a parser is used for one message only, so that nothing but the bytes
   decides whether another one follows.
2. Bytes that came after a message belong to the next one (RFC 9112, 9.3.2, pipelining).
3. No bytes at all (``b""``) means that the peer has closed, as ``recv`` tells it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import h11

from pytest_keepalive._server._messages import RequestHead, ResponseHead

_MAX_HEAD = 256 * 1024


class BodyData(NamedTuple):
    """Some bytes of a body, without the framing of chunks."""

    data: bytes


class MessageEnd(NamedTuple):
    """The message is complete."""


class PeerClosed(NamedTuple):
    """The peer closed.

    Args:
        mid_message: Whether it had begun a message that it did not end.
    """

    mid_message: bool


class Broken(NamedTuple):
    """The bytes are not HTTP/1.

    Args:
        status: What a server would answer.
        reason: What is wrong, in words.
    """

    status: int
    reason: str


Event = RequestHead | ResponseHead | BodyData | MessageEnd | PeerClosed | Broken


class _Framing(ABC):
    """What both directions share: one parser a message, and the bytes between messages."""

    def __init__(self) -> None:
        self._closed = False
        self._begun = False
        self._parser = self._new_parser()

    @abstractmethod
    def _new_parser(self) -> h11.Connection:
        """Make a parser for one message."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; ``b""`` when it has closed."""
        if data:
            self._begun = True
            self._parser.receive_data(data)
        else:
            self._closed = True

    def next_event(self) -> Event | None:
        """Give what comes next, or ``None`` when that takes more bytes."""
        try:
            event = self._parser.next_event()
        except h11.RemoteProtocolError as error:
            return Broken(error.error_status_hint, str(error))
        if event is h11.NEED_DATA:
            return self._last_event() if self._closed else None
        return self._translate(event)

    @property
    def between_messages(self) -> bool:
        """Whether no byte of a next message has come."""
        return not self._begun

    @property
    def peer_closed(self) -> bool:
        """Whether the peer has closed: a body without framing ends so."""
        return self._closed

    @property
    def leftover(self) -> bytes:
        """The bytes that came after the message, or after as much of it as was taken."""
        return self._parser.trailing_data[0]

    def start_next(self) -> None:
        """Turn to the next message, leaving out what was not taken of the present one."""
        leftover = self.leftover
        self._begun = bool(leftover)
        self._parser = self._new_parser()
        if leftover:
            self._parser.receive_data(leftover)

    def _last_event(self) -> Event:
        # h11 is told of the end only when it has nothing left to say: so any error that it
        # raises now is about the end itself.
        self._parser.receive_data(b"")
        try:
            return self._translate(self._parser.next_event())
        except h11.RemoteProtocolError:
            return PeerClosed(True)

    def _translate(self, event: object) -> Event:
        if isinstance(event, h11.Data):
            return BodyData(bytes(event.data))
        # Paused without an end: a tunnel or another protocol follows the head.
        if isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
            return MessageEnd()
        return PeerClosed(self._begun)


class RequestFraming(_Framing):
    """The requests of one connection: what a server reads."""

    def _new_parser(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)

    @property
    def awaits_continue(self) -> bool:
        """Whether the client waits for a 100 before it sends its body (RFC 9110, 10.1.1)."""
        return self._parser.they_are_waiting_for_100_continue and not self.leftover

    def _translate(self, event: object) -> Event:
        if not isinstance(event, h11.Request):
            return super()._translate(event)
        version = event.http_version.decode()
        if version not in ("1.0", "1.1"):
            return Broken(505, f"HTTP/{version} is not spoken here")
        method, target = event.method.decode(), event.target.decode("latin-1")
        return RequestHead(method, target, version, _pairs(event))


class ResponseFraming(_Framing):
    """The responses of one connection: what a client reads.

    Args:
        method: Of the request that the next response answers; it decides whether a body follows.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        super().__init__()

    def start_next(self, method: str = "GET") -> None:
        """Turn to the response to another request."""
        self._method = method
        super().start_next()

    def _new_parser(self) -> h11.Connection:
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        # h11 reads a response only to a request that it has sent: this is that request's shape,
        # with the offer to upgrade without which it would not take a 101.
        fields = [("Host", "-"), ("Connection", "upgrade"), ("Upgrade", "-")]
        parser.send(h11.Request(method=self._method, target="/", headers=fields))
        parser.send(h11.EndOfMessage())
        return parser

    def _translate(self, event: object) -> Event:
        if isinstance(event, (h11.Response, h11.InformationalResponse)):
            reason, version = event.reason.decode("latin-1"), event.http_version.decode()
            return ResponseHead(event.status_code, reason, version, _pairs(event))
        return super()._translate(event)


def _pairs(
    head: h11.Request | h11.Response | h11.InformationalResponse,
) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode(), value.decode("latin-1")) for name, value in head.headers.raw_items()
    )
