"""Readings of the kernel's count where several workers of a run connect at a time."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from pytest_keepalive import _readings
from pytest_keepalive._blind_spots import BlindSpot, Sight
from pytest_keepalive._readings import Readings
from pytest_keepalive._watch._count_table import CountTable, Row

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts")
BEGUN, DONE = 0, 1
SPOT = BlindSpot(1, ("pycurl",))


class Machine(NamedTuple):
    """Two workers on one machine whose kernel counts what the test says.

    Args:
        counted: By the kernel, one number.
        mine: The count of the worker that is tested.
        others: The count of the other one.
        neighbour: The row of the other one.
        readings: Of the worker that is tested.
    """

    counted: list[int]
    mine: memoryview
    others: memoryview
    neighbour: Row
    readings: Readings


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    table = CountTable()
    one, other = (Row(address) for address in (table.admit(), table.admit()) if address is not None)
    for row in (one, other):
        row.tell(suspect=False)
    counted, mine = [100], one.counts(0)
    readings = Readings(lambda count: Sight(count, mine[BEGUN], ("pycurl",), 1), one)
    monkeypatch.setattr(readings._witness, "opens", lambda: counted[0])
    monkeypatch.delitem(sys.modules, "pytest_socket", raising=False)
    monkeypatch.setattr(_readings, "sleep", lambda seconds: None)
    yield Machine(counted, mine, other.counts(0), other, readings)
    readings.close()
    table.close()


def connect(counts: memoryview, counted: list[int]) -> None:
    counts[BEGUN] += 1
    counted[0] += 1
    counts[DONE] += 1


def meanwhile(monkeypatch: pytest.MonkeyPatch, *events: Callable[[], None]) -> None:
    """Let something happen in each pause of the one who reads."""
    left = list(events)
    monkeypatch.setattr(_readings, "sleep", lambda seconds: left.pop(0)() if left else None)


def test_what_another_worker_opens_is_no_blind_spot(machine: Machine) -> None:
    start = machine.readings.look()
    connect(machine.others, machine.counted)
    connect(machine.mine, machine.counted)
    assert machine.readings.blind_spots_since(start) == ()


def test_without_a_row_it_would_be_one(machine: Machine) -> None:
    alone = Readings(lambda count: Sight(count, machine.mine[BEGUN], ("pycurl",), 1))
    alone._witness = machine.readings._witness
    start = alone.look()
    connect(machine.others, machine.counted)
    connect(machine.mine, machine.counted)
    assert alone.blind_spots_since(start) == (SPOT,)


def test_what_nobody_counts_is_a_blind_spot(machine: Machine) -> None:
    start = machine.readings.look()
    connect(machine.others, machine.counted)
    machine.counted[0] += 1
    assert machine.readings.blind_spots_since(start) == (SPOT,)


def test_a_window_begins_when_nobody_is_connecting(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.others[BEGUN] += 1

    def counts() -> None:
        machine.counted[0] += 1

    def returns() -> None:
        machine.others[DONE] += 1

    meanwhile(monkeypatch, counts, returns)
    start = machine.readings.look()
    assert (start.witnessed, start.doubtful) == (101, 0)
    assert machine.readings.blind_spots_since(start) == ()


def test_a_window_begins_all_the_same_when_somebody_connects_all_the_time(
    machine: Machine,
) -> None:
    machine.others[BEGUN] += 1
    start = machine.readings.look()
    assert start.doubtful == 1
    machine.counted[0] += 1
    (spot,) = machine.readings.blind_spots_since(start)
    assert not spot.certain


def test_what_is_counted_a_moment_later_was_seen(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = machine.readings.look()
    machine.counted[0] += 1

    def counts() -> None:
        machine.others[BEGUN] += 1
        machine.others[DONE] += 1

    meanwhile(monkeypatch, *[lambda: None] * 10, counts)
    assert machine.readings.blind_spots_since(start) == ()


def test_what_escapes_while_a_doubt_is_looked_into_is_not_added(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = machine.readings.look()
    machine.counted[0] += 1

    def escapes() -> None:
        machine.counted[0] += 1

    meanwhile(monkeypatch, escapes, escapes)
    assert machine.readings.blind_spots_since(start) == (SPOT,)


def test_what_another_worker_may_have_opened_unseen_is_no_certain_blind_spot(
    machine: Machine,
) -> None:
    machine.neighbour.tell(suspect=True)
    start = machine.readings.look()
    machine.counted[0] += 1
    (spot,) = machine.readings.blind_spots_since(start)
    assert not spot.certain


@pytest.mark.parametrize(
    ("sight", "suspect"),
    [
        (Sight(0, 0, (), 1), False),
        (Sight(0, 0, ("pycurl",), 1), True),
        (Sight(0, 0, (), 1, patched=False), True),
        (Sight(0, 0, (), 1, by_kernel=True), True),
    ],
)
def test_others_hear_whether_this_worker_may_connect_uncounted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, sight: Sight, suspect: bool
) -> None:
    monkeypatch.setattr(machine.readings, "_see", lambda count: sight)
    machine.readings.look()
    assert machine.neighbour.neighbours().suspect is suspect


def test_a_worker_that_is_unpatched_between_tests_may_connect_uncounted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.readings, "_see", lambda count: Sight(0, 0, (), 1))
    monkeypatch.setitem(sys.modules, "pytest_socket", types.ModuleType("pytest_socket"))
    machine.readings.look()
    assert machine.neighbour.neighbours().suspect


def test_who_can_be_told_nothing_of_the_others_is_certain_of_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = [100]
    readings = Readings(lambda count: Sight(count, 0, ("pycurl",), 1), crowded=True)
    monkeypatch.setattr(readings._witness, "opens", lambda: counted[0])
    start = readings.look()
    counted[0] += 1
    (spot,) = readings.blind_spots_since(start)
    assert not spot.certain
    readings.close()


def test_a_forked_child_leaves_the_row_to_its_parent(machine: Machine) -> None:
    machine.readings.go_alone()
    start = machine.readings.look()
    machine.counted[0] += 1
    (spot,) = machine.readings.blind_spots_since(start)
    assert not spot.certain
    assert not machine.neighbour.neighbours().suspect
