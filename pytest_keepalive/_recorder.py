"""Events in from any thread, an immutable recording of each window out.

Rules
1. Stating an event is one ``list.append``: atomic, without a lock, and never waits.
2. Events are folded when somebody asks, or a window begins or ends; then they are let go, but
   for the courses that are not over: they stay, ahead of what is stated later.
3. A window knows the connections that were open when it began, and nothing else of the past:
   the oldest window that is open tells them, or the past where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from time import perf_counter

from pytest_keepalive._arrivals import prove
from pytest_keepalive._blind_spots import BlindSpot, Sight
from pytest_keepalive._collector import paused_collector
from pytest_keepalive._events import Event, Stated
from pytest_keepalive._ledger import Ledger
from pytest_keepalive._recording import Recording
from pytest_keepalive._served import complete
from pytest_keepalive._snapshot import recording_of
from pytest_keepalive._unfolding import unfold

_BATCH = 20_000


class Recorder:
    """Collects the events of this process.

    Args:
        settle: Asks the observers for what they have not stated yet.
        look: Takes a reading of what the kernel counts, for the blind spots of a window.
        compare: Tells what escaped since a reading; by default, what another reading shows.
    """

    def __init__(
        self,
        settle: Callable[[], None],
        look: Callable[[], Sight],
        compare: Callable[[Sight], tuple[BlindSpot, ...]] | None = None,
    ) -> None:
        self._events: list[Stated] = []
        self.sink = self._events.append
        self._settle = settle
        self._look = look
        self.blind_spots_since = compare or (lambda start: look().blind_spots_since(start))
        self._lock = RLock()
        self._past = Ledger()
        self._windows: list[Window] = []

    def open_window(self) -> Window:
        """Begin a window now."""
        with self._lock:
            self.forget_past()
            window = Window(self, Ledger(self._latest), self._look())
            self._windows.append(window)
            return window

    def fold(self) -> None:
        """Bring every open window up to date, and let go of the events."""
        with self._lock:
            settled_at = perf_counter()
            self._settle()
            under_way: list[Stated] = []
            with paused_collector():
                while self._events:
                    under_way += self._apply(self._events[:_BATCH])
                for ledger in self._ledgers:
                    ledger.place(settled_at)
            self._events[:0] = under_way

    def _apply(self, stated: list[Stated]) -> list[Stated]:
        del self._events[: len(stated)]
        batch, under_way = unfold(stated)
        if not self._windows:
            self._past.apply(batch)
        for window in self._windows:
            window.take(batch)
        return under_way

    @property
    def _ledgers(self) -> list[Ledger]:
        """Those that are kept up to date."""
        return [window.ledger for window in self._windows] or [self._past]

    @property
    def _latest(self) -> Ledger:
        """What has seen all events."""
        return self._windows[0].ledger if self._windows else self._past

    def forget_past(self) -> None:
        """Let go of everything but the connections that are open."""
        with self._lock:
            self.fold()
            self._past = Ledger(self._past)

    def start_afresh(self) -> None:
        """Forget everything, in a forked child: its parent's connections are not its own."""
        self._lock = RLock()
        self._events.clear()
        self._past = Ledger(forked=True)
        now = self._look()
        for window in self._windows:
            window.empty(now)

    def excuse_children(self, before: int, after: int) -> None:
        """Leave a child process that was watched out of the suspects.

        Args:
            before: The figure of the children before it was started.
            after: The figure now that it has ended.
        """
        with self._lock:
            for window in self._windows:
                window.excuse_children(before, after)

    def leave(self, window: Window) -> None:
        """Take a window out that has ended."""
        with self._lock:
            self._past = Ledger(self._latest)
            self._windows.remove(window)


class Window:
    """A stretch of time of which a recording is made.

    Args:
        recorder: Where the events come from.
        ledger: What was open when it began.
        start: The reading when it began.
    """

    def __init__(self, recorder: Recorder, ledger: Ledger, start: Sight) -> None:
        self._recorder = recorder
        self.ledger = ledger
        self._start = start
        self._started_at = perf_counter()
        self._final: Recording | None = None
        self._cached: Recording | None = None
        self._blind_spots: tuple[BlindSpot, ...] = ()

    def take(self, events: list[Event]) -> None:
        """Take in events; the recorder calls this."""
        self.ledger.apply(events)
        self._cached = None

    def excuse_children(self, before: int, after: int) -> None:
        """Leave a watched child out of the suspects; the recorder calls this."""
        if self._start.children == before:
            self._start = self._start._replace(children=after)

    def empty(self, now: Sight) -> None:
        """Start afresh, in a forked child.

        Args:
            now: A reading by the child: what the parent opens and starts is not its own.
        """
        self.ledger = Ledger(forked=True)
        self._start = now
        self._cached = None

    def recording(self) -> Recording:
        """Give what was seen so far, or in the whole window once it has ended."""
        if self._final is not None:
            return self._final
        with self._recorder._lock:
            blind_spots = self._recorder.blind_spots_since(self._start)
            with paused_collector():
                self._recorder.fold()
                if self._cached is None or self._blind_spots != blind_spots:
                    self._blind_spots = blind_spots
                    span = self._started_at, perf_counter()
                    recording = prove(recording_of(self.ledger, *span, blind_spots))
                    self._cached = complete(recording)
            return self._cached

    def close(self) -> Recording:
        """End the window."""
        if self._final is None:
            self._cached = None
            self._final = self.recording()
            self._recorder.leave(self)
            self.ledger = Ledger()
        return self._final
