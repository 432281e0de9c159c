"""Making very many objects at once without the garbage collector looking at them time and again."""

from __future__ import annotations

import gc


class paused_collector:
    """Keep the garbage collector from running meanwhile, where it was on.

    A recording of 100,000 connections is a million new objects of which none is garbage, and
    the collector would walk all of them again for each tenth part that comes to it.
    """

    # No generator, which would cost a test more than what it does here.
    __slots__ = ("_was_enabled",)

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *exception: object) -> None:
        if self._was_enabled:
            gc.enable()
