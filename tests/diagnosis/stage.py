"""Where scenarios play, and the table that they are added to.

A scenario is one coroutine function. It does the same thing twice: the wrong way, which opens
connections for one cause, and, told that it is ``cured``, a way that opens none too many.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_keepalive import Cause
from pytest_keepalive._server import KeepaliveServer
from tests.diagnosis.drivers import DONE, Client, Driver

BIG = b"x" * 2_000_000
# More than the buffers between a client and its server hold.
HUGE = b"x" * 16_000_000
EVENTS = ["one", "two", DONE.decode()]
IDLE = 0.15
LONGER = 0.3
# Some ticks of the kernel's clock, by which it dates a close.
TICKS = 0.05
# Long enough for the kernel to send again what is not acknowledged (RFC 6298).
LOST = 0.9

REQUESTS, URLLIB3, HTTP_CLIENT, URLLIB = "requests", "urllib3", "http.client", "urllib.request"
HTTPX, ASYNC_HTTPX, TRIO_HTTPX = "httpx", "httpx-asyncio", "httpx-trio"
AIOHTTP, BOTOCORE, NIQUESTS, ASYNC_NIQUESTS = "aiohttp", "botocore", "niquests", "niquests-asyncio"
HTTPX2, ASYNC_HTTPX2 = "httpx2", "httpx2-asyncio"
OF_NIQUESTS = (NIQUESTS, ASYNC_NIQUESTS)
OF_HTTPX = (HTTPX, ASYNC_HTTPX, HTTPX2, ASYNC_HTTPX2)
OF_URLLIB3 = (REQUESTS, URLLIB3, BOTOCORE)
OF_POOLS = (*OF_URLLIB3, *OF_HTTPX, AIOHTTP, *OF_NIQUESTS)
KEEPING = (*OF_POOLS, HTTP_CLIENT)
FOR_THREADS = (*OF_URLLIB3, HTTPX, HTTPX2, NIQUESTS, HTTP_CLIENT)
# With these a child process goes on with its parent's client: see test_forked.py.
FORKED = (REQUESTS, URLLIB3, HTTP_CLIENT, HTTPX, HTTPX2, BOTOCORE, NIQUESTS)
FOR_TASKS = (ASYNC_HTTPX, ASYNC_HTTPX2, AIOHTTP, ASYNC_NIQUESTS)


@dataclass
class Stage:
    """Where a scenario plays.

    Args:
        driver: Of the client.
        server: The referee.
        trusts: Whether each client is to take the certificate of the server.
    """

    driver: Driver
    server: KeepaliveServer
    trusts: bool = False
    made: list[Client] = field(default_factory=list)

    def make(self, **settings: Any) -> Client:
        """Make a client object that is closed behind the scenario."""
        if self.driver.name == BOTOCORE:
            settings = {"url": self.server.url, **settings}
        if self.trusts:
            settings = {**self.driver.trusting(self.server), **settings}
        client = self.driver.make(**settings)
        self.made.append(client)
        return client

    def url(self, path: str = "/ok") -> str:
        """Give the URL of a path."""
        prefix = "/b" if self.driver.name == BOTOCORE else ""
        return self.server.url + prefix + path

    def reply(self, path: str, *args: Any, **fields: Any) -> None:
        """Set what answers a path."""
        for prefix in ("", "/b"):
            self.server.reply(prefix + path, *args, **fields)

    def route(self, path: str, replies: Any) -> None:
        """Set what answers a path."""
        for prefix in ("", "/b"):
            self.server.route(prefix + path, replies)

    async def together(self, count: int, client: Client, path: str = "/held") -> None:
        """Make some requests at once, of which none is answered before the last one came."""
        self.reply(path, hold=True)
        expected = len(self.server.requests) + count

        def release() -> None:
            self.server.wait_for_requests(expected)
            self.server.release("/b" + path if self.driver.name == BOTOCORE else path)

        await self.driver.together(release, *(client.get(self.url(path)) for _ in range(count)))


Play = Callable[[Stage, bool], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A cause, provoked.

    Args:
        cause: What it is diagnosed as.
        clients: The names of the drivers that it plays with.
        play: Does it, or its cure.
        findings: The causes of all findings, in their order.
        terms: Of the server.
        alone: Whether no other server accepts connections.
        loops: In how many event loops it plays, one after the other.
    """

    cause: Cause
    clients: tuple[str, ...]
    play: Play
    findings: tuple[Cause, ...]
    terms: dict[str, Any]
    alone: bool = True
    loops: int = 1

    @property
    def name(self) -> str:
        return f"{self.cause}-{self.play.__name__}"


SCENARIOS: list[Scenario] = []


def scenario(
    cause: Cause,
    clients: tuple[str, ...],
    times: int = 1,
    others: tuple[Cause, ...] = (),
    alone: bool = True,
    loops: int = 1,
    **terms: Any,
) -> Callable[[Play], Play]:
    """Add a scenario to the table.

    Args:
        cause: What it is diagnosed as.
        clients: The names of the drivers that it plays with.
        times: How often that cause is found.
        others: The causes that are found before.
        alone: Whether no other server accepts connections.
        loops: In how many event loops it plays, one after the other.
        terms: Of the server.
    """

    def add(play: Play) -> Play:
        findings = (*others, *[cause] * times)
        SCENARIOS.append(Scenario(cause, clients, play, findings, terms, alone, loops))
        return play

    return add
