"""What every connection of one server shares, and what HTTP/1 and HTTP/2 do alike with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from pytest_keepalive._server._faults import Effect, Fault
from pytest_keepalive._server._recorder import Recorder
from pytest_keepalive._server._records import RecordedRequest
from pytest_keepalive._server._reply import Reply
from pytest_keepalive._server._routes import Handler, Routes
from pytest_keepalive._server._terms import Terms
from pytest_keepalive._server._wire import Ended, Manner, Wire

_MANNERS = {
    Effect.CLOSE: Manner.CLOSE,
    Effect.HALF_CLOSE: Manner.HALF_CLOSE,
    Effect.RESET: Manner.RESET,
}
# How soon a held reply notices that the server is closing; opening its gate is noticed at once.
_LOOK_UP_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Service:
    """What every connection of one server shares.

    Args:
        terms: On which connections are kept open.
        routes: What to answer.
        recorder: Who is told what was seen.
        closing: Set when the server closes.
        errors: What the author's own functions raised.
    """

    terms: Terms
    routes: Routes = field(default_factory=Routes)
    recorder: Recorder = field(default_factory=Recorder)
    closing: Event = field(default_factory=Event)
    errors: list[BaseException] = field(default_factory=list)

    def ask(self, handler: Handler, request: RecordedRequest) -> Reply:
        """Have the author's function make a reply; 500 when it fails."""
        try:
            reply = handler(request)
            if not isinstance(reply, Reply):
                raise TypeError(f"{handler!r} must give a Reply, not {reply!r}")
        except BaseException as error:
            # Outcomes of pytest are no Exception; in this thread nobody else would hear of them.
            self.errors.append(error)
            return Reply(500, f"{type(error).__name__}: {error}")
        return reply

    def sleep(self, seconds: float) -> None:
        """Let some seconds pass.

        Raises:
            Ended: The server was closed meanwhile.
        """
        if self.closing.wait(seconds):
            raise server_closed()

    def wait_open(self, gate: Event) -> None:
        """Wait until a gate is open.

        Raises:
            Ended: The server was closed meanwhile.
        """
        while not gate.wait(_LOOK_UP_SECONDS):
            if self.closing.is_set():
                raise server_closed()

    def strike(self, fault: Fault, wire: Wire, gate: Event | None) -> None:
        """Perform a fault on a connection; return when the exchange is to go on.

        Args:
            fault: What to perform.
            wire: Where nothing is left to be sent.
            gate: What a hold without an event of its own waits for.

        Raises:
            Ended: The connection is over.
        """
        if fault.effect is Effect.DELAY:
            self.sleep(fault.seconds)
        elif fault.effect is Effect.HOLD:
            self.wait_open(fault.gate or gate or Event())
        elif fault.effect is Effect.STALL:
            while wire.receive():
                pass
            raise Ended("client", f"left, in a {fault}")
        else:
            raise ending_of(fault)


def server_closed() -> Ended:
    """Give the ending of a connection that was open when the server was closed."""
    return Ended("server", "the server was closed")


def ending_of(fault: Fault) -> Ended:
    """Give the ending that a fault brings about."""
    return Ended("server", f"fault: {fault}", _MANNERS[fault.effect])
