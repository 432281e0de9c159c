"""The responses of pyreqwest that their users read: when they are over, and how.

Rules
1. A response is over when it was read to its end, when reading it failed, or when its request is
   left.
2. What is awaited is awaited through a coroutine that only passes on, and that nobody misses when
   it is never awaited: pyreqwest's own does not either.
3. Nothing is kept of a response but its ``id``; who gets the same later takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from pytest_keepalive._events import Ending, Sink
from pytest_keepalive._probes._patch import observing
from pytest_keepalive._probes._pyreqwest_call import Call, Exchange
from pytest_keepalive._probes._seam import Begin, Done, Failed


class Streams:
    """The responses that are being read.

    Args:
        sink: Where it states the ends of their exchanges.
    """

    client = "pyreqwest"

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._calls: dict[int, Call] = {}
        self._read: dict[int, Exchange] = {}

    def forget(self) -> None:
        """Start empty."""
        self._calls.clear()
        self._read.clear()

    def begin(self, request: Any, call: Call) -> None:
        """Follow a request until it is left."""
        self._calls[id(request)] = call

    def answered(self, exchange: Exchange) -> None:
        """Follow an exchange whose response came; one before it was given up."""
        before, exchange.call.held = exchange.call.held, exchange
        if before is not None:
            self._end(before, Ending.ABANDONED)

    @observing
    def entered(self, arguments: tuple[Any, ...], response: Any) -> None:
        """Follow a response from where its user gets it: a middleware may see another object."""
        call = self._calls.get(id(arguments[0]))
        if call is not None and call.held is not None and not call.held.over:
            for part in (response, response.body_reader):
                self._read[id(part)] = call.held

    @observing
    def left(self, arguments: tuple[Any, ...], result: Any) -> None:
        """Note that a request was left."""
        call = self._calls.pop(id(arguments[0]), None)
        if call is not None and call.held is not None:
            self._end(call.held, Ending.ABANDONED)

    def broke(self, arguments: tuple[Any, ...], error: BaseException) -> None:
        """Note that a request could not be left in peace."""
        self.left(arguments, None)

    @observing
    def read(self, part: Any, result: Any) -> None:
        """Note that a response was read to its end."""
        exchange = self._read.get(id(part))
        if exchange is not None:
            self._end(exchange, Ending.COMPLETE)

    def read_some(self, part: Any, piece: Any) -> None:
        """Note that a piece of a response was read, the last where there is none."""
        if piece is None:
            self.read(part, piece)

    @observing
    def failed(self, part: Any, error: BaseException) -> None:
        """Note that a response could not be read."""
        exchange = self._read.get(id(part))
        if exchange is not None:
            self._end(exchange, Ending.FAILED, error)

    def _end(self, exchange: Exchange, ending: Ending, error: BaseException | None = None) -> None:
        for key in [key for key, each in self._read.items() if each is exchange]:
            del self._read[key]
        if not exchange.over:
            self.sink(exchange.ended(ending, error))


class AwaitedSeam:
    """Makes what wraps a method that gives something to be awaited; for ``Patches.wrap``.

    Args:
        begin: As for ``observed``.
        done: Called when what was awaited is there.
        failed: Called when awaiting it failed.
    """

    def __init__(self, begin: Begin, done: Done, failed: Failed) -> None:
        self._begin = begin
        self._done = done
        self._failed = failed

    def __call__(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a method."""

        def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            awaited = original(subject, *args, **kwargs)
            token = self._begin(subject, args, kwargs)
            return _Awaited(awaited, token, self._done, self._failed)

        return call


class _Awaited(Coroutine[Any, Any, Any]):
    """A coroutine of pyreqwest, and who is told what comes of it."""

    def __init__(self, original: Any, token: Any, done: Done, failed: Failed) -> None:
        self._original = original
        self._token = token
        self._done = done
        self._failed = failed

    def send(self, value: Any) -> Any:
        return self._go_on(self._original.send, value)

    def throw(self, *error: Any) -> Any:
        return self._go_on(self._original.throw, *error)

    def close(self) -> None:
        self._original.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def _go_on(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            return step(*args)
        except StopIteration as over:
            self._done(self._token, over.value)
            raise
        except BaseException as error:
            self._failed(self._token, error)
            raise
