"""What lies in the ring, read."""

from __future__ import annotations

import time
from typing import NamedTuple

from pytest_keepalive._watch._ring import CAPACITY, IN_HAND, VOID, Ring

# An answer takes the supervisor some microseconds; what takes longer was never answered.
_PATIENCE_SECONDS = 0.05


class Record(NamedTuple):
    """One record, as a supervisor wrote it.

    Args:
        sequence: How many were written up to this one.
        notification: The kernel's number for the call.
        at: When, in seconds.
        cookie: The kernel's number for the socket, 0 where it was not told.
        inode: The socket's inode, 0 where it was not asked for.
        tid: The thread that made the call.
        tgid: Its process.
        run: The runner that the process descends from, 0 for none.
        descriptor: The socket's descriptor in that process.
        scope: The scope id of an IPv6 address.
        family: The address family, 0 where the destination could not be read.
        port: The port that was connected to.
        kind: ``CONNECT``, ``HIDDEN`` or ``IO_URING``.
        look: How the socket was looked at: ``UNSEEN``, ``BY_DESCRIPTOR`` or ``BY_NAME``.
        progress: ``IN_HAND``, ``LET_GO`` or ``VOID``.
        address: The address that was connected to, in network order.
        thread_name: What the kernel calls the thread, 15 bytes at most.
        process_name: The last part of the process's first argument.
    """

    sequence: int
    notification: int
    at: float
    cookie: int
    inode: int
    tid: int
    tgid: int
    run: int
    descriptor: int
    scope: int
    family: int
    port: int
    kind: int
    look: int
    progress: int
    address: bytes
    thread_name: bytes
    process_name: bytes


class Reading(NamedTuple):
    """What was read of a ring.

    Args:
        records: Those that are not void.
        position: Where the next reading begins.
        lost: How many had been overwritten.
    """

    records: tuple[Record, ...]
    position: int
    lost: int


def read_since(ring: Ring, position: int) -> Reading:
    """Read on.

    Args:
        ring: From where.
        position: Where to begin: what an earlier reading gave, or 0.
    """
    end = ring.count
    begin = max(position, end - CAPACITY)
    read = [_settled(ring, number) for number in range(begin, end)]
    kept = tuple(record for record in read if record is not None and record.progress != VOID)
    return Reading(kept, end, begin - position + read.count(None))


def _settled(ring: Ring, position: int) -> Record | None:
    """Read a record, after the moment in which it is in hand."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        fields = ring.fields_at(position)
        if fields is None:
            return None
        record = Record._make(fields)
        if record.progress != IN_HAND or time.monotonic() > deadline:
            return record
        time.sleep(0)
