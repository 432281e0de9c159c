"""The details of the tests of a run, kept packed by whoever collects them.

Rules
1. Texts are packed some at a time: packing one is several times slower in between other work.
2. However many tests there are, no more than a fixed amount of text is kept as it came.
"""

from __future__ import annotations

from pytest_keepalive._reports._json import pack

# Characters, which are bytes here.
_MOST_UNPACKED = 2**21


class PackedDetails:
    """The details of tests, by their node ids."""

    def __init__(self) -> None:
        self._packed: dict[str, str] = {}
        self._came: dict[str, str] = {}
        self._size = 0

    def add(self, node: str, text: str) -> None:
        """Take in what ``details_of`` gave for a test; the last time counts."""
        self._packed.pop(node, None)
        self._came[node] = text
        self._size += len(text)
        if self._size > _MOST_UNPACKED:
            self.pack()

    def pack(self) -> dict[str, str]:
        """Pack what came, and give everything that is there."""
        self._packed.update((node, pack(text)) for node, text in self._came.items())
        self._came.clear()
        self._size = 0
        return self._packed
