"""Which connection carried a request, where the client does not tell.

Rules
1. Nothing is guessed: a request is put on a connection when no other can have carried it.
2. Candidates are the connections of this process that the kernel watch alone saw being made: to
   where the client asked, since its pool was made, and before the request was over. A name is
   taken to lead anywhere, an address and a port only to where they say.
3. A connection belongs to one pool for ever: what carried another client's request is none.
4. One that ended before the request began is none, nor is one whose last response, over by then,
   forbade to use it again.
5. A request that failed without an answer may never have got as far as to a connection. It did
   where the connection is its client's already, or where there was no name to resolve.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pytest_keepalive._events import FAILED
from pytest_keepalive._origin import Origin

if TYPE_CHECKING:
    from pytest_keepalive._ledger import CallTrack, Track

_OBSERVER = "kernel"


class Carriers:
    """The connections that may have carried calls.

    Args:
        tracks: All of a window.
    """

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._by_port: dict[int, list[Track]] = {}
        for track in sorted(filter(_may_carry, tracks), key=_began_at):
            self._by_port.setdefault(track.pair.peer[1], []).append(track)

    def carrier_of(self, call: CallTrack) -> Track | None:
        """Give the connection that carried a call that is over, where that is proved."""
        candidates = list(self._candidates(call))
        if len(candidates) != 1:
            return None
        (track,) = candidates
        return track if _reached(call, track) else None

    def was_never_sent(self, call: CallTrack) -> bool:
        """Tell whether a call failed while there was no connection that could have carried it."""
        if call.answered is not None or call.called.since is None:
            return False
        return not any(self._candidates(call))

    def _candidates(self, call: CallTrack) -> Iterator[Track]:
        origin, since = call.called.adopted.origin, call.called.since
        tracks = self._by_port.get(origin.port, [])
        if since is None or call.ended is None:
            return
        begin = bisect_left(tracks, since, key=_began_at)
        end = bisect_right(tracks, call.ended.at, key=_began_at)
        for track in tracks[begin:end]:
            if _leads_to(origin, track) and _is_of_pool(call, track) and _was_usable(call, track):
                yield track


def _may_carry(track: Track) -> bool:
    attempted = track.attempted
    if attempted is None or attempted.observer != _OBSERVER or attempted.process:
        return False
    return attempted.outcome is not FAILED


def _began_at(track: Track) -> float:
    assert track.attempted is not None
    return track.attempted.started_at


def _leads_to(origin: Origin, track: Track) -> bool:
    return not _is_address(origin.host) or track.pair.peer[0] == origin.host


def _is_of_pool(call: CallTrack, track: Track) -> bool:
    return track.adopted is None or _is_its_own(call, track)


def _is_its_own(call: CallTrack, track: Track) -> bool:
    mine = call.called.adopted
    return track.adopted is not None and track.adopted.pool == mine.pool != 0


def _was_usable(call: CallTrack, track: Track) -> bool:
    if track.closed is not None and track.closed.at < call.requested.at:
        return False
    last = track.exchanges[-1] if track.exchanges else None
    if last is None or last.answered is None or not last.answered.will_close:
        return True
    return last.ended is None or last.ended.at > call.requested.at


def _reached(call: CallTrack, track: Track) -> bool:
    """Tell whether a call got as far as to a connection (rule 5)."""
    if call.answered is not None or _is_its_own(call, track):
        return True
    return track.established and _is_address(call.called.adopted.origin.host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
