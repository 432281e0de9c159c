"""Patching with manners.

Rules
1. A function is wrapped once; wrapping what is wrapped already does nothing.
2. Restoring puts back the exact object that was there, or takes the name away where it was
   inherited.
3. Where somebody patched over us, their patch stays: they hold our wrapper, which from then on
   only passes calls through, since its probe states its events to nobody.
4. A name that is gone raises ``SeamGone`` before anything of that probe is left behind.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_keepalive._events import Trouble

_MISSING: Any = object()
_MARK = "__keepalive_probe__"


class SeamGone(Exception):
    """A client library no longer has a name that its probe relies on.

    Args:
        seam: The dotted name that is gone.
    """

    def __init__(self, seam: str) -> None:
        super().__init__(seam)
        self.seam = seam


class Patch(NamedTuple):
    """One wrapped name.

    Args:
        owner: The class or module whose attribute it is.
        name: The attribute.
        original: What stood in the owner's own namespace; a sentinel where it was inherited.
        wrapper: What stands there now.
    """

    owner: Any
    name: str
    original: Any
    wrapper: Any


class Patches:
    """The names that one probe has wrapped."""

    def __init__(self) -> None:
        self._made: list[Patch] = []

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put a wrapper in the place of a function.

        Args:
            owner: A class or a module.
            name: One of its attributes.
            make: Given the present function, it makes the wrapper.

        Raises:
            SeamGone: The owner has no such attribute.
        """
        present = getattr(owner, name, _MISSING)
        if present is _MISSING:
            raise SeamGone(f"{_name_of(owner)}.{name}")
        if getattr(present, _MARK, None) is self:
            return
        own = inspect.getattr_static(owner, name) if name in vars(owner) else _MISSING
        wrapper = _dressed(make(present), present)
        setattr(wrapper, _MARK, self)
        setattr(owner, name, wrapper)
        self._made.append(Patch(owner, name, own, wrapper))

    def restore(self) -> None:
        """Put everything back that is still ours, the last first."""
        while self._made:
            owner, name, original, wrapper = self._made.pop()
            if vars(owner).get(name) is not wrapper:
                continue
            if original is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def observing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what goes wrong in an observation away from the program that is observed.

    Args:
        method: Of an object that has ``client`` and ``sink``; its errors become one fact.
    """

    @functools.wraps(method)
    def guarded(self: Any, *args: Any) -> Any:
        try:
            return method(self, *args)
        except Exception as error:
            tell_trouble(self, error)
            return None

    return guarded


def tell_trouble(probe: Any, error: Exception) -> None:
    """State that an observation failed; the program goes on as it would without it.

    Args:
        probe: Has ``client`` and ``sink``.
        error: What went wrong.
    """
    probe.sink(Trouble(probe.client, f"its probe failed with {error!r}"))


def _dressed(wrapper: Any, present: Any) -> Any:
    try:
        return functools.wraps(present)(wrapper)
    except (AttributeError, TypeError):
        # A C function may lack what there is to copy; the wrapper works without.
        return wrapper


def _name_of(owner: Any) -> str:
    if inspect.isclass(owner):
        return f"{owner.__module__}.{owner.__qualname__}"
    return str(getattr(owner, "__name__", owner))
