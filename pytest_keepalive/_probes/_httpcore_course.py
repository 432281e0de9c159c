"""What the course of an exchange of httpcore is made of.

Rules
1. The fields of heads are kept in bytes, and are read when somebody takes the course in, or asks
   why a connection is closed.
2. They are kept as one tuple of names and values in turn: a list of pairs would be a dozen objects
   for the garbage collector to visit.
3. A head that is as the one before on its connection is not kept again.
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
    asked, (_, _, (status, version, method, flat)) = course[2], course[5]
    shown = _shown(version)
    will_close, _ = framing_of(_pairs(flat), shown, status, method)
    return Head(will_close, said_by(_pairs(asked[-1]))[0], shown, status)


class LastHead:
    """The last head that a connection carried in one direction."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        # One value, since threads share a connection over HTTP/2.
        self._last: tuple[Facts, Facts] = (), ()

    def keep(self, head: Facts) -> Facts:
        """Give something to keep of a head, the same object for equal ones.

        Args:
            head: Its parts, the last of which are the pairs of its fields.
        """
        last, kept = self._last
        if head == last:
            return kept
        *parts, fields = head
        # Whose list it is may change it.
        kept = *parts, tuple(chain.from_iterable(fields))
        self._last = (*parts, list(fields)), kept
        return kept


def _requested(exchange: int, at: float, asked: Facts) -> Event:
    pair, prefix, site, worker, method, target, flat = asked
    made = method.decode("ascii"), url_of(prefix, target), site
    return new_event(Requested, (exchange, pair, at, *made, *said_by(_pairs(flat)), worker))


def _answered(exchange: int, facts: Facts) -> Event:
    at, is_first, (status, version, method, flat) = facts
    shown, fields = _shown(version), _pairs(flat)
    will_close, framed = framing_of(fields, shown, status, method)
    kept = _NO_FIELDS
    if is_first or will_close or status >= _REDIRECTION or _is_chunked(fields):
        kept = kept_fields(_texts(fields))
    return new_event(Answered, (exchange, at, status, shown, will_close, kept, framed))


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
