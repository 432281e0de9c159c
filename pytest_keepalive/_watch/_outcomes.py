"""What became of the connects that a supervisor recorded.

Rules
1. A socket is known by its cookie, and by its inode where the cookie was not told. Sockets
   that are gone are known from their obituary, others from a dump, and those that are in
   neither (reset, and still open) from their descriptor.
2. A socket that connected several times tells only what became of the last time.
3. What nothing tells of is decided by the kernel's counts, where they can (see ``_endings``).
4. A socket of which no cookie was told, and that is closed, is told by where it went: as many
   sockets went there as connects were recorded, or none of them is taken for one of those.
"""

from __future__ import annotations

import select
import time
from collections.abc import Collection
from contextlib import suppress

from pytest_keepalive._events import Outcome
from pytest_keepalive._origin import Address, Pair
from pytest_keepalive._watch._by_destination import destination_of, match
from pytest_keepalive._watch._endings import verdict_on_missing, verdict_on_wiped
from pytest_keepalive._watch._found import Found, look_at, of_either, of_the_dead, of_the_living
from pytest_keepalive._watch._obituaries import Obituaries
from pytest_keepalive._watch._record import Record
from pytest_keepalive._watch._ring import CAPACITY, Ring
from pytest_keepalive._watch._sock_diag import SockDiag, Socket
from pytest_keepalive._watch._witness import Witness

# The kernel announces the end of a socket a moment after it (sock_diag_broadcast_destroy).
_DUE_SECONDS = 0.02
_NEVER_SECONDS = 3600.0
# How often to go on listening while others' sockets end faster than they are heard of.
_ROUNDS = 20


