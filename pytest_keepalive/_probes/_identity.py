"""Numbers for objects, which outlive the objects and are never given twice.

``id()`` is: two pools that never lived at the same time may share one.
"""

from __future__ import annotations

import weakref
from typing import Any

from pytest_keepalive._events import new_number


class Identities:
    """Gives each object a number of its own, and keeps no object alive."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}

    def number_of(self, subject: Any) -> int:
        """Give the number of an object; 0 for ``None`` and for what takes no weak reference."""
        known = self._known.get(id(subject))
        if known is not None and known[0]() is subject:
            return known[1]
        try:
            reference = weakref.ref(subject, self._forgetter(id(subject)))
        except TypeError:
            return 0
        number = new_number()
        self._known[id(subject)] = reference, number
        return number

    def _forgetter(self, key: int) -> Any:
        known = self._known

        def forget(reference: weakref.ref[Any]) -> None:
            entry = known.get(key)
            if entry is not None and entry[0] is reference:
                del known[key]

        return forget
