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

from pytest_keepalive._options import handed_over

if TYPE_CHECKING:
    from pytest_keepalive._watch._count_table import Row

_NAME = "keepalive-workers"
_ROW_INPUT = "keepalive_row"


class Workers:
    """The hooks of the process that has the workers."""

    def __init__(self) -> None:
        from pytest_keepalive._watch._count_table import CountTable

        self._table = CountTable()

    def admit(self, node: Any) -> None:
        """Give a worker a row of its own, when it is on this machine."""
        spec = node.gateway.spec
        if spec.popen and not spec.via:
            address = self._table.admit()
            node.workerinput[_ROW_INPUT] = None if address is None else list(address)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Let the others know that a worker is gone."""
        address = node.workerinput.get(_ROW_INPUT)
        if address is not None:
            self._table.dismiss(address[-1])

    def pytest_unconfigure(self) -> None:
        """Let go of the memory."""
        self._table.close()


def admit(node: Any) -> None:
    """Have a worker count its connects for the others, where that is possible."""
    manager = node.config.pluginmanager
    workers = manager.get_plugin(_NAME)
    # Where the kernel counts nothing, there is nothing to compare with.
    if workers is None and sys.platform == "linux":
        with contextlib.suppress(OSError):
            workers = Workers()
            manager.register(workers, _NAME)
    if workers is not None:
        workers.admit(node)


def join(config: pytest.Config) -> None:
    """Count the connects of this process for the other workers, when it is one itself."""
    if sys.platform == "linux":
        from pytest_keepalive._instruments import instruments

        address = handed_over(config, _ROW_INPUT)
        instruments.join(None if address is None else _row(address))


def _row(address: list[Any]) -> Row | None:
    from pytest_keepalive._watch._count_table import Row, RowAddress

    with contextlib.suppress(OSError):
        return Row(RowAddress(*address))
    return None