class Outcomes:
    """Finds out what became of connects; without a kernel that tells, nothing.

    Args:
        ring: Where the connects are recorded.
    """

    def __init__(self, ring: Ring) -> None:
        self._final: dict[int, Found] = {}
        self._claimed: set[Pair] = set()
        self._crowded = False
        self._witness = Witness()
        self._before = self._witness.endings()
        self._diag: SockDiag | None = None
        self._obituaries: Obituaries | None = None
        with suppress(OSError):
            self._diag = SockDiag()
            self._obituaries = Obituaries(ring)

    @property
    def seconds_between(self) -> float:
        """How long to wait between listening, in seconds."""
        return _NEVER_SECONDS if self._obituaries is None else self._obituaries.seconds_between

    def listen(self) -> bool:
        """Take in the obituaries, which are lost when this is not called for long.

        Returns:
            Whether there may be more at once.
        """
        return self._obituaries is not None and self._obituaries.listen()

    def of(self, records: Collection[Record], patience: float = 0.0) -> dict[int, Found]:
        """Tell what became of connects, by the sequence number of their records.

        Args:
            records: Of connects.
            patience: How long to wait for every obituary, in seconds: those tell more than a
                dump. For what is nowhere else they are waited for anyway.
        """
        self._crowded = False
        latest = {record.cookie or -record.inode: record for record in records}
        found = {
            record.sequence: self._final[record.sequence]
            for record in records
            if record.sequence in self._final
        }
        found |= self._from_obituaries(_without(latest, found), patience)
        found |= self._from_dump(_without(latest, found))
        found |= self._from_descriptors(_without(latest, found))
        found |= self._from_obituaries(_without(latest, found), _DUE_SECONDS)
        found |= self._from_destinations(records, found)
        decided = self._decided(records, found)
        self._remember(decided)
        return decided

    def _remember(self, found: dict[int, Found]) -> None:
        """Keep what will not change any more: an obituary comes only once."""
        final = self._final
        for sequence, each in found.items():
            if each.is_open is False and each.outcome not in (None, Outcome.PENDING):
                final[sequence] = each
        while len(final) > CAPACITY:
            del final[next(iter(final))]

    def close(self) -> None:
        """Let go of the kernel's files."""
        self._witness.close()
        for source in (self._diag, self._obituaries):
            if source is not None:
                source.close()
        self._diag = self._obituaries = None

    def _from_obituaries(self, latest: dict[int, Record], patience: float) -> dict[int, Found]:
        found: dict[int, Found] = {}
        wanted = {cookie: record for cookie, record in latest.items() if cookie > 0}
        deadline = time.monotonic() + patience
        for _ in range(_ROUNDS):
            more = self.listen()
            found |= self._heard_of(_without(wanted, found))
            if len(found) == len(wanted) or not (more or self._more_by(deadline)):
                break
        return found

    def _heard_of(self, latest: dict[int, Record]) -> dict[int, Found]:
        if self._obituaries is None:
            return {}
        heard = ((each, self._obituaries.take(key)) for key, each in latest.items())
        return {each.sequence: of_the_dead(dead) for each, dead in heard if dead is not None}

    def _more_by(self, deadline: float) -> bool:
        """Wait until there is an obituary, or nobody wants to wait any longer."""
        left = deadline - time.monotonic()
        if left <= 0 or self._obituaries is None:
            return False
        poll = select.poll()
        poll.register(self._obituaries, select.POLLIN)
        return bool(poll.poll(left * 1000))

    def _from_dump(self, latest: dict[int, Record]) -> dict[int, Found]:
        if self._diag is None or not latest:
            return {}
        records = latest.values()
        cookies = {record.cookie for record in records if record.cookie}
        inodes = {record.inode for record in records if not record.cookie}
        ports = {record.port for record in records}
        try:
            # A destination that could not be read may have any port.
            alive = self._diag.find(cookies, inodes, () if 0 in ports else ports)
        except OSError:
            return {}
        found = {}
        for entry in alive:
            record = latest.get(entry.cookie) or latest.get(-entry.inode)
            if record is not None:
                found[record.sequence] = of_the_living(entry)
        return found

    def _from_destinations(
        self, records: Collection[Record], found: dict[int, Found]
    ) -> dict[int, Found]:
        """Tell sockets that have no cookie by where they went (rule 4)."""
        missing = [each for each in records if not each.cookie and each.sequence not in found]
        if not missing:
            return {}
        entries = self._who_went_to({destination_of(each) for each in missing}, len(missing))
        matched = match(missing, entries)
        self._crowded = len(matched) < len(entries)
        if len(self._claimed) > CAPACITY:
            self._claimed.clear()
        self._claimed.update(Pair(entry.local, entry.peer) for entry in matched.values())
        return {sequence: of_either(entry) for sequence, entry in matched.items()}

    def _who_went_to(self, peers: Collection[Address], expected: int) -> list[Socket]:
        """Give the closed sockets that went to certain places, each once."""
        deadline = time.monotonic() + _DUE_SECONDS
        for _ in range(_ROUNDS):
            more = self.listen()
            # Nobody asked for the cookies of these before they died, so that what is left of a
            # socket in TIME-WAIT has another one than its obituary.
            entries = {Pair(each.local, each.peer): each for each in self._closed(peers)}
            new = [each for pair, each in entries.items() if pair not in self._claimed]
            if len(new) >= expected or not (more or self._more_by(deadline)):
                break
        return new

    def _closed(self, peers: Collection[Address]) -> list[Socket]:
        closed: list[Socket] = []
        if self._diag is not None:
            with suppress(OSError):
                there = self._diag.find((), (), {port for _, port in peers}, peers)
                closed += [entry for entry in there if entry.inode == 0]
        if self._obituaries is not None:
            closed += self._obituaries.of_those_who_went(peers)
        return closed

    def _from_descriptors(self, latest: dict[int, Record]) -> dict[int, Found]:
        looks = ((record, look_at(record)) for record in latest.values())
        return {record.sequence: found for record, found in looks if found is not None}

    def _decided(self, records: Collection[Record], found: dict[int, Found]) -> dict[int, Found]:
        """Decide what is open (rule 3)."""
        now, lost = self._witness.endings(), self._obituaries is None or self._obituaries.lost
        wiped = [key for key, each in found.items() if each.outcome is None]
        missing = [record for record in records if record.sequence not in found]
        certain = not (lost or self._crowded or any(record.cookie for record in missing))
        verdict = verdict_on_wiped(self._before, now, len(wiped))
        for key in wiped:
            found[key] = found[key]._replace(outcome=verdict)
        verdict = verdict_on_missing(self._before, now, len(missing) if certain else None)
        for record in missing:
            found[record.sequence] = Found(verdict)
        if all(each.outcome not in (None, Outcome.PENDING) for each in found.values()):
            self._before = now
            if self._obituaries is not None:
                self._obituaries.lost = False
        return found


def _without(latest: dict[int, Record], found: dict[int, Found]) -> dict[int, Record]:
    return {key: record for key, record in latest.items() if record.sequence not in found}
