"""How clients are driven by the same words, so that one scenario serves them all.

Everything is a coroutine: those of a client for threads never wait, and are run to their end by
one step.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

from pytest_keepalive._server import KeepaliveServer

Result = TypeVar("Result")
Body = Callable[["Driver"], Coroutine[Any, Any, Result]]
DONE = b"[DONE]"
SHORT = 0.1


class Client(ABC):
    """An object that keeps connections, as its user has it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.held: list[Any] = []

    async def get(self, url: str, **options: Any) -> None:
        """Send a request and read its response to the end."""
        await self.send("GET", url, **options)

    @abstractmethod
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        """Send a request and read its response to the end."""

    @abstractmethod
    async def begin(self, url: str) -> Any:
        """Send a request and wait for the head of its response."""

    @abstractmethod
    async def leave(self, response: Any) -> None:
        """Let go of a response, whatever is left of it."""

    @abstractmethod
    async def read_to(self, response: Any, mark: bytes) -> None:
        """Read on until some bytes have come."""

    @abstractmethod
    async def wait_for(self, url: str, timeout: float) -> None:
        """Send a request that times out."""

    @abstractmethod
    async def close(self) -> None:
        """Close it."""

    async def hold(self, url: str) -> None:
        """Send a request, and hold its response without reading it."""
        self.held.append(await self.begin(url))


class Driver(ABC):
    """How code that uses a client is run."""

    name: str
    package: str
    waits = False

    @abstractmethod
    def make(self, **settings: Any) -> Client:
        """Make a client object."""

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        """Give the settings with which a client takes the certificate of a server."""
        return {"verify": server.client_context()}

    @property
    def module(self) -> Any:
        """The client library."""
        return importlib.import_module(self.package)

    def run(self, body: Body[Result]) -> Result:
        """Run a scenario to its end."""
        result: Result = run_now(body(self))
        return result

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    async def off_the_loop(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function that blocks, and let other tasks go on meanwhile."""
        function(*args)

    async def together(self, meanwhile: Callable[[], Any], *calls: Awaitable[Any]) -> None:
        """Make some calls at once; and do something while they are under way."""
        threads = [Thread(target=run_now, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        meanwhile()
        for thread in threads:
            thread.join()

    async def cancelled(self, call: Coroutine[Any, Any, Any]) -> None:
        """Begin a call and cancel it in its midst."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


def run_now(call: Any) -> Any:
    """Run a coroutine that never waits."""
    try:
        call.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("this coroutine waits")


class AsyncioDriver(Driver):
    """Runs in an event loop of asyncio."""

    waits = True

    def run(self, body: Body[Result]) -> Result:
        return asyncio.run(body(self))

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def off_the_loop(self, function: Callable[..., Any], *args: Any) -> None:
        await asyncio.to_thread(function, *args)

    async def together(self, meanwhile: Callable[[], Any], *calls: Awaitable[Any]) -> None:
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.to_thread(meanwhile)
        await asyncio.gather(*tasks)

    async def cancelled(self, call: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(call)
        await asyncio.sleep(SHORT)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class TrioDriver(Driver):
    """Runs in trio."""

    waits = True

    def run(self, body: Body[Result]) -> Result:
        import trio

        return trio.run(body, self)

    async def pause(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def off_the_loop(self, function: Callable[..., Any], *args: Any) -> None:
        import trio

        await trio.to_thread.run_sync(function, *args)

    async def together(self, meanwhile: Callable[[], Any], *calls: Awaitable[Any]) -> None:
        import trio

        async def make(call: Awaitable[Any]) -> None:
            await call

        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(make, call)
            await trio.to_thread.run_sync(meanwhile)

    async def cancelled(self, call: Coroutine[Any, Any, Any]) -> None:
        import trio

        with trio.move_on_after(SHORT):
            await call
