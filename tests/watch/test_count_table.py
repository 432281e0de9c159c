"""What the workers of a run tell each other about their connects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_keepalive._watch import _count_table
from pytest_keepalive._watch._count_table import CountTable, Row, RowAddress

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts")
BEGUN, DONE = 0, 1


@pytest.fixture
def table() -> Iterator[CountTable]:
    table = CountTable()
    yield table
    table.close()


def address(table: CountTable) -> RowAddress:
    given = table.admit()
    assert given is not None
    return given


@pytest.fixture
def one(table: CountTable) -> Row:
    return Row(address(table))


@pytest.fixture
def other(table: CountTable, one: Row) -> Row:
    other = Row(address(table))
    for row in (one, other):
        row.tell(suspect=False)
    return other


def test_what_a_worker_counts_is_read_by_the_others(one: Row, other: Row) -> None:
    counts = one.counts(0)
    counts[BEGUN] += 2
    other.counts(1)[BEGUN] += 3
    assert one.begun() == (5, 2)
    assert other.begun() == (5, 3)
    assert other.done() == 0
    counts[DONE] += 1
    assert one.done() == other.done() == 1


def test_another_process_reads_the_same(table: CountTable, one: Row) -> None:
    program = (
        "import sys; from pytest_keepalive._watch._count_table import Row, RowAddress;"
        "Row(RowAddress(*sys.argv[1:3], int(sys.argv[3]))).counts(0)[0] = 7"
    )
    given = [str(each) for each in address(table)]
    subprocess.run([sys.executable, "-c", program, *given], check=True, timeout=60)
    assert one.begun() == (7, 0)


def test_a_worker_that_is_gone_leaves_its_count_and_no_doubt(
    table: CountTable, one: Row, other: Row
) -> None:
    other.tell(suspect=True)
    other.counts(0)[BEGUN] += 2
    table.dismiss(1)
    assert one.begun() == (2, 0)
    assert one.done() == 2
    assert not one.neighbours().suspect


def test_memory_that_was_meant_for_another_run_is_not_written_to(
    table: CountTable, tmp_path: Path
) -> None:
    given = address(table)
    short = tmp_path / "short"
    short.write_bytes(b"\0" * 16)
    for wrong in (
        given._replace(token="00" * 16),
        given._replace(path=str(tmp_path / "missing")),
        given._replace(path=str(short)),
    ):
        with pytest.raises(OSError, match=r"."):
            Row(wrong)


def test_there_may_be_more_workers_than_rows(table: CountTable) -> None:
    for _ in range(_count_table.ROWS):
        assert table.admit() is not None
    assert table.admit() is None


def test_a_system_without_such_memory_has_no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(OSError, match="no memory without a name"):
        CountTable()


# Who else could have connected


def test_workers_that_count_all_they_open_are_not_suspected(one: Row, other: Row) -> None:
    assert not one.others_could(one.neighbours())


def test_a_worker_is_alone_until_another_is_let_in(table: CountTable, one: Row) -> None:
    before = one.is_alone
    address(table)
    assert (before, one.is_alone) == (True, False)


def test_a_worker_is_suspected_until_it_counts(table: CountTable, one: Row) -> None:
    address(table)
    assert one.others_could(one.neighbours())


def test_a_worker_that_came_meanwhile_is_suspected(table: CountTable, one: Row, other: Row) -> None:
    before = one.neighbours()
    Row(address(table)).tell(suspect=False)
    assert one.others_could(before)
    assert not one.others_could(one.neighbours())


def test_a_worker_is_suspected_of_what_it_did_before_it_counted(one: Row, other: Row) -> None:
    other.tell(suspect=True)
    before = one.neighbours()
    other.tell(suspect=False)
    assert one.others_could(before)
    assert not other.others_could(other.neighbours())


def test_a_worker_with_a_child_is_suspected(one: Row, other: Row) -> None:
    before = one.neighbours()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert one.others_could(before)
        child.communicate(b"\n", timeout=30)
    assert one.others_could(before), "its child has ended, and may have connected before"
    other.tell(suspect=False)
    assert not one.others_could(one.neighbours())


def test_a_worker_that_nobody_can_be_asked_about_is_suspected(one: Row, other: Row) -> None:
    before = one.neighbours()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait(60)
    other._words[_count_table._PROCESS + 1] = gone.pid
    assert one.others_could(before)
