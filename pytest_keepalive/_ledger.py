"""Events in, connections out: the fold that every recording is made by.

Rules
1. A connection is in a recording when it was established in the window, or when an exchange
   began on it there.
2. An exchange is in a recording when it began in the window; its index counts every exchange
   of its connection, those before the window too.
3. An event names a connection by its address pair, and means the one established last.
4. A connection that nobody saw being made is known from its first exchange, as opened before
   anybody looked.
5. An exchange on a pending attempt proves that it was established.
6. A request that could not be sent whole is no exchange; its connection remembers it.
7. A call of a client that does not tell the connection is put on one where that is proved, once
   the call is over and every connect of its time has been stated (see ``_placing``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from pytest_keepalive._events import (
    ESTABLISHED,
    FAILED,
    PENDING,
    UNSENT,
    Adopted,
    Answered,
    Attempted,
    Called,
    Closed,
    ClosedBy,
    CloseTrigger,
    Doubted,
    Ended,
    Event,
    Handshaken,
    Requested,
    Settled,
    Trouble,
)
from pytest_keepalive._origin import UNSEEN_END, Pair
from pytest_keepalive._placing import Carriers


class ExchangeTrack:
    """What is known of one exchange so far."""

    __slots__ = ("answered", "ended", "idle_before", "index", "requested")

    def __init__(self, requested: Requested, index: int, idle_before: float | None) -> None:
        self.requested = requested
        self.index = index
        self.idle_before = idle_before
        self.answered: Answered | None = None
        self.ended: Ended | None = None


class CallTrack(ExchangeTrack):
    """What is known of a call whose connection is not known."""

    __slots__ = ("called",)

    def __init__(self, called: Called) -> None:
        super().__init__(called.requested, 0, None)
        self.called = called


class Track:
    """What is known of one connection so far."""

    __slots__ = (
        "adopted",
        "attempted",
        "carried",
        "closed",
        "closed_by",
        "exchanges",
        "handshaken",
        "idle_since",
        "inherited",
        "opened_here",
        "pair",
        "unfinished",
        "unsent",
    )

    def __init__(self, pair: Pair, attempted: Attempted | None, opened_here: bool) -> None:
        self.pair = pair
        self.attempted = attempted
        self.opened_here = opened_here
        self.inherited = False
        self.carried = 0
        self.unfinished = 0
        self.idle_since: float | None = None
        self.exchanges: list[ExchangeTrack] = []
        self.unsent: ExchangeTrack | None = None
        self.adopted: Adopted | None = None
        self.handshaken: Handshaken | None = None
        self.closed_by: ClosedBy | None = None
        self.closed: Closed | None = None

    @property
    def pending(self) -> bool:
        """Whether it is not known to have been established."""
        return self.attempted is not None and self.attempted.outcome is PENDING

    @property
    def established(self) -> bool:
        """Whether it is known to have been established, or to have been there before."""
        return self.attempted is None or self.attempted.outcome is ESTABLISHED

    @property
    def in_window(self) -> bool:
        """Whether the recording counts it (rule 1)."""
        return self.established and (self.opened_here or bool(self.exchanges))

    def carried_over(self) -> Track:
        """Give what a later window has to know of this connection, which is open."""
        copy = Track(self.pair, self.attempted, opened_here=False)
        copy.inherited = self.inherited
        copy.carried, copy.unfinished = self.carried, self.unfinished
        copy.idle_since, copy.adopted = self.idle_since, self.adopted
        copy.handshaken, copy.closed_by = self.handshaken, self.closed_by
        return copy

    def begin(self, requested: Requested) -> ExchangeTrack:
        """Start an exchange on this connection."""
        idle_before = None
        if self.idle_since is not None and not self.unfinished:
            idle_before = max(0.0, requested.at - self.idle_since)
        exchange = ExchangeTrack(requested, self.carried, idle_before)
        self.exchanges.append(exchange)
        self.carried += 1
        self.unfinished += 1
        return exchange

    def carry(self, call: CallTrack) -> None:
        """Take an exchange that is over from a call."""
        assert call.ended is not None
        if self.adopted is None:
            self.adopted = call.called.adopted._replace(pair=self.pair)
        exchange = self.begin(call.requested._replace(pair=self.pair))
        exchange.answered = call.answered
        self.end(exchange, call.ended)

    def end(self, exchange: ExchangeTrack | None, ended: Ended) -> None:
        """Note that an exchange is over; it is ``None`` when it began before the window."""
        self.unfinished -= 1
        self.idle_since = ended.at
        if exchange is not None:
            exchange.ended = ended
        if ended.ending is UNSENT:
            self.carried -= 1
            if exchange is not None:
                self.exchanges.remove(exchange)
                self.unsent = exchange


class Ledger:
    """The state of all connections that one window has to know of.

    Args:
        predecessor: That of the time before, whose connections may be open.
        forked: Whether it begins with a forked child: what nobody saw being made there, the
            parent made.
    """

    def __init__(self, predecessor: Ledger | None = None, forked: bool = False) -> None:
        self._forked = forked
        self.tracks: list[Track] = []
        self.failed: list[Attempted] = []
        self.calls: list[CallTrack] = []
        self.troubles: dict[Trouble, None] = {}
        self.doubts: dict[Doubted, None] = {}
        self._live: dict[Pair, Track] = {}
        self._gone: dict[Pair, Track] = {}
        self._pending: dict[int, Track] = {}
        self._unfinished: dict[int, tuple[Track | None, ExchangeTrack | None]] = {}
        self._unplaced: list[CallTrack] = []
        if predecessor is not None:
            self._inherit(predecessor)

    def _inherit(self, predecessor: Ledger) -> None:
        self._forked = predecessor._forked
        self.troubles = dict(predecessor.troubles)
        if not predecessor._live:
            return
        heirs = {track: track.carried_over() for track in predecessor._live.values()}
        self._live = {track.pair: heir for track, heir in heirs.items()}
        self.tracks = list(heirs.values())
        self._pending = {
            key: heirs[track] for key, track in predecessor._pending.items() if track in heirs
        }
        self._unfinished = {
            key: (heirs[track], None)
            for key, (track, _) in predecessor._unfinished.items()
            if track in heirs and track is not None
        }

    def apply(self, events: Iterable[Event]) -> None:
        """Take in events, in their order."""
        handlers = self._HANDLERS
        for event in events:
            handlers[type(event)](self, event)

    def place(self, settled_at: float) -> None:
        """Put calls on the connections that carried them (rule 7).

        Args:
            settled_at: Every connect before this moment has been stated, in seconds.
        """
        waiting, self._unplaced = self._unplaced, []
        carriers = Carriers(self.tracks) if waiting else None
        for call in sorted(waiting, key=lambda call: call.requested.at):
            if call.ended is None or call.ended.at >= settled_at:
                self._unplaced.append(call)
            elif carriers is not None:
                self._place(call, carriers)

    def _place(self, call: CallTrack, carriers: Carriers) -> None:
        track = carriers.carrier_of(call)
        if track is not None:
            track.carry(call)
        if track is not None or carriers.was_never_sent(call):
            self.calls.remove(call)

    def _attempted(self, event: Attempted) -> None:
        if event.outcome is FAILED or not (event.local or event.outcome is ESTABLISHED):
            self.failed.append(event)
        else:
            pair = Pair(event.local or UNSEEN_END, event.peer)
            if not self._completes_a_track(pair, event):
                self._begin_track(pair, event)

    def _completes_a_track(self, pair: Pair, event: Attempted) -> bool:
        """Tell whether a connection is meant whose exchanges were stated before its connect."""
        track = self._live.get(pair)
        if track is None or track.attempted is not None or not track.exchanges:
            return False
        if track.exchanges[-1].requested.at < event.started_at:
            return False
        track.attempted, track.opened_here = event, True
        return True

    def _begin_track(self, pair: Pair, event: Attempted) -> None:
        track = Track(pair, event, opened_here=True)
        self.tracks.append(track)
        if event.local is not None:
            self._live[track.pair] = track
            self._gone.pop(track.pair, None)
        if event.outcome is PENDING:
            self._pending[event.attempt] = track

    def _settled(self, event: Settled) -> None:
        track = self._pending.pop(event.attempt, None)
        if track is None or track.attempted is None:
            return
        if event.outcome is FAILED:
            self._forget(track, event)
            return
        ended_at = event.at if event.exact else None
        self._establish(track, ended_at)

    def _forget(self, track: Track, event: Settled) -> None:
        assert track.attempted is not None
        track.attempted = track.attempted._replace(outcome=event.outcome, ended_at=event.at)
        if self._live.get(track.pair) is track:
            del self._live[track.pair]

    def _establish(self, track: Track, ended_at: float | None) -> None:
        assert track.attempted is not None
        track.attempted = track.attempted._replace(outcome=ESTABLISHED, ended_at=ended_at)
        track.opened_here = True

    def _track_of(self, pair: Pair) -> Track:
        track = self._live.get(pair)
        if track is None:
            track = self._live[pair] = Track(pair, None, opened_here=False)
            track.inherited = self._forked
            self.tracks.append(track)
        elif track.attempted is not None and track.pending:
            self._pending.pop(track.attempted.attempt, None)
            self._establish(track, None)
        return track

    def _handshaken(self, event: Handshaken) -> None:
        self._track_of(event.pair).handshaken = event

    def _adopted(self, event: Adopted) -> None:
        self._track_of(event.pair).adopted = event

    def _requested(self, event: Requested) -> None:
        track = self._track_of(event.pair)
        self._unfinished[event.exchange] = (track, track.begin(event))

    def _called(self, event: Called) -> None:
        call = CallTrack(event)
        self.calls.append(call)
        self._unplaced.append(call)
        self._unfinished[event.requested.exchange] = None, call

    def _answered(self, event: Answered) -> None:
        _, exchange = self._unfinished.get(event.exchange, (None, None))
        if exchange is not None:
            exchange.answered = event

    def _ended(self, event: Ended) -> None:
        track, exchange = self._unfinished.pop(event.exchange, (None, None))
        if track is not None:
            track.end(exchange, event)
        elif exchange is not None:
            self._call_ended(exchange, event)

    def _call_ended(self, call: ExchangeTrack, event: Ended) -> None:
        call.ended = event
        if event.ending is UNSENT:
            self.calls = [each for each in self.calls if each is not call]
            self._unplaced = [each for each in self._unplaced if each is not call]

    def _closed_by(self, event: ClosedBy) -> None:
        track = self._live.get(event.pair)
        if track is None and event.trigger is CloseTrigger.DROPPED:
            # Under TLS an event loop closes the socket first, and then tells the client.
            track = self._gone.get(event.pair)
        if track is not None and track.closed_by is None:
            track.closed_by = event

    def _closed(self, event: Closed) -> None:
        track = self._live.pop(event.pair, None)
        if track is not None:
            track.closed = event
            self._gone[event.pair] = track

    def _doubted(self, event: Doubted) -> None:
        self.doubts[event] = None

    def _trouble(self, event: Trouble) -> None:
        self.troubles[event] = None

    _HANDLERS: ClassVar[dict[type, Callable[[Ledger, Any], None]]] = {
        Attempted: _attempted,
        Settled: _settled,
        Handshaken: _handshaken,
        Adopted: _adopted,
        Requested: _requested,
        Called: _called,
        Answered: _answered,
        Ended: _ended,
        ClosedBy: _closed_by,
        Closed: _closed,
        Trouble: _trouble,
        Doubted: _doubted,
    }
