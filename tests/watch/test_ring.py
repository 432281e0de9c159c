from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from pytest_keepalive._watch._record import read_since
from pytest_keepalive._watch._ring import (
    BY_DESCRIPTOR,
    CAPACITY,
    CONNECT,
    IN_HAND,
    LET_GO,
    NOTIFICATION_SIZE,
    VOID,
    Ring,
    make_memory,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux has memfd_create")


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = make_memory()
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def ring(memory: int) -> Ring:
    return Ring(memory)


def append(ring: Ring, notification: int, progress: int = LET_GO, port: int = 80) -> int:
    place = (1.5, 7, 0, 11, 10, 0, 3, 0, 2, port, CONNECT, BY_DESCRIPTOR, progress)
    return ring.append(notification, (*place, b"\x7f\0\0\1", b"thread", b"process"))


def test_what_one_mapping_writes_another_reads(ring: Ring, memory: int) -> None:
    append(ring, 5, port=8080)
    (record,) = read_since(Ring(memory), 0).records
    assert (record.notification, record.port, record.at, record.cookie) == (5, 8080, 1.5, 7)
    assert (record.tid, record.tgid, record.family) == (11, 10, 2)
    assert record.address[:4] == b"\x7f\0\0\1"
    assert record.process_name.rstrip(b"\0") == b"process"


def test_a_reading_goes_on_where_the_last_one_ended(ring: Ring) -> None:
    append(ring, 1)
    first = read_since(ring, 0)
    append(ring, 2)
    append(ring, 3)
    second = read_since(ring, first.position)
    assert [record.notification for record in first.records] == [1]
    assert [record.notification for record in second.records] == [2, 3]
    assert read_since(ring, second.position).records == ()


def test_a_record_whose_call_was_never_made_is_not_read(ring: Ring) -> None:
    append(ring, 1)
    ring.settle(append(ring, 2, IN_HAND), VOID)
    ring.settle(append(ring, 3, IN_HAND), LET_GO)
    assert [record.notification for record in read_since(ring, 0).records] == [1, 3]


def test_a_record_in_hand_is_waited_for(ring: Ring) -> None:
    position = append(ring, 1, IN_HAND)
    timer = threading.Timer(0.01, ring.settle, (position, VOID))
    timer.start()
    assert read_since(ring, 0).records == ()
    timer.join()


def test_a_record_that_stays_in_hand_is_read_after_all(ring: Ring) -> None:
    append(ring, 1, IN_HAND)
    began = time.monotonic()
    assert len(read_since(ring, 0).records) == 1
    assert time.monotonic() - began < 2


def test_records_that_were_overwritten_are_counted_as_lost(ring: Ring) -> None:
    for number in range(CAPACITY + 10):
        append(ring, number + 1)
    reading = read_since(ring, 0)
    assert (len(reading.records), reading.lost) == (CAPACITY, 10)
    assert reading.records[0].notification == 11
    assert reading.position == CAPACITY + 10


def test_a_reader_that_keeps_up_loses_nothing(ring: Ring) -> None:
    position = lost = read = 0
    for number in range(CAPACITY * 2):
        append(ring, number + 1)
        if number % 1000 == 999:
            reading = read_since(ring, position)
            position = reading.position
            lost, read = lost + reading.lost, read + len(reading.records)
    assert (read + len(read_since(ring, position).records), lost) == (CAPACITY * 2, 0)


def test_a_mishap_is_told_in_words(ring: Ring, memory: int) -> None:
    assert Ring(memory).mishap == ""
    ring.mishap = "OSError: no"
    assert Ring(memory).mishap == "OSError: no"


def test_the_slot_is_written_by_the_kernel_and_not_by_python(ring: Ring) -> None:
    """``fcntl.ioctl`` copies buffers of 1024 bytes or less, behind the call."""
    slot = ring.slot()
    assert len(slot) > 1024
    assert bytes(slot[:NOTIFICATION_SIZE]) == bytes(NOTIFICATION_SIZE)
    slot[0] = 7
    assert ring.slot()[0] == 7
