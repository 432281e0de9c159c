"""What sessions of aiohttp are asked for, and the event loop that they are asked in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pytest_keepalive._view import View

aiohttp = pytest.importorskip("aiohttp", reason="pip install aiohttp")
# What 3.11 changed.
ANNOUNCES_CLOSE = KEEPS_TO_PROXIES = not hasattr(aiohttp.ClientRequest, "keep_alive")


async def get(session: Any, url: str, **options: Any) -> bytes:
    async with session.get(url, **options) as response:
        body: bytes = await response.read()
        return body


async def until(condition: Callable[[], object], seen: View) -> None:
    """Let the loop run until something was seen."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, seen.connections
        await asyncio.sleep(0.001)


def run(main: Coroutine[Any, Any, None], seen: View) -> None:
    """Run it, and the loop on until that is closed which aiohttp has let go of."""

    async def all_of_it() -> None:
        await main
        await until(lambda: all(each.state == "CLOSED" for each in seen.connections), seen)

    asyncio.run(all_of_it())
