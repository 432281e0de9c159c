from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import pytest

from pytest_keepalive._blind_spots import BlindSpot, Sight
from pytest_keepalive._events import Event, Outcome, Settled
from pytest_keepalive._recorder import Recorder

from .facts import adopted, attempted, closed, ended, pair, requested


def no_sight() -> Sight:
    return Sight(None, 0, (), 0)


def nothing() -> None:
    """Have nothing to state."""


def recorder(settle: Callable[[], None] = nothing) -> Recorder:
    return Recorder(settle, no_sight)


def state(recorder: Recorder, *events: Event) -> None:
    for event in events:
        recorder.sink(event)


def test_a_window_has_what_was_stated_while_it_was_open() -> None:
    recording = recorder()
    state(recording, attempted(1, port=50001))
    window = recording.open_window()
    state(recording, attempted(2, port=50002))
    assert window.recording().count == 1
    state(recording, attempted(3, port=50003))
    assert window.recording().count == 2
    final = window.close()
    state(recording, attempted(4, port=50004))
    assert final.count == 2
    assert window.recording() is final
    assert window.close() is final


def test_a_recording_is_made_again_only_when_something_happened() -> None:
    recording = recorder()
    window = recording.open_window()
    state(recording, attempted())
    first = window.recording()
    assert window.recording() is first
    state(recording, requested())
    assert window.recording() is not first


def test_a_window_within_another_has_its_own_part() -> None:
    recording = recorder()
    outer = recording.open_window()
    state(recording, attempted(1, port=50001), adopted(50001), requested(10, port=50001))
    inner = recording.open_window()
    state(recording, ended(10), requested(11, port=50001), attempted(2, port=50002))
    seen = inner.close()
    assert seen.count == 2
    assert seen.opened == 1
    assert [each.index for each in seen.exchanges] == [1]
    state(recording, attempted(3, port=50003))
    whole = outer.close()
    assert whole.count == 3
    assert [each.index for each in whole.exchanges] == [0, 1]


def test_windows_may_overlap_without_being_nested() -> None:
    recording = recorder()
    first = recording.open_window()
    state(recording, attempted(1, port=50001))
    second = recording.open_window()
    state(recording, attempted(2, port=50002))
    assert first.close().count == 2
    state(recording, attempted(3, port=50003))
    assert second.close().count == 2


def test_the_observers_are_asked_for_what_they_have_not_stated() -> None:
    pending = [Settled(1, 1.5, False, Outcome.ESTABLISHED)]

    def settle() -> None:
        while pending:
            recording.sink(pending.pop())

    recording = recorder(settle)
    window = recording.open_window()
    state(recording, attempted(1, outcome=Outcome.PENDING))
    pending.append(Settled(1, 1.5, False, Outcome.ESTABLISHED))
    assert window.recording().count == 1


def test_connections_of_finished_windows_are_let_go() -> None:
    recording = recorder()
    for attempt in range(50):
        port = 50000 + attempt
        state(recording, attempted(attempt, port=port), closed(port))
    state(recording, attempted(99, port=51000))
    recording.forget_past()
    assert [track.pair for track in recording._past.tracks] == [pair(51000)]
    assert recording._events == []


def test_more_events_than_a_batch_are_all_taken_in() -> None:
    recording = recorder()
    window = recording.open_window()
    for attempt in range(25_000):
        recording.sink(attempted(attempt, port=attempt))
    assert window.close().count == 25_000


def test_events_of_many_threads_are_all_there() -> None:
    recording = recorder()
    window = recording.open_window()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            window.recording()

    def work(first: int) -> None:
        for port in range(first, first + 500):
            state(recording, attempted(port, port=port), requested(port, port=port), ended(port))

    looking = threading.Thread(target=look)
    working = [threading.Thread(target=work, args=(1000 * n,)) for n in range(1, 5)]
    for thread in (looking, *working):
        thread.start()
    for thread in working:
        thread.join()
    stop.set()
    looking.join()
    final = window.close()
    assert final.count == 2000
    assert final.exchanges == 2000


# Blind spots


def test_what_escaped_between_the_ends_of_a_window_is_a_blind_spot() -> None:
    sights = [Sight(100, 0, (), 1), Sight(101, 1, (), 1), Sight(104, 1, ("pycurl",), 1)]
    recording = Recorder(nothing, lambda: sights.pop(0))
    window = recording.open_window()
    assert window.recording().exact
    final = window.close()
    assert final.blind_spots == (BlindSpot(3, ("pycurl",)),)
    assert not final.exact


def test_a_blind_spot_is_noticed_though_nothing_was_stated() -> None:
    sights = [Sight(100, 0, ("pycurl",), 1), Sight(100, 0, ("pycurl",), 1)]
    recording = Recorder(nothing, lambda: sights[-1])
    window = recording.open_window()
    first = window.recording()
    sights.append(Sight(101, 0, ("pycurl",), 1))
    assert first.exact
    assert not window.recording().exact


def test_a_child_that_was_watched_is_not_suspected() -> None:
    sights = [Sight(100, 0, (), 1), Sight(104, 0, (), 2)]
    recording = Recorder(nothing, lambda: sights.pop(0))
    window = recording.open_window()
    recording.excuse_children(1, 2)
    assert window.close().exact


def test_a_child_beside_the_one_that_was_watched_is_suspected() -> None:
    sights = [Sight(100, 0, (), 1), Sight(104, 0, (), 3)]
    recording = Recorder(nothing, lambda: sights.pop(0))
    window = recording.open_window()
    recording.excuse_children(2, 3)
    assert not window.close().exact


# Forks


def test_a_recorder_that_starts_afresh_knows_nothing_of_before() -> None:
    recording = recorder()
    state(recording, attempted(1, port=50001))
    window = recording.open_window()
    state(recording, attempted(2, port=50002))
    window.recording()
    state(recording, attempted(3, port=50003))
    recording.start_afresh()
    assert window.recording().count == 0
    state(recording, attempted(4, port=50004), requested(10, port=50004))
    assert window.close().count == 1


def test_a_recorder_that_starts_afresh_takes_a_new_reading() -> None:
    sights = [Sight(100, 0, (), 1), Sight(150, 20, (), 0), Sight(151, 21, (), 0)]
    recording = Recorder(nothing, lambda: sights.pop(0))
    window = recording.open_window()
    recording.start_afresh()
    assert window.close().exact


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(sys.platform == "darwin", reason="forking with threads is unsafe there")
def test_a_lock_that_was_held_while_forking_is_free_afterwards() -> None:
    recording = recorder()
    window = recording.open_window()
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with recording._lock:
            locked.set()
            done.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(5)
    recording.start_afresh()
    assert window.recording().count == 0
    done.set()
    holder.join()
