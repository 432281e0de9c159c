"""From the ring to facts: who connected where, and what became of it.

Rules
1. What is read once can be looked at again, for as long as it is in the ring: a connection that
   was pending or open may have become something.
2. In the ring of a watched process the facts of one program are told by the runner that the
   program descends from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pytest_keepalive._watch._by_destination import destination_of
from pytest_keepalive._watch._facts import Doubt, KernelConnect, SeenBy
from pytest_keepalive._watch._found import Found
from pytest_keepalive._watch._io_uring import USES_IO_URING
from pytest_keepalive._watch._outcomes import Outcomes
from pytest_keepalive._watch._record import Record, read_since
from pytest_keepalive._watch._ring import BY_NAME, CONNECT, IO_URING, Ring

_DOUBTS = {IO_URING: USES_IO_URING}
_HIDDEN = "hides its memory and its descriptors; it called connect(2), on whatever socket"


class Trace(NamedTuple):
    """What was read of a ring.

    Args:
        connects: The connects, in the order in which they were made.
        doubts: What may have opened connections that were not seen.
        position: Where the next reading begins.
        lost: How many records had been overwritten; they count as connects.
    """

    connects: tuple[KernelConnect, ...]
    doubts: tuple[Doubt, ...]
    position: int
    lost: int


def trace_since(
    ring: Ring,
    position: int,
    outcomes: Outcomes,
    *,
    run: int | None = None,
    patience: float = 0.0,
) -> Trace:
    """Read on.

    Args:
        ring: From where.
        position: Where to begin: what an earlier reading gave, or 0.
        outcomes: Finds out what became of the connects.
        run: Only what this runner's program did; ``None`` for everything.
        patience: How long to wait for what is due from the kernel, in seconds.
    """
    reading = read_since(ring, position)
    records = [record for record in reading.records if run is None or record.run == run]
    made = [record for record in records if record.kind == CONNECT]
    found = outcomes.of(made, patience) if made else {}
    connects = tuple(_connect_of(record, found[record.sequence]) for record in made)
    doubts = tuple(_doubt_of(record) for record in records if record.kind != CONNECT)
    return Trace(connects, doubts, reading.position, reading.lost)


def look_again(
    ring: Ring, connects: Iterable[KernelConnect], outcomes: Outcomes
) -> tuple[KernelConnect, ...]:
    """Give the same connects as they are known now."""
    before = tuple(connects)
    records = [_record_of(ring, connect) for connect in before if not connect.is_settled]
    still_there = [record for record in records if record is not None]
    found = outcomes.of(still_there) if still_there else {}
    return tuple(_updated(connect, found.get(connect.number + 1)) for connect in before)


def _record_of(ring: Ring, connect: KernelConnect) -> Record | None:
    fields = ring.fields_at(connect.number)
    return None if fields is None else Record._make(fields)


def _updated(connect: KernelConnect, found: Found | None) -> KernelConnect:
    if found is None or found.outcome is None:
        return connect
    return connect._replace(
        outcome=found.outcome,
        local=found.local or connect.local,
        peer=found.peer or connect.peer,
        is_open=found.is_open,
        sent=connect.sent if found.sent is None else found.sent,
        received=connect.received if found.received is None else found.received,
        went_out=found.went_out,
    )


def _connect_of(record: Record, found: Found) -> KernelConnect:
    connect = KernelConnect(
        number=record.sequence - 1,
        at=record.at,
        process=record.tgid,
        process_name=_text(record.process_name),
        thread=record.tid,
        thread_name=_text(record.thread_name),
        peer=destination_of(record) if record.family else None,
        cookie=record.cookie,
        seen_by=SeenBy.NAME if record.look == BY_NAME else SeenBy.DESCRIPTOR,
        run=record.run,
        is_open=found.is_open,
    )
    return _updated(connect, found)


def _doubt_of(record: Record) -> Doubt:
    what = _DOUBTS.get(record.kind, _HIDDEN)
    stands = record.kind == IO_URING
    return Doubt(record.at, record.tgid, _text(record.process_name), what, record.run, stands)


def _text(name: bytes) -> str:
    return name.rstrip(b"\0").decode("utf-8", "replace")
