"""The facts that an observer can state, each a frozen event.

Rules
1. An event says what was seen, never what it means; meaning is the ledger's and the
   diagnosis's.
2. Times are seconds on ``time.perf_counter``'s clock; sizes are bytes.
3. A connection is named by its address pair: the latest one established with that pair is
   meant, since no two open connections share a pair.
4. An observer states events through a ``Sink``, in the order in which they came to be true on
   a connection, from any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from itertools import count
from typing import Any, NamedTuple

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._origin import Address, Origin, Pair


class Outcome(str, Enum):
    """How an attempt to connect ended."""

    ESTABLISHED = "established"
    FAILED = "failed"
    PENDING = "pending"


# Before Python 3.12 a member that is looked up on its class costs a call.
ESTABLISHED, FAILED, PENDING = Outcome.ESTABLISHED, Outcome.FAILED, Outcome.PENDING


class Side(str, Enum):
    """Who closed a connection first."""

    CLIENT = "client"
    PEER = "peer"

    __str__ = str.__str__


class CloseTrigger(str, Enum):
    """What made the client close a connection, as its own code showed."""

    SERVER_SAID_CLOSE = "the response does not allow reuse"
    DROPPED = "the peer had closed it while idle"
    EXPIRED = "its idle time had run out"
    EVICTED = "the pool was full"
    KEEPALIVE_OFF = "the client does not keep connections"
    BODY_UNREAD = "the response was not read to its end"
    FAILED = "the exchange failed"
    CLIENT_CLOSED = "the client was closed"
    POOL_DISPOSED = "its pool was dropped for a newer one"
    SETTINGS_CHANGED = "its TLS settings were changed"

    __str__ = str.__str__


class Ending(str, Enum):
    """How an exchange ended."""

    COMPLETE = "complete"
    ABANDONED = "abandoned"
    FAILED = "failed"
    UNSENT = "unsent"

    __str__ = str.__str__


COMPLETE, UNSENT = Ending.COMPLETE, Ending.UNSENT


class Attempted(NamedTuple):
    """A connect(2) was made; see tcp(7).

    Args:
        attempt: A number that later events use for this attempt (see ``new_number``).
        started_at: When connect was called, in seconds.
        ended_at: When the outcome was known, in seconds; ``None`` while pending or unseen.
        outcome: What became of it so far.
        local: The client's end, ``None`` where the socket was not bound.
        peer: The address that was connected to.
        asked_for: The host name that was resolved to the peer's address, or ``None``.
        error: The name of the error that ended it, or ``None``.
        call_site: The user's line that connected.
        thread: ``threading.get_ident()`` of the caller.
        observer: Who saw it: ``socket``, ``uvloop``, ``kernel``, ``tap`` ...
        process: The process that made it, 0 for this one.
        process_name: That process's name, such as ``node``; empty for this one.
    """

    attempt: int
    started_at: float
    ended_at: float | None
    outcome: Outcome
    local: Address | None
    peer: Address
    asked_for: str | None = None
    error: str | None = None
    call_site: CallSite | None = None
    thread: int = 0
    observer: str = "socket"
    process: int = 0
    process_name: str = ""


class Settled(NamedTuple):
    """A pending attempt became something.

    Args:
        attempt: The number of the attempt.
        at: When it was seen, in seconds.
        exact: Whether ``at`` is when it happened and not merely when somebody looked.
        outcome: Established or failed.
        local: The client's end, where it was not known before.
    """

    attempt: int
    at: float
    exact: bool
    outcome: Outcome
    local: Address | None = None


class Handshaken(NamedTuple):
    """TLS was established on a connection (RFC 8446, section 4).

    Args:
        pair: The connection.
        started_at: When the first flight was sent, in seconds.
        ended_at: When the handshake was complete, in seconds.
        protocol: What ALPN chose, such as ``h2``; ``None`` for nothing.
    """

    pair: Pair
    started_at: float
    ended_at: float
    protocol: str | None = None


class Adopted(NamedTuple):
    """A client library uses a connection: stated once, at its first exchange there.

    Args:
        pair: The connection.
        at: When, in seconds.
        client: The library whose API the user called, such as ``requests``.
        origin: Who the client asked for.
        pool: A number for the object that owns the connection (a pool, a connector), the same
            for the same object; 0 where there is none.
        pool_name: What that object is, such as ``urllib3.PoolManager``.
        pool_key: What the pool tells connections apart by, as (field, text) pairs.
        loop: ``id`` of the running event loop, 0 outside one.
        thread: ``threading.get_ident()`` of the caller.
        owner: A number for the client object above the pool (a session, a pool manager), 0
            where there is none.
        call_site: The user's line that made the request.
        partly: Whether requests may go unseen on it, such as those of redirects.
    """

    pair: Pair
    at: float
    client: str
    origin: Origin
    pool: int = 0
    pool_name: str = ""
    pool_key: tuple[tuple[str, str], ...] = ()
    loop: int = 0
    thread: int = 0
    owner: int = 0
    call_site: CallSite | None = None
    partly: bool = False


class Requested(NamedTuple):
    """A request was put on a connection (RFC 9112, section 3; RFC 9113, section 8.1).

    Args:
        exchange: A number that later events use for this exchange (see ``new_number``).
        pair: The connection.
        at: When the request began, in seconds; before the connect when that came of it.
        method: Such as ``GET``.
        url: Absolute, without credentials and the values of the query.
        call_site: The user's line that made the request.
        closing: Whether the request itself says ``Connection: close``.
        expecting: Whether it says ``Expect: 100-continue``.
        has_body: Whether it carries a body; ``None`` where not seen.
        worker: A number for the thread or the task that makes it; 0 where not seen.
    """

    exchange: int
    pair: Pair
    at: float
    method: str
    url: str
    call_site: CallSite | None
    closing: bool = False
    expecting: bool = False
    has_body: bool | None = None
    worker: int = 0


class Called(NamedTuple):
    """A client was called for a request, and does not tell which connection carries it.

    Args:
        requested: The request; its connection's ends are not seen.
        adopted: Whose that connection is, once it is known; its ends are not seen either.
        since: No connection of its pool is older, in seconds; ``None`` where that was not seen,
            or where the pool may connect to somewhere else than was asked for.
    """

    requested: Requested
    adopted: Adopted
    since: float | None = None


class Answered(NamedTuple):
    """The head of the final response came (RFC 9112, section 4).

    Args:
        exchange: The number of the exchange.
        at: When, in seconds.
        status: Such as 200.
        http_version: ``HTTP/1.0``, ``HTTP/1.1``, ``HTTP/2`` or ``HTTP/3``.
        will_close: Whether the head forbids reuse of the connection; ``None`` where not seen.
        headers: The few fields that a diagnosis reads, as (lower-case name, value) pairs.
        framed: Whether the length of the body is known from the head (RFC 9112, section 6.3);
            ``None`` where not seen.
    """

    exchange: int
    at: float
    status: int
    http_version: str
    will_close: bool | None = None
    headers: tuple[tuple[str, str], ...] = ()
    framed: bool | None = None


class Ended(NamedTuple):
    """An exchange is over for its client.

    Args:
        exchange: The number of the exchange.
        at: When, in seconds.
        ending: Whether its response was read to the end, given up, or failed; ``UNSENT`` when
            the request itself could not be sent whole, so that there was no exchange.
        error: The name of the exception that ended it, or ``None``.
        missing: Bytes of the body that were never read, where the client can tell.
    """

    exchange: int
    at: float
    ending: Ending
    error: str | None = None
    missing: int | None = None


class ClosedBy(NamedTuple):
    """A client decided to close a connection, and its code showed why.

    Args:
        pair: The connection.
        at: When, in seconds.
        trigger: What made it do so.
        detail: The figure that proves it, such as ``idle 5.2 s, keepalive_expiry 5.0 s``.
        call_site: The user's line that closed, where one did.
    """

    pair: Pair
    at: float
    trigger: CloseTrigger
    detail: str = ""
    call_site: CallSite | None = None


class Closed(NamedTuple):
    """The socket of a connection was closed.

    Args:
        pair: The connection.
        at: When, in seconds.
        by: Who closed first, from the TCP state at that moment (tcp(7)); ``None`` where the
            system does not tell.
        sent: Bytes of payload sent and acknowledged, where the kernel tells.
        received: Bytes of payload received, where the kernel tells.
        peer_closed_at: When the peer's FIN came, in seconds, where the kernel tells and it was
            the first.
        silence: How long the peer had sent nothing when its FIN came, in seconds, where the
            kernel tells.
        resent: How often the kernel sent again what was never acknowledged, where it tells.
        heard_at: When the peer's last segment came that was no reset, in seconds, where the
            kernel tells.
    """

    pair: Pair
    at: float
    by: Side | None = None
    sent: int | None = None
    received: int | None = None
    peer_closed_at: float | None = None
    silence: float | None = None
    resent: int | None = None
    heard_at: float | None = None


class Trouble(NamedTuple):
    """An observer could not do its work; what it saw before stays true.

    Args:
        observer: Whose.
        what: What happened, and what is lost, as a sentence without its full stop.
    """

    observer: str
    what: str


class Doubted(NamedTuple):
    """Connections may have been opened that this observer did not see.

    Args:
        observer: Whose.
        what: Why, as a sentence without its full stop.
        sampled: Whether nobody watched, and what was open was looked at now and then.
    """

    observer: str
    what: str
    sampled: bool = False


Event = (
    Attempted
    | Settled
    | Handshaken
    | Adopted
    | Requested
    | Called
    | Answered
    | Ended
    | ClosedBy
    | Closed
    | Trouble
    | Doubted
)


Later = tuple[Any, ...]
"""An event whose facts were seen, and are put in order when it is taken in.

First stands what makes the event, and then what it is made of: plain values, nothing of the
program's that would live on. What is stated at each connect may cost little; whoever takes it in
has time.
"""

Course = list[Any]
"""An exchange under way, of a client whose every microsecond counts: a list that only grows.

First stands who reads it, then how many of its facts were told; then what was asked, the number
of the exchange and when it began, in seconds; and then what else came to be true, each one value.
"""

Stated = Event | Later | Course
Sink = Callable[[Stated], object]

# For what happens at each request, given every field in its order: the constructor that NamedTuple
# writes takes three times as long.
new_event = tuple.__new__

# ``new_number`` where the call of a function is too much.
next_number = count(1).__next__


def new_number() -> int:
    """Give a number that no other attempt, exchange or pool of this process has."""
    return next_number()


def discard(event: Stated) -> None:
    """Take an event and forget it: the sink of an observer that was uninstalled."""
