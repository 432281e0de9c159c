"""What the servers of the tests answer: the same pages from each of them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

BODY = b"x" * 1000
BIG = b"y" * 200_000
LINES = [f"line {number}\n".encode() for number in range(20)]
EVENTS = [b"data: one\n\n", b"data: two\n\n", b"data: [DONE]\n\n"]
_JSON = "application/json"


class Asked(NamedTuple):
    """A request.

    Args:
        target: Its path, with the query.
        body: What was sent.
        headers: By their names in small letters.
    """

    target: str
    body: bytes
    headers: Mapping[str, str]


class Answer(NamedTuple):
    """A response.

    Args:
        status: Of it.
        headers: All but the framing of a body in pieces.
        body: Its pieces; a body of one piece goes with its length.
    """

    status: HTTPStatus
    headers: list[tuple[str, str]]
    body: list[bytes]

    @property
    def status_line(self) -> str:
        """Its status as WSGI has it."""
        return f"{self.status.value} {self.status.phrase}"


def answer(asked: Asked) -> Answer:
    """Answer a request: with the page of its path, with the body sent, or with one of our own."""
    path = asked.target.partition("?")[0]
    return _PAGES.get(path.removeprefix("/b/").strip("/"), _ok)(asked)


def _ok(asked: Asked) -> Answer:
    return _whole(asked.body or BODY)


def _empty(asked: Asked) -> Answer:
    return Answer(HTTPStatus.NO_CONTENT, [], [])


def _moved(asked: Asked) -> Answer:
    return _whole(b"", HTTPStatus.FOUND, ("Location", "/ok"))


def _private(asked: Asked) -> Answer:
    return _whole(b"no", HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", 'Basic realm="pages"'))


def _basic(asked: Asked) -> Answer:
    return _ok(asked) if "authorization" in asked.headers else _private(asked)


def _digest(asked: Asked) -> Answer:
    if "authorization" in asked.headers:
        return _ok(asked)
    challenge = 'Digest realm="pages", nonce="0123456789abcdef", qop="auth", algorithm=MD5'
    return _whole(b"no", HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", challenge))


def _login(asked: Asked) -> Answer:
    return _whole(BODY, HTTPStatus.OK, ("Set-Cookie", "token=secret; Path=/"))


def _members(asked: Asked) -> Answer:
    known = "token=secret" in asked.headers.get("cookie", "")
    return _ok(asked) if known else _whole(b"no", HTTPStatus.FORBIDDEN)


def _cached(asked: Asked) -> Answer:
    tag = ("ETag", '"1"')
    if "if-none-match" in asked.headers:
        return Answer(HTTPStatus.NOT_MODIFIED, [tag], [])
    return _whole(BODY, HTTPStatus.OK, tag)


def _compressed(asked: Asked) -> Answer:
    if "gzip" not in asked.headers.get("accept-encoding", ""):
        return _whole(BODY)
    return _whole(gzip.compress(BODY), HTTPStatus.OK, ("Content-Encoding", "gzip"))


def _flaky(asked: Asked) -> Answer:
    """Refuse the first request with each query, and no other."""
    if asked.target in _tried:
        return _ok(asked)
    _tried.add(asked.target)
    return _whole(b"later", HTTPStatus.SERVICE_UNAVAILABLE)


def _whole(body: bytes, status: HTTPStatus = HTTPStatus.OK, *more: tuple[str, str]) -> Answer:
    return Answer(
        status, [("Content-Type", _JSON), ("Content-Length", str(len(body))), *more], [body]
    )


def _pieces(content_type: str, *body: bytes) -> Answer:
    return Answer(HTTPStatus.OK, [("Content-Type", content_type)], [*body])


_tried: set[str] = set()
_PAGES: dict[str, Callable[[Asked], Answer]] = {
    "absent": lambda asked: _whole(b"nothing", HTTPStatus.NOT_FOUND),
    "basic": _basic,
    "big": lambda asked: _whole(BIG),
    "broken": lambda asked: _whole(b"sorry", HTTPStatus.INTERNAL_SERVER_ERROR),
    "cached": _cached,
    "chunks": lambda asked: _pieces(_JSON, *[BODY] * 5),
    "compressed": _compressed,
    "digest": _digest,
    "empty": _empty,
    "events": lambda asked: _pieces("text/event-stream", *EVENTS),
    "flaky": _flaky,
    "lines": lambda asked: _pieces("text/plain", *LINES),
    "login": _login,
    "members": _members,
    "moved": _moved,
    "private": _private,
    "upload": lambda asked: _whole(b""),
}
