"""A server author's test: does my server keep the connection?

The server is uvicorn, in a thread of this process: what it accepts is no connection of the
client's, so it is not counted. The client is one that certainly reuses what it is allowed to.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer with an error where the path says so: errors, too, must not cost the connection."""
    status = 404 if scope["path"] == "/missing" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, lifespan="off", log_level="warning")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        yield "http://{}:{}".format(*listener.getsockname())
        server.should_exit = True
        thread.join()


@pytest.mark.single_connection(requests=4)
def test_the_connection_is_kept_after_every_kind_of_answer(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        assert client.get("/").status_code == 200
        assert client.head("/").status_code == 200
        assert client.get("/missing").status_code == 404
        assert client.post("/", content=b"x" * 100_000).status_code == 200
