"""Threads that outlive the connections they serve.

Making a thread costs more than serving a small request, so an idle one takes the next task.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

Task = Callable[[], None]


class Workers:
    """As many threads as there are tasks at once.

    Args:
        name: The beginning of the names of the threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = Lock()
        self._idle = 0
        self._threads: list[Thread] = []

    def run(self, task: Task) -> None:
        """Have a task done at once, by an idle thread or by a new one; it must not raise."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._start()
        self._tasks.put(task)

    def close(self) -> None:
        """Wait until every task is done and every thread is gone."""
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._tasks.put(None)
        for thread in threads:
            thread.join()

    def _start(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            # The task holds a connection: it must not live on in an idle thread.
            del task
            with self._lock:
                self._idle += 1
