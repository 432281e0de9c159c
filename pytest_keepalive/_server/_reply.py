"""Replies: what the server is told to answer, and how it is to misbehave.

Rules
1. A reply is data, checked when it is written; the same one may answer many requests at once.
2. A body whose size is known goes with Content-Length, any other one in chunks, unless told
   otherwise (RFC 9112, 6).
3. A field that the author gave is sent as it is, even where it lies.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from threading import Event
from typing import Any

from pytest_keepalive._server import _arguments
from pytest_keepalive._server._faults import Effect, Fault, Moment, Spot, fault_at
from pytest_keepalive._server._messages import Headers, names_of

Body = bytes | str | Sequence[bytes | str] | Callable[[], Iterable[bytes | str]]
"""One piece, several pieces, or a function that makes pieces anew for each response."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class BodyFraming(str, Enum):
    """How the client learns where a body ends (RFC 9112, 6.3)."""

    LENGTH = "length"
    """Content-Length."""
    CHUNKED = "chunked"
    """Transfer-Encoding: chunked."""
    EOF = "eof"
    """Not at all: the server closes the connection."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Reply:
    """One response, and what goes wrong with it.

    Args:
        status: From 200 to 599.
        body: Text or bytes; several of them, sent apart; or a function returning an iterable of
            bytes, called for each response, that may wait and need not end.
        headers: A mapping or pairs. Content-Type, framing and Connection are added unless given.
        reason: The reason phrase; the usual one of the status by default.
        framing: How the end of the body is told: ``length``, ``chunked`` or ``eof``.
        keep_alive: ``False`` says ``Connection: close`` and closes. ``True`` keeps the connection
            whatever the client asked, and over HTTP/1.0 says ``Connection: keep-alive``.
            By default what the client asked and HTTP allows (RFC 9112, 9.3).
        http_version: Of this response, ``1.0`` or ``1.1``; the server's by default.
        piece_size: Cuts the body into pieces of so many bytes.
        pause: Seconds between pieces.
        echo: Answer with the body of the request.
        read_body: ``False`` answers as soon as the head of the request has come. Its body is then
            left unread and the connection closed; with ``keep_alive=True`` it is read afterwards.
        says_continue: ``False`` never answers 100 to ``Expect: 100-continue``, and waits.
        delay: Seconds before the head.
        hold: Before the head, wait for this event; ``True`` waits for the server's ``release``.
        stall, close, half_close, reset: When that strikes: a moment such as ``before_head``,
            ``after_response``, or a count of bytes of the body.
        faults: Any others.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A value makes no sense, alone or beside another.
    """

    status: int
    pieces: tuple[bytes, ...] | Callable[[], Iterable[bytes | str]]
    headers: Headers
    reason: str | None
    framing: BodyFraming
    keep_alive: bool | None
    http_version: str | None
    piece_size: int | None
    pause: float
    echo: bool
    read_body: bool
    says_continue: bool
    faults: tuple[Fault, ...]

    def __init__(
        self,
        status: int = 200,
        body: Body = "ok",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        reason: str | None = None,
        framing: BodyFraming | str | None = None,
        keep_alive: bool | None = None,
        http_version: str | None = None,
        piece_size: int | None = None,
        pause: float = 0.0,
        echo: bool = False,
        read_body: bool = True,
        says_continue: bool = True,
        delay: float = 0.0,
        hold: bool | Event = False,
        stall: Spot | None = None,
        close: Spot | None = None,
        half_close: Spot | None = None,
        reset: Spot | None = None,
        faults: Fault | Iterable[Fault] = (),
    ) -> None:
        strikes = {"stall": stall, "close": close, "half_close": half_close, "reset": reset}
        pairs = _pairs(headers)
        pieces = _pieces(body, piece_size)
        values = {
            "status": _arguments.count("status", status, 200, 599),
            "pieces": pieces,
            "headers": pairs if _is_typed(pairs, pieces) else (_type_of(body), *pairs),
            "reason": None if reason is None else _text("reason", reason),
            "framing": _framing(framing, body),
            "keep_alive": None if keep_alive is None else _arguments.flag("keep_alive", keep_alive),
            "http_version": http_version_of(http_version, None),
            "piece_size": piece_size,
            "pause": _arguments.seconds("pause", pause, zero=True),
            "echo": _arguments.flag("echo", echo),
            "read_body": _arguments.flag("read_body", read_body),
            "says_continue": _arguments.flag("says_continue", says_continue),
            "faults": (*_waits(delay, hold), *_strikes(strikes), *_others(faults)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check()

    @classmethod
    def echoing(cls, **fields: Any) -> Reply:
        """Make a reply whose body is that of the request."""
        return cls(body=b"", echo=True, **fields)

    @classmethod
    def json(cls, value: object, **fields: Any) -> Reply:
        """Make a reply whose body is a value as JSON."""
        return cls(body=json.dumps(value), headers={"Content-Type": "application/json"}, **fields)

    @classmethod
    def events(cls, events: Iterable[str], **fields: Any) -> Reply:
        """Make a stream of server-sent events (``text/event-stream``), each a piece of its own.

        Args:
            events: The data of each event.
            fields: Of a reply; ``pause`` is the time between two events.
        """
        body = [f"data: {event}\n\n" for event in events]
        return cls(body=body, headers={"Content-Type": "text/event-stream"}, **fields)

    @classmethod
    def redirect(cls, to: str, status: int = 302, **fields: Any) -> Reply:
        """Make a redirect to a path or to an absolute URL."""
        return cls(status, b"", {"Location": to}, **fields)

    @classmethod
    def challenge(cls, *schemes: str, status: int = 401, **fields: Any) -> Reply:
        """Make a demand for credentials (RFC 9110, 11.6.1).

        Args:
            schemes: Such as ``Negotiate`` or ``Basic realm="x"``, one field each.
            status: 401, or 407 for a proxy's.
            fields: Of a reply.
        """
        field = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
        return cls(status, b"", [(field, scheme) for scheme in schemes], **fields)

    @property
    def size(self) -> int | None:
        """The size of the body in bytes, or ``None`` where only its end will tell."""
        return None if callable(self.pieces) else sum(map(len, self.pieces))

    @property
    def streams(self) -> bool:
        """Whether the body is sent piece by piece rather than at once."""
        return callable(self.pieces) or len(self.pieces) > 1

    def faults_at(self, moment: Moment) -> tuple[Fault, ...]:
        """Give the faults that strike at a moment, in order; in the body, in order of bytes."""
        if not self.faults:
            return ()
        faults = (fault for fault in self.faults if fault.moment is moment)
        return tuple(sorted(faults, key=lambda fault: fault.after))

    def carrying(self, body: bytes, content_type: str | None) -> Reply:
        """Give this reply with another body, as an echo has it.

        Args:
            body: Of the request.
            content_type: Of the request; the reply's own is preferred.
        """
        pairs = self.headers
        if body and "content-type" not in names_of(pairs):
            pairs = (("Content-Type", content_type or "application/octet-stream"), *pairs)
        carrying = copy.copy(self)
        object.__setattr__(carrying, "pieces", _pieces(body, self.piece_size))
        object.__setattr__(carrying, "headers", pairs)
        return carrying

    def __repr__(self) -> str:
        size = "streamed" if self.size is None else f"{self.size} bytes"
        parts = ["echo" if self.echo else size, self.framing.value, *map(str, self.faults)]
        return f"<Reply {self.status}, {', '.join(parts)}>"

    def _check(self) -> None:
        if self.framing is BodyFraming.LENGTH and self.size is None:
            raise ValueError("a body made by a function has no length: use chunked or eof")
        if self.framing is BodyFraming.EOF and self.keep_alive:
            raise ValueError("a body that ends with the connection cannot keep it alive")
        if self.echo and not self.read_body:
            raise ValueError("a body that is not read cannot be echoed")
        if any(fault.moment is Moment.ON_ACCEPT for fault in self.faults):
            raise ValueError("a reply begins after the accept: give such faults to on_accept")


def http_version_of(value: str | None, default: str | None) -> str | None:
    """Give an HTTP/1 version back, or the default for ``None``.

    Raises:
        ValueError: It is neither ``1.0`` nor ``1.1``.
    """
    if value not in (None, "1.0", "1.1"):
        raise ValueError(f"http_version must be '1.0' or '1.1', not {value!r}")
    return default if value is None else value


def _pieces(
    body: Body, piece_size: int | None
) -> tuple[bytes, ...] | Callable[[], Iterable[bytes | str]]:
    if callable(body):
        if piece_size is not None:
            raise ValueError("piece_size cuts a known body; a function makes pieces of its own")
        return body
    whole = isinstance(body, (bytes, str))
    if not whole and not isinstance(body, Sequence):
        raise TypeError(f"body must be bytes, text, pieces of them or a function, not {body!r}")
    pieces = tuple(_bytes(piece) for piece in ([body] if whole else body))
    if piece_size is not None:
        size = _arguments.count("piece_size", piece_size, 1)
        content = b"".join(pieces)
        pieces = tuple(content[at : at + size] for at in range(0, len(content), size))
    return tuple(filter(None, pieces))


def _bytes(piece: object) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if not isinstance(piece, bytes):
        raise TypeError(f"a piece of a body must be bytes or text, not {piece!r}")
    return piece


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Headers:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    try:
        checked = tuple((_text("a field name", name), _text(name, value)) for name, value in pairs)
    except ValueError as error:
        if "unpack" not in str(error):
            raise
        raise TypeError(f"headers must be a mapping or pairs, not {headers!r}") from None
    for name, _ in checked:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a field (RFC 9110, 5.1)")
    return checked


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {value!r}")
    if re.search(r"[\r\n\0]|[^\0-\xff]", value):
        raise ValueError(f"{name} must be one line of ISO-8859-1 text, not {value!r}")
    return value


def _is_typed(pairs: Headers, pieces: object) -> bool:
    return not pieces or "content-type" in names_of(pairs)


def _type_of(body: Body) -> tuple[str, str]:
    text = isinstance(body, str)
    return "Content-Type", "text/plain; charset=utf-8" if text else "application/octet-stream"


def _framing(framing: BodyFraming | str | None, body: Body) -> BodyFraming:
    if framing is None:
        return BodyFraming.LENGTH if isinstance(body, (bytes, str)) else BodyFraming.CHUNKED
    try:
        return BodyFraming(framing)
    except ValueError:
        known = ", ".join(framing.value for framing in BodyFraming)
        raise ValueError(f"{framing!r} is not a framing; they are {known}") from None


def _waits(delay: float, hold: bool | Event) -> tuple[Fault, ...]:
    seconds = _arguments.seconds("delay", delay, zero=True)
    waits = (Fault(Effect.DELAY, seconds=seconds),) if seconds else ()
    if isinstance(hold, Event):
        return (*waits, Fault(Effect.HOLD, gate=hold))
    return (*waits, Fault(Effect.HOLD)) if _arguments.flag("hold", hold) else waits


def _strikes(spots: Mapping[str, Spot | None]) -> tuple[Fault, ...]:
    return tuple(fault_at(Effect(name), spot) for name, spot in spots.items() if spot is not None)


def _others(faults: Fault | Iterable[Fault]) -> tuple[Fault, ...]:
    given = (faults,) if isinstance(faults, Fault) else tuple(faults)
    for fault in given:
        if not isinstance(fault, Fault):
            raise TypeError(f"faults must be Fault values, not {fault!r}")
    return given
