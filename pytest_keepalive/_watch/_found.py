"""What one source tells of one socket: an obituary, a dump, or the socket itself."""

from __future__ import annotations

import _socket
import os
import sys
from typing import NamedTuple

from pytest_keepalive._events import Outcome
from pytest_keepalive._origin import Address, address_of
from pytest_keepalive._watch._record import Record
from pytest_keepalive._watch._ring import BY_DESCRIPTOR
from pytest_keepalive._watch._sock_diag import (
    CLOSE,
    SYN_SENT,
    TIME_WAIT,
    Counts,
    Socket,
    counts_of,
)

_SO_COOKIE = 57
_TCP_INFO_SIZE = 240


class Found(NamedTuple):
    """What became of a connect.

    Args:
        outcome: ``None`` where the kernel does not tell.
        local: The client's end.
        peer: The other end, as it really was.
        is_open: Whether the socket is still in use.
        sent: Bytes of payload sent.
        received: Bytes of payload received.
        went_out: Whether a SYN was sent.
    """

    outcome: Outcome | None = None
    local: Address | None = None
    peer: Address | None = None
    is_open: bool | None = None
    sent: int | None = None
    received: int | None = None
    went_out: bool = True


def of_either(entry: Socket) -> Found:
    """Read an entry that is an obituary or of a dump."""
    return of_the_dead(entry) if entry.state == CLOSE else of_the_living(entry)


def of_the_dead(dead: Socket) -> Found:
    """Read an obituary; the outcome is ``None`` where it is wiped."""
    counts = dead.counts
    if dead.peer[1] == 0 and not (counts and counts.established):
        # Without a port of its own it never sent anything.
        went_out = dead.local[1] != 0
        return Found(None if went_out else Outcome.FAILED, is_open=False, went_out=went_out)
    return _with_counts(dead, Outcome.FAILED, counts, is_open=False)


def of_the_living(entry: Socket) -> Found:
    """Read an entry of a dump."""
    if entry.state == TIME_WAIT:
        return Found(Outcome.ESTABLISHED, entry.local, entry.peer, is_open=False)
    # Whatever is in the dump has left SYN-SENT, or is still there.
    otherwise = Outcome.PENDING if entry.state == SYN_SENT else Outcome.ESTABLISHED
    return _with_counts(entry, otherwise, entry.counts, is_open=entry.inode != 0)


def _with_counts(entry: Socket, otherwise: Outcome, counts: Counts | None, is_open: bool) -> Found:
    established = counts is not None and counts.established
    return Found(
        Outcome.ESTABLISHED if established else otherwise,
        entry.local,
        entry.peer,
        is_open,
        counts.sent if counts else None,
        counts.received if counts else None,
    )


def look_at(record: Record) -> Found | None:
    """Look at a socket through the descriptor that connected, if it is still that socket."""
    if record.look != BY_DESCRIPTOR:
        return None
    try:
        # Not socket.socket: it may be watched, or forbidden to the test.
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, _duplicate(record))
    except OSError:
        return None
    try:
        cookie = sock.getsockopt(_socket.SOL_SOCKET, _SO_COOKIE, 8)
        if int.from_bytes(cookie, sys.byteorder) != record.cookie:
            return None
        info = sock.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, _TCP_INFO_SIZE)
        return _of_the_open(sock, info)
    except OSError:
        return None
    finally:
        sock.close()


def _duplicate(record: Record) -> int:
    if record.tgid == os.getpid():
        return os.dup(record.descriptor)
    from pytest_keepalive._watch._system_calls import Duplicator

    pidfd = os.pidfd_open(record.tgid)
    try:
        return Duplicator().duplicate(pidfd, record.descriptor)
    finally:
        os.close(pidfd)


def _of_the_open(sock: _socket.socket, info: bytes) -> Found:
    counts = counts_of(info)
    if counts is not None and counts.established:
        outcome = Outcome.ESTABLISHED
    else:
        outcome = Outcome.FAILED if info[0] == CLOSE else Outcome.PENDING
    local = address_of(sock.getsockname())
    went_out = local is not None and local[1] != 0
    if outcome is Outcome.FAILED:
        return Found(outcome, is_open=True, went_out=went_out)
    sent, received = (counts.sent, counts.received) if counts else (None, None)
    return Found(outcome, local, None, True, sent, received)
