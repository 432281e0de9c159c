"""What the course of an exchange of httpcore is made of.

The fields of heads are kept in bytes, and are read when somebody takes the course in, or asks why
a connection is closed. They are kept as one tuple of names and values in turn: a list of pairs
would be a dozen objects for the garbage collector to visit, for as long as the test lasts.
"""

from __future__ import annotations

from itertools import chain

from pytest_keepalive._events import Answered, Course, Event, Requested, new_event
from pytest_keepalive._probes._course import Facts, reader_of
from pytest_keepalive._probes._head import kept_fields
from pytest_keepalive._probes._httpcore_head import Fields, framing_of, said_by, url_of
from pytest_keepalive._probes._httpcore_state import Head

_REDIRECTION = 300
_CHUNKED_LENGTH = len("transfer-encoding")
_NO_FIELDS: tuple[tuple[str, str], ...] = ()
_VERSIONS = {b"HTTP/1.1": "HTTP/1.1", b"HTTP/1.0": "HTTP/1.0", b"HTTP/2": "HTTP/2"}


def head_of(course: Course) -> Head:
    """Give what the heads of an exchange that was answered say of the connection's future."""
    _, status, version, flat, method, _ = course[3]
    shown = _shown(version)
    will_close, _ = framing_of(_pairs(flat), shown, status, method)
    return Head(will_close, said_by(_pairs(course[2][6]))[0], shown, status)


def _requested(exchange: int, asked: Facts) -> Event:
    _, pair, at, method, target, prefix, flat, site, worker = asked
    made = method.decode("ascii"), url_of(prefix, target), site
    return new_event(Requested, (exchange, pair, at, *made, *said_by(_pairs(flat)), worker))


def _answered(exchange: int, facts: Facts) -> Event:
    at, status, version, flat, method, is_first = facts
    shown, fields = _shown(version), _pairs(flat)
    will_close, framed = framing_of(fields, shown, status, method)
    kept = _NO_FIELDS
    if is_first or will_close or status >= _REDIRECTION or _is_chunked(fields):
        kept = kept_fields(_texts(fields))
    return new_event(Answered, (exchange, at, status, shown, will_close, kept, framed))


def flattened(fields: Fields) -> tuple[bytes, ...]:
    """Give names and values in turn.

    Args:
        fields: The pairs of a head.
    """
    return tuple(chain.from_iterable(fields))


def _pairs(flat: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _shown(version: bytes) -> str:
    return _VERSIONS.get(version, "HTTP/1.1")


def _is_chunked(fields: Fields) -> bool:
    # A stream is told from other bodies by its type, and is sent in chunks.
    return any(len(name) == _CHUNKED_LENGTH for name, _ in fields)


def _texts(fields: Fields) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


read_course = reader_of(_requested, _answered)
