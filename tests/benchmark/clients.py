"""What measuring costs a client: the CPU time of its process, measured and not, in turns.

``python -m tests.benchmark.clients NAME PORT ROUNDS TIMES`` prints the ratio of each round; each
client has a process of its own, since one client's imports are another one's probes.
"""

from __future__ import annotations

import atexit
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from pytest_keepalive import measure
from tests.benchmark.figure import ratios

Work = Callable[[int], None]
"""Does what is measured, so many times."""


def http_client(port: int) -> Work:
    """Make requests over one connection of the standard library."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port)

    def work(times: int) -> None:
        for _ in range(times):
            connection.request("GET", "/items?page=1")
            connection.getresponse().read()

    return work


def urllib3(port: int) -> Work:
    """Make requests with one pool."""
    import urllib3

    pool = urllib3.PoolManager()

    def work(times: int) -> None:
        for _ in range(times):
            pool.request("GET", f"http://127.0.0.1:{port}/items?page=1")

    return work


def requests(port: int) -> Work:
    """Make requests with one session."""
    import requests

    session = requests.Session()

    def work(times: int) -> None:
        for _ in range(times):
            session.get(f"http://127.0.0.1:{port}/items?page=1")

    return work


def httpx(port: int) -> Work:
    """Make requests with one client."""
    import httpx

    client = httpx.Client()

    def work(times: int) -> None:
        for _ in range(times):
            client.get(f"http://127.0.0.1:{port}/items?page=1")

    return work


def aiohttp(port: int) -> Work:
    """Make requests with one session."""
    import asyncio

    import aiohttp

    loop = asyncio.new_event_loop()

    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    session = loop.run_until_complete(make())
    atexit.register(lambda: loop.run_until_complete(session.close()))

    async def make_requests(times: int) -> None:
        for _ in range(times):
            async with session.get(f"http://127.0.0.1:{port}/items?page=1") as response:
                await response.read()

    return lambda times: loop.run_until_complete(make_requests(times))


def connect(port: int) -> Work:
    """Connect and close, with nothing in between."""

    def work(times: int) -> None:
        for _ in range(times):
            socket.create_connection(("127.0.0.1", port)).close()

    return work


CLIENTS = {
    "http.client": http_client,
    "urllib3": urllib3,
    "requests": requests,
    "httpx": httpx,
    "aiohttp": aiohttp,
    "connect": connect,
}


def ratios_of(client: str, port: int, rounds: int, times: int) -> list[float]:
    """Measure a client in a process of its own, and give the ratio of each round.

    Args:
        client: One of ``CLIENTS``.
        port: Of the server.
        rounds: How many pairs.
        times: How many requests or connects each half of a pair makes.
    """
    command = (sys.executable, "-m", __name__, client, str(port), str(rounds), str(times))
    ratios: list[float] = json.loads(subprocess.check_output(command))
    return ratios


def _rounds(work: Work, rounds: int, times: int) -> list[float]:
    work(times)
    measured: list[float] = []
    plain: list[float] = []
    for number in range(rounds):
        # The half that comes second finds warmer caches: each comes second as often.
        for observe in (number % 2 == 0, number % 2 == 1):
            (measured if observe else plain).append(_seconds(work, times, observe))
    return ratios(measured, plain)


def _seconds(work: Work, times: int, observe: bool) -> float:
    if not observe:
        return _timed(work, times)
    with measure():
        # The first request over a connection that was there before is looked up at length.
        work(2)
        return _timed(work, times)


def _timed(work: Work, times: int) -> float:
    began = time.process_time()
    work(times)
    return time.process_time() - began


if __name__ == "__main__":
    name, port, rounds, times = sys.argv[1:]
    print(json.dumps(_rounds(CLIENTS[name](int(port)), int(rounds), int(times))))
