"""What the course of an exchange of ``http.client`` is made of."""

from __future__ import annotations

from functools import lru_cache

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._events import Answered, Event, Requested, new_event
from pytest_keepalive._origin import Pair, without_secrets
from pytest_keepalive._probes._course import Facts, reader_of

Asked = tuple[Pair, str, "CallSite | None", int, bytes]
"""Connection, origin, the user's line, the thread, and the head."""

_VERSIONS = {9: "HTTP/0.9", 10: "HTTP/1.0", 11: "HTTP/1.1"}
_PLAIN = False, False, False


def _requested(exchange: int, at: float, asked: Asked) -> Event:
    pair, prefix, site, worker, head = asked
    method, url, *said = _read_head(head, prefix)
    return new_event(Requested, (exchange, pair, at, method, url, site, *said, worker))


def _answered(exchange: int, facts: Facts) -> Event:
    at, status, version, will_close, headers, length, chunked = facts
    framed = length is not None or bool(chunked)
    version = _VERSIONS.get(version, "HTTP/1.1")
    return new_event(Answered, (exchange, at, status, version, will_close, headers, framed))


@lru_cache(maxsize=1024)
def _read_head(head: bytes, prefix: str) -> tuple[str, str, bool, bool, bool]:
    line = head.partition(b"\n")[0]
    return *_read_line(line, prefix), *_said(head)


def _read_line(line: bytes, prefix: str) -> tuple[str, str]:
    """Give method and URL of a request line (RFC 9112, section 3)."""
    method, _, rest = line.decode("latin-1").partition(" ")
    target = rest.rpartition(" ")[0]
    # A request to a forward proxy has its whole URL as target (RFC 9112, section 3.2.2).
    absolute = target if "://" in target.partition("?")[0] else prefix + target
    return method, without_secrets(absolute)


def _said(head: bytes) -> tuple[bool, bool, bool]:
    """Tell whether a request head asks for a close, for 100 Continue, and announces a body."""
    if b"lose" not in head and b"ength" not in head and b"nsfer-" not in head:
        return _PLAIN
    fields = dict(line.partition(b":")[::2] for line in head.lower().split(b"\n")[1:])
    return (
        b"close" in fields.get(b"connection", b""),
        b"100-continue" in fields.get(b"expect", b""),
        fields.get(b"content-length", b"0").strip() != b"0" or b"transfer-encoding" in fields,
    )


read_course = reader_of(_requested, _answered)
