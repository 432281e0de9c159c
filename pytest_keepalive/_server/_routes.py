"""Which reply answers which request.

Rules
1. A route for the method is preferred to one for any method; ``*`` is the path of every request
   that has no route of its own.
2. Several replies are used in turn, and the last one again and again.
3. The gate of a route, once open, stays open: a release must not depend on who came first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import NamedTuple

from pytest_keepalive._server._records import RecordedRequest
from pytest_keepalive._server._reply import Reply

Handler = Callable[[RecordedRequest], Reply]
Answer = Reply | Handler
"""A reply, or a function that makes one from the whole request."""

ANY_PATH = "*"


class Turn(NamedTuple):
    """What answers one request.

    Args:
        answer: A reply or a handler.
        gate: What a hold without an event of its own waits for.
    """

    answer: Answer
    gate: Event


class _Route:
    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self._answers = answers
        self._lock = Lock()
        self._used = 0
        self.gate = Event()

    def take(self) -> Turn:
        with self._lock:
            answer = self._answers[min(self._used, len(self._answers) - 1)]
            self._used += 1
        return Turn(answer, self.gate)


class Routes:
    """The replies of a server by path and method."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str | None, str], _Route] = {}
        self._default = _Route((Reply(),))
        # An origin has no tunnels: a client that takes it for a proxy should be told so.
        self._no_tunnel = _Route((Reply(405, "not a proxy", keep_alive=False),))

    def add(self, path: str, replies: Answer | Sequence[Answer], method: str | None) -> None:
        """Set what answers a path, in place of what did.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: The path is none, or there is no reply.
        """
        if not isinstance(path, str) or not (path == ANY_PATH or path.startswith("/")):
            raise ValueError(f"path must begin with '/' or be '*', not {path!r}")
        if "?" in path:
            raise ValueError(f"a route is chosen without the query: leave it out of {path!r}")
        if method is not None and not isinstance(method, str):
            raise TypeError(f"method must be text, not {method!r}")
        self._routes[method and method.upper(), path] = _Route(_answers(replies))

    def choose(self, method: str, path: str) -> Turn:
        """Give what answers a request, and use up its turn."""
        if method == "CONNECT":
            return self._no_tunnel.take()
        for key in ((method, path), (None, path), (method, ANY_PATH), (None, ANY_PATH)):
            if route := self._routes.get(key):
                return route.take()
        return self._default.take()

    def release(self, path: str | None) -> None:
        """Open the gate of a path, or every gate.

        Raises:
            ValueError: The path has no route.
        """
        routes = [route for key, route in self._routes.items() if path in (None, key[1])]
        if path is not None and not routes:
            raise ValueError(f"there is no route for {path!r}")
        for route in routes:
            route.gate.set()


def _answers(replies: Answer | Sequence[Answer]) -> tuple[Answer, ...]:
    answers = tuple(replies) if isinstance(replies, Sequence) else (replies,)
    if not answers:
        raise ValueError("a route takes one reply at least")
    for answer in answers:
        if not (isinstance(answer, Reply) or callable(answer)):
            raise TypeError(f"a route takes Reply values or functions, not {answer!r}")
    return answers
