"""What is running: the event loop, the task and the thread, without importing asyncio or trio."""

from __future__ import annotations

import sys
import threading
from typing import Any

from pytest_keepalive._probes._identity import Identities

_loops = Identities()


def running_loop() -> int:
    """Give a number of the running asyncio loop, which no later loop has as well; 0 outside one.

    ``asyncio.run`` in a row gives each loop the ``id`` of the one before, or not.
    """
    loop = _loop()
    return 0 if loop is None else _loops.number_of(loop) or id(loop)


def running_task() -> int:
    """Give the ``id`` of the running task of asyncio or trio, 0 outside one."""
    tasks = sys.modules.get("asyncio.tasks")
    trio = _trio()
    try:
        if tasks is not None and _loop() is not None:
            return id(tasks.current_task())
        return id(trio.current_task()) if trio is not None else 0
    except RuntimeError:
        return 0


def root_task() -> Any:
    """Give the first task of the running trio, ``None`` outside it.

    An event loop object is what trio has none of; its first task is as unique.
    """
    trio = _trio()
    try:
        return trio.current_root_task() if trio is not None else None
    except RuntimeError:
        return None


def thread_number() -> int:
    """Give a number of the running thread, which no later thread has as well.

    ``threading.get_ident`` is given again as soon as a thread has ended.
    """
    native: int = getattr(threading, "get_native_id", threading.get_ident)()
    return native


def _trio() -> Any:
    # Not trio itself: a folder of that name in the project is a module as well (PEP 420).
    return sys.modules.get("trio.lowlevel")


def _loop() -> Any:
    events = sys.modules.get("asyncio.events")
    return events._get_running_loop() if events is not None else None
