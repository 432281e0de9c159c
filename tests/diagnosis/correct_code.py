"""Pieces of code that use one connection, each for every client that can be used so.

A piece is one coroutine function. For each call it asks for its client, and is given the same one
each time; or, as the control of it, another one each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import uuid4

from tests.diagnosis.drivers import Client, Driver
from tests.diagnosis.places import EVERYWHERE, PLACES, Place
from tests.diagnosis.proxied import make_behind
from tests.diagnosis.stage import (
    ASYNC_HTTPX2,
    BOTOCORE,
    FOR_TASKS,
    FOR_THREADS,
    HTTP_CLIENT,
    HTTPX2,
    KEEPING,
    OF_HTTPX,
    OF_NIQUESTS,
    TRIO_HTTPX,
    URLLIB3,
)

ALL = (*KEEPING, TRIO_HTTPX)
TASKS = (*FOR_TASKS, TRIO_HTTPX)
WITHOUT_OBJECTS = tuple(name for name in ALL if name != BOTOCORE)
FOLLOWING = tuple(name for name in WITHOUT_OBJECTS if name != HTTP_CLIENT)
WITH_COOKIES = tuple(name for name in FOLLOWING if name not in (URLLIB3, "aiohttp"))
HTTPX_ALL = (*OF_HTTPX, TRIO_HTTPX)
# They are tested in an environment of their own, or have the code of another one.
FEW_PLACES = (*OF_NIQUESTS, HTTPX2, ASYNC_HTTPX2)
# It makes itself another key behind its first call, which has told it that there is no HTTP/3.
TRAITS = frozenset(("niquests-asyncio-tunnel",))
LARGE = b"z" * 60_000


@dataclass
class Code:
    """What a piece of code works with.

    Args:
        driver: Of its client.
        place: Where its requests go.
        careless: Whether each call has a client of its own.
    """

    driver: Driver
    place: Place
    careless: bool = False
    made: list[Client] = field(default_factory=list)

    def client(self, **settings: Any) -> Client:
        """Give the client of one call."""
        if self.careless or not self.made:
            self.made.append(self._make(settings))
        return self.made[-1]

    def url(self, path: str = "/ok") -> str:
        """Give the URL of a path."""
        prefix = "/b" if self.driver.name == BOTOCORE else ""
        return self.place.url + prefix + path

    def turn(self) -> Any:
        """Give a lock of threads, or of tasks."""
        if not self.driver.waits:
            return _Turn()
        import anyio

        return anyio.Lock()

    async def close(self) -> None:
        """Close all clients."""
        for client in self.made:
            await client.close()

    def _make(self, settings: dict[str, Any]) -> Client:
        if self.driver.name == BOTOCORE:
            settings = {"url": self.place.url, **settings}
        if self.place.is_over_tls or self.driver.name in HTTPX_ALL:
            settings = {**self.driver.trusting(self.place.trust), **settings}
        if self.place.http2 and self.driver.name in HTTPX_ALL:
            settings = {"http2": True, **settings}
        if self.place.proxy:
            return make_behind(self.driver, self.place.proxy, settings)
        return self.driver.make(**settings)


Play = Callable[[Code], Awaitable[None]]


@dataclass(frozen=True)
class Piece:
    """A piece of correct code.

    Args:
        play: It.
        clients: The names of the drivers that it is written for.
        statuses: What its requests are answered, in their order.
        elsewhere: Places where this is answered otherwise, or a client and such a place.
        places: Where it plays.
    """

    play: Play
    clients: tuple[str, ...]
    statuses: tuple[int, ...]
    elsewhere: tuple[str, ...]
    places: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return self.play.__name__

    def places_for(self, client: str) -> Iterator[str]:
        """Give the names of the places where it plays with a client."""
        reached = EVERYWHERE if client in FEW_PLACES else PLACES
        for place in self.places:
            names = {place, f"{client}-{place}"}
            if place in reached and not names & {*self.elsewhere, *TRAITS}:
                yield place


PIECES: list[Piece] = []


def piece(
    clients: tuple[str, ...],
    *statuses: int,
    elsewhere: tuple[str, ...] = (),
    places: tuple[str, ...] = PLACES,
) -> Callable[[Play], Play]:
    """Add a piece to the table.

    Args:
        clients: The names of the drivers that it is written for.
        statuses: What its requests are answered, in their order.
        elsewhere: Places where this is answered otherwise, or a client and such a place.
        places: Where it plays.
    """

    def add(play: Play) -> Play:
        PIECES.append(Piece(play, clients, statuses, elsewhere, places))
        return play

    return add


class _Turn:
    """A lock of threads, for coroutines that never wait."""

    def __init__(self) -> None:
        self._lock = Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *exception: object) -> None:
        self._lock.release()


# One after the other


@piece(ALL, 200, 200, 200, 200)
async def calls_one_after_the_other(code: Code) -> None:
    for _ in range(4):
        await code.client().get(code.url())


@piece((*FOR_THREADS, *TASKS), 200, 200, 200, 200)
async def workers_that_take_turns(code: Code) -> None:
    turn = code.turn()

    async def work() -> None:
        async with turn:
            await code.client().get(code.url())

    await code.driver.together(nothing, *(work() for _ in range(4)))


@piece((*FOR_THREADS, *TASKS), 200, 200, 200)
async def workers_one_after_the_other(code: Code) -> None:
    for _ in range(3):
        await code.driver.together(nothing, code.client().get(code.url()))


# What is asked for


# nginx tells no length of what it might compress, and aiohttp takes that for a close.
@piece(ALL, 200, 200, 200, 200, elsewhere=("aiohttp-nginx", "aiohttp-nginx-tls"))
async def heads_of_what_is_then_read(code: Code) -> None:
    for _ in range(2):
        await code.client().send("HEAD", code.url())
        await code.client().get(code.url())


@piece(ALL, 200, 200, 200)
async def uploads_of_all_sizes(code: Code) -> None:
    for body in (b"x", LARGE, b"x" * 5000):
        await code.client().send("PUT", code.url("/upload"), body)


@piece(WITHOUT_OBJECTS, 200, 200, 200)
async def posts_without_a_body_and_with_one(code: Code) -> None:
    for body in (b"", LARGE, b"x"):
        await code.client().send("POST", code.url(), body)


@piece(ALL, 200, 200)
async def large_answers(code: Code) -> None:
    for _ in range(2):
        await code.client().get(code.url("/big"))


# waitress closes behind what its application gives no length.
@piece(ALL, 200, 200, 200, elsewhere=("waitress",))
async def answers_in_chunks(code: Code) -> None:
    for path in ("/chunks", "/lines", "/events"):
        await code.client().get(code.url(path))


@piece(WITHOUT_OBJECTS, 204, 304, 204, 200, elsewhere=("waitress",))
async def answers_without_a_body(code: Code) -> None:
    await code.client().get(code.url("/empty"))
    await code.client().get(code.url("/cached"), headers={"If-None-Match": "*"})
    await code.client().send("POST", code.url("/empty"), b"x")
    await code.client().get(code.url("/cached"))


@piece(WITHOUT_OBJECTS, 200, 200)
async def answers_that_are_compressed(code: Code) -> None:
    for _ in range(2):
        await code.client().get(code.url("/compressed"), headers={"Accept-Encoding": "gzip"})


@piece(WITHOUT_OBJECTS, 404, 200, 401, 200)
async def errors_that_are_answers(code: Code) -> None:
    for path in ("/absent", "/ok", "/private", "/ok"):
        await code.client().get(code.url(path))


# nginx closes behind these by itself.
@piece(WITHOUT_OBJECTS, 500, 200, elsewhere=("nginx", "nginx-tls"))
async def errors_of_the_server(code: Code) -> None:
    for path in ("/broken", "/ok"):
        await code.client().get(code.url(path))


# aiohttp makes itself another key for a proxy behind the first connect of a call.
@piece(FOLLOWING, 302, 200, 302, 200, elsewhere=("aiohttp-proxy", "aiohttp-tunnel"))
async def redirects_on_the_same_origin(code: Code) -> None:
    for _ in range(2):
        await code.client().get(code.url("/moved"))


@piece(WITH_COOKIES, 200, 200, 200)
async def cookies_that_are_sent_back(code: Code) -> None:
    for path in ("/login", "/members", "/members"):
        await code.client().get(code.url(path))


# nginx answers a page of its own before it has read what is sent to it.
@piece(WITHOUT_OBJECTS, 200, 200, 200, elsewhere=("nginx", "nginx-tls"))
async def expectations_that_are_met(code: Code) -> None:
    for _ in range(2):
        await code.client().send("PUT", code.url(), b"x" * 5000, {"Expect": "100-continue"})
    await code.client().get(code.url())


@piece(WITHOUT_OBJECTS, 503, 200, 503, 200, elsewhere=("nginx", "nginx-tls"))
async def calls_that_are_made_again_by_hand(code: Code) -> None:
    for _ in range(2):
        url = code.url(f"/flaky?{uuid4()}")
        for _ in range(2):
            await code.client().get(url)


def nothing() -> None:
    """Do nothing while requests are under way."""
