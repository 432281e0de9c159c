"""``run_client`` as a test uses it: what its programs do counts for the test."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_keepalive import View, measure
from pytest_keepalive._programs import run_client
from tests.watch.conftest import Compile
from tests.watch.counting_server import CountingServer

pytestmark = pytest.mark.usefixtures("kernel_watch")

CONNECT = """
import socket, sys, time
for _ in range(int(sys.argv[2])):
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
"""


@pytest.fixture
def seen() -> Iterator[View]:
    with measure() as seen:
        yield seen


def command(counting: CountingServer, times: int, more: str = "") -> list[str]:
    return [sys.executable, "-c", CONNECT + more, str(counting.port), str(times)]


def test_it_counts_for_the_test_and_for_the_program_alone(
    counting: CountingServer, seen: View
) -> None:
    first = run_client(command(counting, 2))
    second = run_client(command(counting, 3))
    assert (first.seen.count, second.seen.count, seen.count) == (2, 3, 5)
    assert first.seen.exact
    assert {each.local for each in seen.connections} == set(counting.accepted)


def test_what_was_seen_until_a_time_out_is_told_and_counts(
    counting: CountingServer, seen: View
) -> None:
    slow = command(counting, 2, "print('here', flush=True); time.sleep(60)")
    with pytest.raises(TimeoutError) as caught:
        run_client(slow, timeout=1.5)
    assert caught.value.seen.count == seen.count == 2  # type: ignore[attr-defined]
    assert caught.value.stdout == "here\n"  # type: ignore[attr-defined]
    assert len(counting.accepted) == 2


class TestProcessesThatOutliveTheProgram:
    @pytest.fixture
    def gate(self, tmp_path: Path) -> str:
        path = str(tmp_path / "gate")
        os.mkfifo(path)
        return path

    def test_they_count_when_they_connect(
        self,
        counting: CountingServer,
        seen: View,
        compiled: Compile,
        gate: str,
    ) -> None:
        done = run_client([compiled("daemon"), str(counting.port), gate])
        assert seen.count == 0
        with open(gate, "w") as opened:
            opened.write("x")
            opened.flush()
            await_count(seen, 3)
        assert done.seen.count == 3
        assert len(counting.accepted) == 3
        assert {each.local for each in seen.connections} == set(counting.accepted)

    def test_they_count_in_the_window_in_which_they_connect(
        self,
        counting: CountingServer,
        seen: View,
        compiled: Compile,
        gate: str,
    ) -> None:
        run_client([compiled("daemon"), str(counting.port), gate])
        with measure() as before:
            pass
        with measure() as later, open(gate, "w") as opened:
            opened.write("x")
            opened.flush()
            await_count(seen, 3)
        assert (before.count, later.count, seen.count) == (0, 3, 3)


def await_count(counter: View, count: int) -> None:
    deadline = time.monotonic() + 10
    while counter.count < count and time.monotonic() < deadline:
        time.sleep(0.002)
    assert counter.count == count
