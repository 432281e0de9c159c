"""What the kernel watch states: frozen facts, for whoever makes events of them."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pytest_keepalive._events import Outcome
from pytest_keepalive._origin import Address, Pair


class SeenBy(str, Enum):
    """How a connect was told to be TCP, and to be a new one."""

    DESCRIPTOR = "its socket was looked at"
    NAME = "the name of its protocol was read; repeated connects were told by the inode"
    SAMPLE = "it was open when somebody looked"

    __str__ = str.__str__


class KernelConnect(NamedTuple):
    """A connect(2) towards a TCP destination was made.

    Args:
        number: Its position among everything that its watch recorded.
        at: When, in seconds of ``time.perf_counter``.
        process: The process that made it.
        process_name: The last part of that process's first argument, such as ``node``.
        thread: The thread, as ``threading.get_native_id`` gives it.
        thread_name: What the kernel calls the thread, 15 characters at most.
        peer: The address that was connected to; ``None`` where it could not be read.
        local: The client's end, ``None`` where the kernel does not tell.
        outcome: What became of it; ``None`` where the kernel does not tell.
        cookie: The kernel's number for the socket (SO_COOKIE), 0 where it was not told.
        seen_by: How it was seen.
        is_open: Whether the socket was still in use when last looked at.
        sent: Bytes of payload sent, where the kernel tells.
        received: Bytes of payload received, where the kernel tells; one more with a FIN.
        run: The runner whose program made it, inside a watched process; 0 for none.
        went_out: Whether a SYN was sent, so that the kernel counted it as an active open.
    """

    number: int
    at: float
    process: int
    process_name: str
    thread: int
    thread_name: str
    peer: Address | None
    local: Address | None = None
    outcome: Outcome | None = None
    cookie: int = 0
    seen_by: SeenBy = SeenBy.DESCRIPTOR
    is_open: bool | None = None
    sent: int | None = None
    received: int | None = None
    run: int = 0
    went_out: bool = True

    @property
    def pair(self) -> Pair | None:
        """The address pair, ``None`` unless both ends are known."""
        if self.local is None or self.peer is None:
            return None
        return Pair(self.local, self.peer)

    @property
    def is_connection(self) -> bool:
        """Whether it counts: everything but what is known to have failed, or is pending."""
        return self.outcome in (Outcome.ESTABLISHED, None)

    @property
    def is_settled(self) -> bool:
        """Whether looking again could tell no more."""
        return self.outcome in (Outcome.ESTABLISHED, Outcome.FAILED) and self.is_open is False

    def __repr__(self) -> str:
        there = f"{self.peer[0]}:{self.peer[1]}" if self.peer else "unknown destination"
        outcome = self.outcome.value if self.outcome else "outcome unknown"
        who = f"{self.process_name}[{self.process}]"
        return f"<KernelConnect #{self.number} {who} to {there} {outcome}>"


class Doubt(NamedTuple):
    """Something was done that may have opened connections which were not seen.

    Args:
        at: When, in seconds.
        process: The process that did it.
        process_name: The last part of that process's first argument.
        what: What it did, as a phrase with the process for its subject.
        run: The runner whose program did it, inside a watched process; 0 for none.
        stands: Whether no count of the kernel's dispels it.
    """

    at: float
    process: int
    process_name: str
    what: str
    run: int = 0
    stands: bool = False

    def __str__(self) -> str:
        return f"{self.process_name or 'a process'} (process {self.process}) {self.what}"


class Suspicion(NamedTuple):
    """Something that could have opened connections unseen by the kernel watch.

    Args:
        who: Which process, and how.
        since: From when on, in seconds.
        until: When it was seen to be over, in seconds; ``None`` while it is not.
    """

    who: str
    since: float
    until: float | None = None
