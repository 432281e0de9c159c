"""What is read of the heads that httpcore sends and receives: a few fields, as raw bytes.

Heads are looked through for each request, so a field is judged by the length of its name before
anything else is done with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pytest_keepalive._origin import Origin, origin_of, without_secrets
from pytest_keepalive._probes._head import forbids_reuse

Fields = Iterable[tuple[bytes, bytes]]

_LENGTHS = frozenset(map(len, ("connection", "content-length", "transfer-encoding")))
_BODILESS = frozenset((101, 204, 304))


def said_by(fields: Fields) -> tuple[bool, bool, bool]:
    """Read the head of a request.

    Returns:
        Whether it says ``Connection: close``, whether it says ``Expect: 100-continue``, and
        whether a body follows (RFC 9112, section 6).
    """
    closing = has_body = False
    for name, value in fields:
        if len(name) in _LENGTHS:
            lower = name.lower()
            if lower == b"connection":
                closing = closing or b"close" in value.lower()
            elif lower == b"content-length":
                has_body = value != b"0"
            elif lower == b"transfer-encoding":
                has_body = True
    # Nobody expects 100 without a body to send (RFC 9110, section 10.1.1).
    return closing, has_body and any(name.lower() == b"expect" for name, _ in fields), has_body


def framing_of(fields: Fields, http_version: str, status: int, method: bytes) -> tuple[bool, bool]:
    """Read the head of a response.

    Args:
        fields: Its names and values.
        http_version: Such as ``HTTP/1.1``.
        status: Such as 200.
        method: Of the request.

    Returns:
        Whether it forbids reuse of the connection, and whether the length of the body is known
        from it (RFC 9112, section 6.3).
    """
    if http_version == "HTTP/2":
        return False, True
    connection, framed = b"", status in _BODILESS or method == b"HEAD"
    for name, value in fields:
        if len(name) in _LENGTHS:
            lower = name.lower()
            if lower == b"content-length":
                framed = True
            elif lower == b"transfer-encoding":
                framed = framed or b"chunked" in value.lower()
            elif lower == b"connection":
                # Lines of one name are one list (RFC 9110, section 5.2).
                connection += b"," + value
    # 101 ends HTTP on a connection (RFC 9110, 15.2.2); a body that ends with it ends it, too.
    if not framed or status == 101:
        return True, framed
    if not connection and http_version == "HTTP/1.1":
        return False, True
    return forbids_reuse(http_version, connection.decode("latin-1")), True


@lru_cache(maxsize=1024)
def url_of(prefix: str, target: bytes) -> str:
    """Give the URL of a request, without its secrets.

    Args:
        prefix: The origin's text.
        target: The request target (RFC 9112, section 3.2).
    """
    text = target.decode("latin-1")
    if text == "*":
        return prefix
    return without_secrets(text if is_absolute(target) else prefix + text)


def is_absolute(target: bytes) -> bool:
    """Tell whether a target is a whole URL, as a forward proxy wants it."""
    return not target.startswith(b"/") and b"://" in target.partition(b"?")[0]


def asked_origin(url: Any) -> Origin:
    """Give who the client asked for.

    Args:
        url: A ``httpcore.URL``; the proxy's where the request goes to a forward proxy.
    """
    target: bytes = url.target
    if is_absolute(target):
        asked = origin_of(target.decode("latin-1"))
        if asked is not None:
            return asked
    origin = url.origin
    return Origin(origin.scheme.decode("ascii"), origin.host.decode("latin-1"), origin.port)
