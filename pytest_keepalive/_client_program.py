"""A program that a test ran, and the connections that it opened, as the test looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from pytest_keepalive._events import Doubted, Event, Outcome, Sink, new_number
from pytest_keepalive._ledger import Ledger
from pytest_keepalive._recording import Recording
from pytest_keepalive._served import complete
from pytest_keepalive._snapshot import recording_of
from pytest_keepalive._view import View
from pytest_keepalive._watch._client_run import ClientRun
from pytest_keepalive._watch._observer import OBSERVER, events_of


class ClientProgram:
    """What a program did; ``run_client`` gives it.

    Args:
        run: What the watch saw of it.
        started_at: When it was started, in seconds of ``time.perf_counter``.
    """

    def __init__(self, run: ClientRun, started_at: float) -> None:
        self._run = run
        self._started_at = started_at

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for the signal that killed it."""
        return self._run.returncode

    @property
    def stdout(self) -> str:
        """What it wrote to standard output."""
        return self._run.stdout

    @property
    def stderr(self) -> str:
        """What it wrote to standard error."""
        return self._run.stderr

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self._run.seconds

    @cached_property
    def seen(self) -> View:
        """The connections that it and its descendants opened."""
        return View(self._recording)

    def _recording(self) -> Recording:
        ledger = Ledger()
        ledger.apply(events_of_run(self._run.now()))
        ended_at = self._started_at + self._run.seconds
        return complete(recording_of(ledger, self._started_at, ended_at))

    def __repr__(self) -> str:
        return f"<ClientProgram {self._run!r}>"


def events_of_run(run: ClientRun) -> Sequence[Event]:
    """State what a program did as events."""
    events: list[Event] = []
    for connect in run.connects:
        events.extend(events_of(connect, new_number()))
    if not run.exact:
        why_not = run.why_not or ("it is not known why",)
        events.extend(Doubted(OBSERVER, why, run.sampled) for why in why_not)
    return events


def state_run(run: ClientRun, sink: Sink) -> None:
    """State what a program did to whoever measures."""
    for event in events_of_run(run):
        sink(event)


class Leftover:
    """The processes that outlived a program: states what they connect to.

    Args:
        run: What the program did, which was stated.
        sink: Where to state it.
    """

    def __init__(self, run: ClientRun, sink: Sink) -> None:
        self._run = run
        self._sink = sink
        self._stated = {connect.number for connect in run.connects}
        self.is_over = False

    def state(self) -> int:
        """State what they did since this was asked last, and give how often they connected."""
        now = self._run.now()
        self.is_over = not now.left_running
        settled = [each for each in now.connects if each.outcome is not Outcome.PENDING]
        new = [connect for connect in settled if connect.number not in self._stated]
        for connect in new:
            self._stated.add(connect.number)
            for event in events_of(connect, new_number()):
                self._sink(event)
        return sum(connect.went_out for connect in new)
