"""Faults: an adverse effect, and the moment at which it strikes.

Rules
1. A fault is data; who performs it is the connection that it strikes.
2. An effect at a moment that makes no sense is refused when it is written, not when it strikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from threading import Event

from pytest_keepalive._server import _arguments


class Effect(str, Enum):
    """What happens to the exchange or to its connection."""

    CLOSE = "close"
    """Close the connection without announcing it; with bytes left unread, systems send RST."""
    HALF_CLOSE = "half_close"
    """Send FIN, then read and ignore what comes until the client closes."""
    RESET = "reset"
    """Send RST (``SO_LINGER`` 0)."""
    STALL = "stall"
    """Say nothing more until the client leaves or the server is closed."""
    DELAY = "delay"
    """Wait for some seconds, then go on."""
    HOLD = "hold"
    """Wait until a gate is open, then go on."""


class Moment(str, Enum):
    """When a fault strikes."""

    ON_ACCEPT = "on_accept"
    """The connection was accepted; nothing was read, and no TLS handshake began."""
    ON_REQUEST = "on_request"
    """The head of the request was read, its body was not."""
    BEFORE_HEAD = "before_head"
    """The request was read; nothing of the response was sent."""
    IN_BODY = "in_body"
    """The head and some bytes of the response's body were sent, its end was not."""
    AFTER_RESPONSE = "after_response"
    """The whole response was sent, and it promised to keep the connection."""


Spot = Moment | str | int
"""A moment, its text, or a count of body bytes after which the fault strikes in the body."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Fault:
    """An effect and its moment.

    Args:
        effect: An ``Effect`` or its text.
        moment: A ``Moment`` or its text.
        after: Bytes of the response's body sent before it strikes; only in the body.
        seconds: How long a delay lasts.
        gate: What a hold waits for; ``None`` is the gate of the route, opened by ``release``.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An unknown effect or moment, or arguments that do not go together.
    """

    effect: Effect
    moment: Moment
    after: int
    seconds: float
    gate: Event | None

    def __init__(
        self,
        effect: Effect | str,
        moment: Moment | str = Moment.BEFORE_HEAD,
        *,
        after: int = 0,
        seconds: float = 0.0,
        gate: Event | None = None,
    ) -> None:
        object.__setattr__(self, "effect", effect_of(effect))
        object.__setattr__(self, "moment", moment_of(moment))
        object.__setattr__(self, "after", _arguments.count("after", after, 0))
        object.__setattr__(self, "seconds", seconds)
        object.__setattr__(self, "gate", gate)
        self._check_waiting()
        if after and self.moment is not Moment.IN_BODY:
            raise ValueError(f"after counts bytes in the body, not {self.moment.value}")

    def _check_waiting(self) -> None:
        if self.effect is Effect.DELAY:
            _arguments.seconds("seconds", self.seconds)
        elif self.seconds:
            raise ValueError(f"seconds belong to a delay, not to a {self.effect.value}")
        if self.gate is not None and not isinstance(self.gate, Event):
            raise TypeError(f"gate must be a threading.Event, not {self.gate!r}")
        if self.gate is not None and self.effect is not Effect.HOLD:
            raise ValueError(f"a gate belongs to a hold, not to a {self.effect.value}")

    def __repr__(self) -> str:
        return f"<Fault {self}>"

    def __str__(self) -> str:
        effect = self.effect.value.replace("_", " ")
        length = f" of {self.seconds:g} s" if self.effect is Effect.DELAY else ""
        return f"{effect}{length} {self._when()}"

    def _when(self) -> str:
        if self.moment is Moment.IN_BODY:
            return f"after {self.after} bytes of the body"
        moment: str = self.moment.value
        return moment.replace("_", " ")


def effect_of(value: Effect | str) -> Effect:
    """Give an effect from its text.

    Raises:
        ValueError: There is no such effect.
    """
    try:
        return Effect(value)
    except ValueError:
        known = ", ".join(effect.value for effect in Effect)
        raise ValueError(f"{value!r} is not an effect; they are {known}") from None


def moment_of(value: Moment | str) -> Moment:
    """Give a moment from its text.

    Raises:
        ValueError: There is no such moment.
    """
    try:
        return Moment(value)
    except ValueError:
        known = ", ".join(moment.value for moment in Moment)
        raise ValueError(f"{value!r} is not a moment; they are {known}") from None


def fault_at(effect: Effect, spot: Spot) -> Fault:
    """Give the fault of some effect at a moment, or after some bytes of the body.

    Raises:
        TypeError: The spot is neither.
        ValueError: There is no such moment.
    """
    if isinstance(spot, int) and not isinstance(spot, bool):
        return Fault(effect, Moment.IN_BODY, after=spot)
    if not isinstance(spot, str):
        raise TypeError(
            f"{effect.value} must be a moment or a count of bytes of the body, not {spot!r}"
        )
    return Fault(effect, moment_of(spot))
