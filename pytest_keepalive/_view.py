"""What users look at: the same questions, asked of a window under way or of one that ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._connection import Connection, Exchange, Tally
from pytest_keepalive._destination import parse_destination
from pytest_keepalive._events import Attempted
from pytest_keepalive._limits import Limit, limit_from
from pytest_keepalive._origin import Origin
from pytest_keepalive._recording import Recording
from pytest_keepalive._verdict import evidence_text, hold

if TYPE_CHECKING:
    from pytest_keepalive._diagnosis import Finding


class OriginViews(dict[Origin, "View"]):
    """A view for each origin; an origin's text finds it too."""

    def __missing__(self, key: object) -> View:
        raise KeyError(f"no connection to {key}; seen: {', '.join(self) or 'none'}")


class View:
    """What was seen so far, each time it is asked.

    Args:
        take: Gives the recording of this moment.
    """

    def __init__(self, take: Callable[[], Recording]) -> None:
        self._take = take

    @property
    def recording(self) -> Recording:
        """Everything at this moment, as one immutable value."""
        return self._take()

    @property
    def count(self) -> int:
        """How many connections count: established here, or used here."""
        return self._take().count

    @property
    def connections(self) -> Tally[Connection]:
        """The connections that count; compares with a number, too."""
        return self._take().connections

    @property
    def exchanges(self) -> Tally[Exchange]:
        """The exchanges that began here, in their order; compares with a number, too."""
        return self._take().exchanges

    @property
    def opened(self) -> Tally[Connection]:
        """The connections that were established here; compares with a number, too."""
        return self._take().opened

    @property
    def reused(self) -> Tally[Exchange]:
        """The exchanges that were not the first on their connection."""
        return self._take().reused

    @property
    def attempts(self) -> Tally[Attempted]:
        """Every connect, failed ones too; compares with a number, too."""
        return self._take().attempts

    @property
    def findings(self) -> Tally[Finding]:
        """Why each connection beyond the first to its origin was opened."""
        from pytest_keepalive._diagnosis import diagnose

        return diagnose(self._take())

    @property
    def exact(self) -> bool:
        """Whether nothing escaped the observers, as far as the kernel tells."""
        return self._take().exact

    @property
    def blind_spots(self) -> tuple[BlindSpot, ...]:
        """What the kernel counted and no observer saw."""
        return self._take().blind_spots

    def to(self, pattern: str) -> View:
        """Give a view of what goes to a destination.

        Args:
            pattern: ``host``, ``host:port``, a URL, or a glob.

        Raises:
            ValueError: The pattern is none of these.
        """
        wanted = parse_destination(pattern)
        return View(lambda: self._take().to(wanted))

    def per_origin(self) -> dict[Origin, View]:
        """Give a view for each origin seen so far; an origin's text finds it, too."""
        return OriginViews(
            (origin, View(lambda part=part: part))  # type: ignore[misc]
            for origin, part in self._take().per_origin().items()
        )

    def assert_single(self, requests: int | None = None, to: str | None = None) -> None:
        """Fail unless there is exactly one connection.

        Args:
            requests: The exact number of exchanges over it.
            to: The destinations that count.

        Raises:
            ConnectionLimitExceeded: It is not so.
            ValueError: An argument is not of its kind.
        """
        __tracebackhide__ = True
        self._hold(limit_from({"exactly": 1, "requests": requests, "to": to}))

    def assert_connections(
        self,
        *,
        exactly: int | None = None,
        at_most: int | None = None,
        opened_at_most: int | None = None,
        requests: int | None = None,
        min_reuse: float | None = None,
        left_open_at_most: int | None = None,
        per_origin: bool = False,
        used_only: bool = False,
        to: str | None = None,
    ) -> None:
        """Fail unless a limit is kept; the keywords are those of the marker.

        Args:
            exactly: The number of connections.
            at_most: The greatest number of connections.
            opened_at_most: The greatest number of connections established here.
            requests: The exact number of exchanges.
            min_reuse: The least part of reused exchanges, 0 to 1.
            left_open_at_most: The greatest number of connections that are open now.
            per_origin: Whether each origin is held to the limit separately.
            used_only: Whether connections that carried nothing are left out.
            to: The destinations that count.

        Raises:
            ConnectionLimitExceeded: It is not kept.
            ValueError: An argument is not of its kind.
        """
        keywords = {name: value for name, value in locals().items() if name != "self"}
        __tracebackhide__ = True
        self._hold(limit_from(keywords))

    def _hold(self, limit: Limit) -> None:
        __tracebackhide__ = True
        hold(self._take(), (limit,))

    def report(self) -> str:
        """Give the evidence as text."""
        return evidence_text(self._take())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._take()!r}>"
