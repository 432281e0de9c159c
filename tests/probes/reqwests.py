"""pyreqwest under its probe, and what was stated of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_keepalive import KeepaliveServer
from pytest_keepalive._events import Called, Ended, Ending, Stated
from pytest_keepalive._probes._pyreqwest import PyreqwestProbe

pyreqwest = pytest.importorskip("pyreqwest", reason="pip install pyreqwest")
clients: Any = pytest.importorskip("pyreqwest.client")
errors: Any = pytest.importorskip("pyreqwest.exceptions")


@contextmanager
def stated() -> Iterator[list[Stated]]:
    """Have the probe installed, and give what it states."""
    events: list[Stated] = []
    probe = PyreqwestProbe(events.append)
    probe.install(pyreqwest)
    yield events
    probe.uninstall()


def only(kind: type, events: list[Stated]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def asked(events: list[Stated]) -> list[tuple[str, str]]:
    return [(each.requested.method, each.requested.url) for each in only(Called, events)]


def received(server: KeepaliveServer) -> list[tuple[str, str]]:
    return [(each.method, server.url_for(each.target)) for each in server.requests]


def endings(events: list[Stated]) -> list[Ending]:
    return [each.ending for each in only(Ended, events)]


def send(client: Any, url: str) -> Any:
    return client.get(url).build().send()


def run(main: Callable[[Any], Any]) -> Any:
    """Run a coroutine function with a client for tasks."""

    async def with_client() -> Any:
        async with clients.ClientBuilder().build() as client:
            return await main(client)

    return asyncio.run(with_client())
