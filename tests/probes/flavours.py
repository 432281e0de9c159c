"""The same story told to httpx and httpx2, in threads, in asyncio and in trio.

A story is a coroutine function that is given a flavour. Without an event loop nothing in it
ever waits, so that it can be driven by hand.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest

Story = Callable[["Flavour"], Awaitable[None]]
Act = Callable[[], Awaitable[Any]]

LIBRARIES = [name for name in ("httpx", "httpx2") if find_spec(name)]
RUNNERS = [name for name in ("threads", "asyncio", "trio") if name != "trio" or find_spec("trio")]


class Flavour(NamedTuple):
    """A library, and what runs it."""

    library: str
    runner: str

    def __str__(self) -> str:
        return f"{self.library}-{self.runner}"

    @property
    def httpx(self) -> Any:
        return import_module(self.library)

    @property
    def httpcore(self) -> Any:
        return import_module(self.core)

    @property
    def core(self) -> str:
        return self.library.replace("httpx", "httpcore")

    def since(self, version: str) -> bool:
        """Tell whether this is httpcore of some version or later; httpcore2 is later than all."""
        return self.core != "httpcore" or _numbers(self.httpcore.__version__) >= _numbers(version)

    @property
    def threaded(self) -> bool:
        return self.runner == "threads"

    @property
    def pool_name(self) -> str:
        return f"{self.core}.{'' if self.threaded else 'Async'}ConnectionPool"

    @property
    def cancellation(self) -> str:
        return {"asyncio": "CancelledError", "trio": "Cancelled"}[self.runner]

    def run(self, story: Story) -> None:
        if self.runner == "asyncio":
            asyncio.run(_told(story, self))
        elif self.runner == "trio":
            import_module("trio").run(story, self)
        else:
            drive(story(self))

    def client(self, proxy: str = "", **options: Any) -> Client:
        kind = self.httpx.Client if self.threaded else self.httpx.AsyncClient
        if proxy:
            known = inspect.signature(kind).parameters
            options["proxy" if "proxy" in known else "proxies"] = proxy
        return Client(kind(trust_env=False, **options))

    def limits(self, **limits: Any) -> Any:
        return self.httpx.Limits(**limits)

    async def at_once(self, *acts: Act) -> None:
        """Do several things at the same time."""
        if self.runner == "asyncio":
            await asyncio.gather(*(act() for act in acts))
        elif self.runner == "trio":
            async with import_module("trio").open_nursery() as nursery:
                for act in acts:
                    nursery.start_soon(act)
        else:
            with ThreadPoolExecutor(len(acts)) as threads:
                list(threads.map(lambda act: drive(act()), acts))

    async def cancelling(self, act: Act, when: Callable[[], None]) -> None:
        """Begin something, wait in another thread for the moment, and cancel it."""
        if self.runner == "asyncio":
            task = asyncio.ensure_future(act())
            await asyncio.to_thread(when)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return
        trio = import_module("trio")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(act)
            await trio.to_thread.run_sync(when)
            nursery.cancel_scope.cancel()


class Client:
    """A client whose methods can be awaited, whichever kind it is."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        close = getattr(self.client, "aclose", None) or self.client.close
        try:
            await awaited(close())
        except RuntimeError as error:
            # httpcore before 0.17 objects to this, and closes all the same.
            if "still in-flight" not in str(error):
                raise

    async def get(self, url: str, **options: Any) -> Any:
        return await awaited(self.client.get(url, **options))

    async def post(self, url: str, **options: Any) -> Any:
        return await awaited(self.client.post(url, **options))

    async def open(self, url: str) -> Response:
        """Get a response whose body is still to be read."""
        request = self.client.build_request("GET", url)
        return Response(await awaited(self.client.send(request, stream=True)))


class Response:
    """A response that is read by hand."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._threaded = not hasattr(response.stream, "__aiter__")

    async def read(self) -> bytes:
        body: bytes = await awaited(
            self._response.read() if self._threaded else self._response.aread()
        )
        return body

    async def first_piece(self) -> bytes:
        if self._threaded:
            self._pieces: Any = self._response.iter_raw()
            return bytes(next(self._pieces))
        self._pieces = self._response.aiter_raw()
        return bytes(await self._pieces.__anext__())

    async def close(self) -> None:
        await awaited(self._response.close() if self._threaded else self._response.aclose())


async def awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def drive(story: Awaitable[Any]) -> Any:
    """Run what never waits for an event loop."""
    steps = story.__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise AssertionError("something waited for an event loop that is not there")


async def _told(story: Story, flavour: Flavour) -> None:
    await story(flavour)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


FLAVOURS = [Flavour(library, runner) for library in LIBRARIES for runner in RUNNERS]
TASKS = [flavour for flavour in FLAVOURS if not flavour.threaded]

if not FLAVOURS:
    pytest.skip("neither httpx nor httpx2 is installed", allow_module_level=True)

every_flavour = pytest.mark.parametrize("flavour", FLAVOURS, ids=str)
every_task = pytest.mark.parametrize("flavour", TASKS, ids=str)
