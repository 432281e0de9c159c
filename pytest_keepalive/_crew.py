"""The workers of a run of pytest-xdist, which count their connects for each other.

Rules
1. The kernel counts for all of them: only together can they tell what nobody saw.
2. A worker on another machine, or one that cannot reach the memory, is told nothing, and takes no
   blind spot for certain.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_keepalive._instruments import instruments

if TYPE_CHECKING:
    from pytest_keepalive._watch._board import Row

_NAME = "keepalive-crew"
_SEAT_INPUT = "keepalive_seat"


class Crew:
    """The hooks of the process that has the workers."""

    def __init__(self) -> None:
        from pytest_keepalive._watch._board import Board

        self._board = Board()

    def admit(self, node: Any) -> None:
        """Give a worker a row of its own, when it is on this machine."""
        spec = node.gateway.spec
        if spec.popen and not spec.via:
            seat = self._board.admit()
            node.workerinput[_SEAT_INPUT] = None if seat is None else list(seat)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Let the others know that a worker is gone."""
        seat = node.workerinput.get(_SEAT_INPUT)
        if seat is not None:
            self._board.dismiss(seat[-1])

    def pytest_unconfigure(self) -> None:
        """Let go of the memory."""
        self._board.close()


def admit(node: Any) -> None:
    """Have a worker count its connects for the others, where that is possible."""
    manager = node.config.pluginmanager
    crew = manager.get_plugin(_NAME)
    # Where the kernel counts nothing, there is nothing to compare with.
    if crew is None and sys.platform == "linux":
        with contextlib.suppress(OSError):
            crew = Crew()
            manager.register(crew, _NAME)
    if crew is not None:
        crew.admit(node)


def join(config: pytest.Config) -> None:
    """Count the connects of this process for the other workers, when it is one itself."""
    if sys.platform == "linux":
        seat = config.workerinput.get(_SEAT_INPUT)  # type: ignore[attr-defined] # pytest-xdist's
        instruments.join(None if seat is None else _row(seat))


def _row(seat: list[Any]) -> Row | None:
    from pytest_keepalive._watch._board import Row, Seat

    with contextlib.suppress(OSError):
        return Row(Seat(*seat))
    return None
