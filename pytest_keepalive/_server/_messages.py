"""Heads of HTTP/1 messages, the rules that they obey, and their bytes.

Rules
1. Field names keep the case they were sent in; they are compared without it (RFC 9110, 5.1).
2. Whether a connection persists is read from the version and the Connection field alone
   (RFC 9112, 9.3); ``Keep-Alive`` announces, it decides nothing.
3. Text is ISO-8859-1, one character a byte, so that nothing sent is lost (RFC 9110, 5.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

Headers = tuple[tuple[str, str], ...]

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class RequestHead(NamedTuple):
    """The request line and the fields of a request.

    Args:
        method: As sent, such as ``GET``.
        target: As sent: ``/path?query``, an absolute URL, ``host:port`` or ``*``.
        http_version: ``1.0``, ``1.1`` or ``2``.
        headers: Pairs of name and value.
    """

    method: str
    target: str
    http_version: str
    headers: Headers

    @property
    def path(self) -> str:
        """The target's path without its query."""
        return path_of(self.target)

    @property
    def keeps_alive(self) -> bool:
        """Whether the client lets the connection persist (RFC 9112, 9.3)."""
        return keeps_alive(self.http_version, self.headers)

    @property
    def has_body(self) -> bool:
        """Whether a body follows (RFC 9112, 6.3)."""
        length = header_of(self.headers, "content-length")
        return length not in (None, "0") or "transfer-encoding" in names_of(self.headers)


class ResponseHead(NamedTuple):
    """The status line and the fields of a response.

    Args:
        status: Such as 200.
        reason: The reason phrase, which may be empty.
        http_version: ``1.0`` or ``1.1``.
        headers: Pairs of name and value.
    """

    status: int
    reason: str
    http_version: str
    headers: Headers

    @property
    def keeps_alive(self) -> bool:
        """Whether the server lets the connection persist (RFC 9112, 9.3)."""
        return keeps_alive(self.http_version, self.headers)


def path_of(target: str) -> str:
    """Give the path of a request target (RFC 9112, 3.2) without its query."""
    target = target.partition("?")[0]
    if target.startswith("/") or "://" not in target:
        return target
    return "/" + target.partition("://")[2].partition("/")[2]


def names_of(headers: Headers) -> frozenset[str]:
    """Give the names of some fields in lower case."""
    return frozenset(name.lower() for name, _ in headers)


def header_of(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """Give the value of the first field of a name, which is given in lower case."""
    return next((value for field, value in headers if field.lower() == name), None)


def options_of(headers: Headers) -> frozenset[str]:
    """Give the options of every Connection field in lower case (RFC 9110, 7.6.1)."""
    return frozenset(
        option.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for option in value.split(",")
    )


def keeps_alive(http_version: str, headers: Headers) -> bool:
    """Tell whether the sender of a message lets its connection persist (RFC 9112, 9.3)."""
    options = options_of(headers)
    if "close" in options:
        return False
    return http_version != "1.0" or "keep-alive" in options


def never_has_body(method: str, status: int) -> bool:
    """Tell whether a response has no body whatever its fields say (RFC 9112, 6.3)."""
    return method == "HEAD" or status < 200 or status in (204, 304)


def encode_request_head(head: RequestHead) -> bytes:
    """Give the bytes of a request up to its body."""
    return _encode(f"{head.method} {head.target} HTTP/{head.http_version}", head.headers)


def encode_response_head(head: ResponseHead) -> bytes:
    """Give the bytes of a response up to its body."""
    return _encode(f"HTTP/{head.http_version} {head.status} {head.reason}", head.headers)


def encode_chunk(data: bytes) -> bytes:
    """Give one chunk; the empty one, which would end the body, is left out (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def reason_of(status: int) -> str:
    """Give the usual reason phrase of a status, or an empty text."""
    return _REASONS.get(status, "")


def _encode(start_line: str, headers: Headers) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{start_line}\r\n{fields}\r\n".encode("latin-1")
