"""Measuring a block of code, with or without pytest."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType

from pytest_keepalive._instruments import instruments
from pytest_keepalive._recorder import Window
from pytest_keepalive._recording import Recording
from pytest_keepalive._view import View

_innermost: ContextVar[Measurement | None] = ContextVar("_innermost", default=None)


class Measurement:
    """A block under measurement; see ``measure``.

    Args:
        patch: Whether the observers are installed for it; without them only the transports that
            record by themselves are seen.
    """

    def __init__(self, patch: bool = True) -> None:
        self.patch = patch
        self._window: Window | None = None
        self._ended = False
        self._outer: Measurement | None = None
        self._open_inside: set[int] = set()

    def __enter__(self) -> View:
        if self._window is not None:
            raise RuntimeError("this measure() block was entered before; make a new one")
        instruments.acquire(self.patch)
        self._window = instruments.open_window()
        self._outer = _innermost.get()
        if self._outer is not None:
            self._outer._open_inside.add(id(self))
        _innermost.set(self)
        return View(self._recording)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._window is None or self._ended:
            what = "ended before" if self._ended else "was never entered"
            raise RuntimeError(f"this measure() block {what}, so it cannot end now")
        self._ended = True
        self._window.close()
        instruments.release(self.patch)
        if self._outer is not None:
            self._outer._open_inside.discard(id(self))
        _innermost.set(self._outer)
        if self._open_inside and error is None:
            raise RuntimeError(
                "measure() blocks were closed out of order: this one ended while "
                f"{len(self._open_inside)} begun inside it had not; close the inner ones first"
            )

    def _recording(self) -> Recording:
        assert self._window is not None
        return self._window.recording()


def measure() -> Measurement:
    """Measure the connections that a block of code opens and uses.

    ``with measure() as seen: ...`` gives a view that stays readable after the block. The
    observers are installed for the block and taken away behind it.

    Raises:
        RuntimeError: At the end of a block in which another one was begun and not ended.
    """
    return Measurement()
