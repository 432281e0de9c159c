"""What goes between this process and a program: its input, and what it writes.

Rules
1. Whoever still holds the other ends is not waited for: a daemon that a program leaves behind
   often keeps its standard output open.
2. A program that does not read its input is no error (EPIPE), as with ``subprocess``.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from functools import partial

_CHUNK = 65536
_PIPE_ATOM = 4096

Handler = Callable[[], object]


class Pump:
    """Moves bytes, and calls others whose descriptors become ready.

    Args:
        data: What the program reads.
    """

    def __init__(self, data: bytes) -> None:
        self._selector = selectors.DefaultSelector()
        self._data = memoryview(data)
        self._input, self._feed = os.pipe()
        self._written: dict[int, bytearray] = {}
        self._outputs = [os.pipe(), os.pipe()]
        self._open: set[int] = {self._feed, *(reading for reading, _ in self._outputs)}
        self._register()

    @property
    def standard(self) -> tuple[int, int, int]:
        """The program's ends: standard input, output and error."""
        (_, output), (_, error) = self._outputs
        return self._input, output, error

    def let_go_of_standard(self) -> None:
        """Close the program's ends here, once it has them."""
        for descriptor in self.standard:
            os.close(descriptor)

    def watch(self, descriptor: int, handle: Handler) -> None:
        """Call a function whenever a descriptor is readable."""
        self._selector.register(descriptor, selectors.EVENT_READ, handle)

    def unwatch(self, descriptor: int) -> None:
        """Take no notice of a descriptor any more."""
        self._selector.unregister(descriptor)

    def move(self, seconds: float) -> None:
        """Do what can be done now, or wait for it.

        Args:
            seconds: How long to wait at most.
        """
        for key, _ in self._selector.select(seconds):
            key.data()

    def drain(self) -> None:
        """Take in what was written so far, without waiting."""
        for reading in list(self._written):
            while reading in self._open and self._take(reading):
                pass

    def texts(self) -> tuple[str, str]:
        """Give what the program wrote, as UTF-8; what is none of it is replaced."""
        output, error = (bytes(written) for written in self._written.values())
        return output.decode("utf-8", "replace"), error.decode("utf-8", "replace")

    def close(self) -> None:
        """Close what is open here."""
        self._selector.close()
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()

    def _register(self) -> None:
        for reading, _ in self._outputs:
            os.set_blocking(reading, False)
            self._written[reading] = bytearray()
            self.watch(reading, partial(self._take, reading))
        os.set_blocking(self._feed, False)
        if self._data:
            self._selector.register(self._feed, selectors.EVENT_WRITE, self._give)
        else:
            self._shut(self._feed)

    def _give(self) -> None:
        try:
            self._data = self._data[os.write(self._feed, self._data[:_PIPE_ATOM]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._data = self._data[:0]
        if not self._data:
            self._selector.unregister(self._feed)
            self._shut(self._feed)

    def _take(self, reading: int) -> bool:
        """Read once; tell whether there may be more at once."""
        try:
            data = os.read(reading, _CHUNK)
        except BlockingIOError:
            return False
        self._written[reading] += data
        if not data:
            self._selector.unregister(reading)
            self._shut(reading)
        return bool(data)

    def _shut(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)
