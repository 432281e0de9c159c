"""The thread-safe collector of what the server saw.

Rules
1. A connection is counted at accept, before anything is read from it.
2. A request is recorded when its head has come, and again when its body has.
3. After ``reset`` a connection that was open and carries another request is listed anew, with
   the next index; its exchanges are counted on, since it is still a reused connection.
4. Header tuples that equal the last ones are shared: a hundred thousand requests of one client
   should not keep a hundred thousand copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

from pytest_keepalive._origin import Address
from pytest_keepalive._server._messages import Headers, RequestHead
from pytest_keepalive._server._records import AcceptedConnection, RecordedRequest, Side


class Entry:
    """One connection while the recorder can still learn about it."""

    __slots__ = (
        "accepted_at",
        "close_reason",
        "closed_at",
        "closed_by",
        "epoch",
        "exchanges",
        "handshaken",
        "index",
        "peer",
        "requests",
    )

    def __init__(self, index: int, epoch: int, peer: Address, handshaken: bool | None) -> None:
        self.index = index
        self.epoch = epoch
        self.peer = peer
        self.handshaken = handshaken
        self.accepted_at = time.monotonic()
        self.exchanges = 0
        self.requests: list[RecordedRequest] = []
        self.closed_at: float | None = None
        self.closed_by: Side | None = None
        self.close_reason = ""

    def freeze(self) -> AcceptedConnection:
        """Give what is known now."""
        return AcceptedConnection(
            self.index,
            self.peer,
            self.accepted_at,
            tuple(self.requests),
            self.closed_at,
            self.closed_by,
            self.close_reason,
            self.handshaken,
        )


class Recorder:
    """Collects accepted connections and their requests, and lets others wait for them."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._entries: list[Entry] = []
        self._requests: list[RecordedRequest] = []
        self._epoch = 0
        self._closed = 0
        self._last_headers: Headers = ()

    def accept(self, peer: Address, tls: bool) -> Entry:
        """Count a connection."""
        with self._changed:
            entry = Entry(len(self._entries), self._epoch, peer, False if tls else None)
            self._entries.append(entry)
            self._changed.notify_all()
        return entry

    def handshake(self, entry: Entry) -> None:
        """Note that the TLS handshake of a connection succeeded."""
        with self._changed:
            entry.handshaken = True
            self._changed.notify_all()

    def record(self, entry: Entry, head: RequestHead, complete: bool) -> RecordedRequest:
        """Record a request whose head has come.

        Args:
            entry: Its connection.
            head: What has come.
            complete: Whether no body follows.
        """
        path, now = head.path, time.monotonic()
        with self._changed:
            if entry.epoch != self._epoch:
                self._list_anew(entry)
            request = RecordedRequest(
                entry.index,
                entry.exchanges,
                head.method,
                head.target,
                path,
                self._shared(head.headers),
                b"",
                head.http_version,
                entry.peer,
                now,
                complete,
            )
            entry.exchanges += 1
            entry.requests.append(request)
            self._requests.append(request)
            self._changed.notify_all()
        return request

    def complete(self, entry: Entry, request: RecordedRequest, body: bytes) -> RecordedRequest:
        """Record that the body of a request has come to its end."""
        whole = request._replace(body=body, complete=True)
        with self._changed:
            for requests in (entry.requests, self._requests):
                _replace_last(requests, request, whole)
            self._changed.notify_all()
        return whole

    def close(self, entry: Entry, by: Side, reason: str) -> None:
        """Record that a connection is closed."""
        with self._changed:
            entry.closed_at = time.monotonic()
            entry.closed_by, entry.close_reason = by, reason
            self._closed += entry.epoch == self._epoch
            self._changed.notify_all()

    def reset(self) -> None:
        """Forget everything; indices start again."""
        with self._changed:
            self._epoch += 1
            self._entries, self._requests, self._closed = [], [], 0
            self._changed.notify_all()

    @property
    def connections(self) -> tuple[AcceptedConnection, ...]:
        """Every connection in order of accept."""
        with self._changed:
            return tuple(entry.freeze() for entry in self._entries)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """Every request in order of arrival."""
        with self._changed:
            return tuple(self._requests)

    @property
    def accepted(self) -> int:
        """How many connections there are."""
        return len(self._entries)

    @property
    def requested(self) -> int:
        """How many requests there are."""
        return len(self._requests)

    @property
    def closed(self) -> int:
        """How many of the connections are closed."""
        return self._closed

    def wait_for(self, condition: Callable[[], object], timeout: float, what: str) -> None:
        """Wait until a condition holds, judging it at each change.

        Args:
            condition: Reads from this recorder; it is called with the recorder locked.
            timeout: Seconds.
            what: What is waited for, in words.

        Raises:
            TimeoutError: It did not come to hold in that time.
        """
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                seen = f"{self.accepted} accepted, {self.closed} closed, {self.requested} requests"
                raise TimeoutError(f"waited {timeout:g} s for {what}; seen: {seen}")

    def _list_anew(self, entry: Entry) -> None:
        entry.epoch, entry.index, entry.requests = self._epoch, len(self._entries), []
        self._entries.append(entry)

    def _shared(self, headers: Headers) -> Headers:
        if headers != self._last_headers:
            self._last_headers = headers
        return self._last_headers


def _replace_last(
    requests: list[RecordedRequest], old: RecordedRequest, new: RecordedRequest
) -> None:
    for position in range(len(requests) - 1, -1, -1):
        if requests[position] is old:
            requests[position] = new
            return
