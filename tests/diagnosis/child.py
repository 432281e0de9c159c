"""A forked process that does something, and tells what came of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from select import select
from typing import Any

_PATIENCE = 20.0


class Parent:
    """What a child sees of its parent: two pipes.

    Args:
        reading: Where its parent writes.
        writing: Where its parent reads.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    def pause(self) -> None:
        """Tell the parent that this point is reached, and wait until it says to go on."""
        os.write(self._writing, b".")
        os.read(self._reading, 1)

    def tell(self, result: Any) -> None:
        """Tell what came of it."""
        os.write(self._writing, json.dumps(result).encode())


class Child:
    """The process; a context manager, behind which it is gone.

    Args:
        body: What it does; its result must be JSON.
    """

    def __init__(self, body: Callable[[Parent], Any]) -> None:
        from_child, to_parent = os.pipe()
        from_parent, to_child = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            _live(body, Parent(from_parent, to_parent))
        os.close(to_parent)
        os.close(from_parent)
        self._from_child, self._to_child = from_child, to_child

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._from_child)
        os.close(self._to_child)

    def wait(self) -> None:
        """Wait until it pauses."""
        assert self._read() == b"."

    def go_on(self) -> None:
        """End its pause."""
        os.write(self._to_child, b".")

    def result(self) -> Any:
        """Wait for what comes of it."""
        return json.loads(self._read())

    def _read(self) -> bytes:
        ready, _, _ = select([self._from_child], [], [], _PATIENCE)
        assert ready, "the child says nothing"
        return os.read(self._from_child, 65536)


def _live(body: Callable[[Parent], Any], parent: Parent) -> None:
    try:
        parent.tell(body(parent))
    except BaseException as error:
        parent.tell(repr(error))
    finally:
        # Nothing of the parent's test run may go on here.
        os._exit(0)
