"""Recordings written down as stories: what opened, what it carried, how it ended.

Times are seconds; each connection has a port of its own, and everything that a story does not
say is ordinary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_keepalive import Cause, Finding, Origin, Recording
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Tally
from pytest_keepalive._diagnosis import diagnose
from pytest_keepalive._events import (
    Adopted,
    Answered,
    Attempted,
    Closed,
    ClosedBy,
    CloseTrigger,
    Ended,
    Ending,
    Event,
    Handshaken,
    Outcome,
    Requested,
    Side,
    new_number,
)
from pytest_keepalive._ledger import Ledger
from pytest_keepalive._origin import Pair
from pytest_keepalive._snapshot import recording_of

HOST = "127.0.0.1"
PEER = (HOST, 8080)
ORIGIN = Origin("http", HOST, 8080)
REQUEST_SITE = CallSite("sdk/client.py", 41, "Client.get")
CLOSE_SITE = CallSite("sdk/client.py", 52, "Client.close")


class Line:
    """One connection of a story.

    Args:
        story: Where its events go.
        pair: Its two ends.
        origin: Who is asked.
    """

    def __init__(self, story: Story, pair: Pair, origin: Origin) -> None:
        self._story = story
        self.pair = pair
        self.origin = origin

    def ask(self, at: float, path: str = "/", method: str = "GET", **fields: Any) -> int:
        """Begin an exchange, and give its number."""
        number = new_number()
        known: dict[str, Any] = {"call_site": REQUEST_SITE, "worker": 1, **fields}
        self._story.events.append(
            Requested(number, self.pair, at, method, f"{self.origin}{path}", **known)
        )
        return number

    def answer(self, number: int, at: float, status: int = 200, **fields: Any) -> None:
        """Have the head of the response come."""
        known: dict[str, Any] = {
            "http_version": "HTTP/1.1",
            "will_close": False,
            "framed": True,
            **fields,
        }
        self._story.events.append(Answered(number, at, status, **known))

    def end(self, number: int, at: float, ending: Ending = Ending.COMPLETE, **fields: Any) -> None:
        """End an exchange."""
        self._story.events.append(Ended(number, at, ending, **fields))

    def get(
        self,
        at: float,
        path: str = "/",
        took: float = 0.1,
        asked: dict[str, Any] | None = None,
        ending: Ending = Ending.COMPLETE,
        **fields: Any,
    ) -> Line:
        """Make a whole exchange; the fields are those of the answer."""
        number = self.ask(at, path, **(asked or {}))
        self.answer(number, at + took / 2, **fields)
        self.end(number, at + took, ending)
        return self

    def fail(
        self,
        at: float,
        error: str,
        path: str = "/",
        took: float = 0.1,
        ending: Ending = Ending.FAILED,
        **asked: Any,
    ) -> Line:
        """Make an exchange that has no response."""
        self.end(self.ask(at, path, **asked), at + took, ending, error=error)
        return self

    def give_up(
        self, at: float, trigger: CloseTrigger, detail: str = "", site: CallSite | None = None
    ) -> Line:
        """Have the client close it, for a reason that its code shows."""
        self._story.events.append(ClosedBy(self.pair, at, trigger, detail, site))
        return self.close(at)

    def close(self, at: float, by: Side | None = Side.CLIENT, **fields: Any) -> Line:
        """Close its socket."""
        self._story.events.append(Closed(self.pair, at, by, **fields))
        return self

    def drop(self, at: float, fin_at: float, silence: float | None = None) -> Line:
        """Have the client find that the peer had closed it."""
        self._story.events.append(ClosedBy(self.pair, at, CloseTrigger.DROPPED))
        return self.close(at, Side.PEER, peer_closed_at=fin_at, silence=silence, heard_at=fin_at)


class Story:
    """What happened, as events in their order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._port = 50_000

    def open(
        self,
        at: float,
        origin: Origin = ORIGIN,
        peer: tuple[str, int] = PEER,
        took: float = 0.01,
        handshake: float = 0.0,
        site: CallSite | None = REQUEST_SITE,
        **adopted: Any,
    ) -> Line:
        """Open a connection; the fields are those of who adopts it."""
        line = self.open_unknown(at, origin, peer, took, site)
        known: dict[str, Any] = {
            "client": "requests",
            "pool": 1,
            "pool_name": "urllib3.HTTPConnectionPool",
            "owner": 11,
            "thread": 1,
            "call_site": site,
            **adopted,
        }
        self.events.append(Adopted(line.pair, at + took, origin=origin, **known))
        if handshake:
            self.events.append(Handshaken(line.pair, at + took, at + took + handshake))
        return line

    def open_unknown(
        self,
        at: float,
        origin: Origin = ORIGIN,
        peer: tuple[str, int] = PEER,
        took: float = 0.01,
        site: CallSite | None = REQUEST_SITE,
    ) -> Line:
        """Open a connection that no client is known to use."""
        self._port += 1
        pair = Pair((HOST, self._port), peer)
        attempted = Attempted(
            new_number(), at, at + took, Outcome.ESTABLISHED, *pair, call_site=site, thread=1
        )
        self.events.append(attempted)
        return Line(self, pair, origin)

    @property
    def recording(self) -> Recording:
        """All of it."""
        ledger = Ledger()
        ledger.apply(self.events)
        return recording_of(ledger, 0.0, 100.0)

    @property
    def findings(self) -> Tally[Finding]:
        """What is found in it."""
        return diagnose(self.recording)

    @property
    def causes(self) -> list[Cause]:
        """The causes of the findings."""
        return [finding.cause for finding in self.findings]

    @property
    def finding(self) -> Finding:
        """The only finding."""
        (finding,) = self.findings
        return finding


def causes_of(events: Iterable[Event]) -> list[Cause]:
    """Give the causes that some events show."""
    story = Story()
    story.events = list(events)
    return story.causes
