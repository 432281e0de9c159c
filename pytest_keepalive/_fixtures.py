"""The fixtures; what they are made of is imported when a test asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pytest_keepalive._options import settings_key
from pytest_keepalive._own_modules import as_compiled, import_as_compiled

if TYPE_CHECKING:
    from pytest_keepalive._client_program import ClientProgram
    from pytest_keepalive._counter import ConnectionCounter
    from pytest_keepalive._server import KeepaliveServer

counter_key = pytest.StashKey["ConnectionCounter"]()


@pytest.fixture
def connection_counter(request: pytest.FixtureRequest) -> Iterator[ConnectionCounter]:
    """Give what this test has done so far: its connections, exchanges and attempts."""
    import_as_compiled(request.config.add_cleanup)
    from pytest_keepalive._counter import ConnectionCounter
    from pytest_keepalive._measure import Measurement
    from pytest_keepalive._run import begin

    settings = request.config.stash[settings_key]
    if not settings.off:
        # It was asked for by its name, where the collected tests said nothing of it.
        begin(request.session, settings)
    measurement = Measurement(patch=not settings.off)
    counter = ConnectionCounter(request.node.nodeid, measurement, settings.ignore)
    if not settings.off:
        request.node.stash[counter_key] = counter
    yield counter
    counter.close()


@pytest.fixture
def run_client() -> Callable[..., ClientProgram]:
    """Give a function that runs a program, in any language, and sees its connections.

    ``run_client(argv, *, env=None, cwd=None, input=None, timeout=30)``
    """
    with as_compiled():
        from pytest_keepalive._programs import run_client

    return run_client


@pytest.fixture
def make_keepalive_server() -> Iterator[Callable[..., KeepaliveServer]]:
    """Give a function that makes servers, which end with the test.

    Its arguments are those of ``KeepaliveServer``: ``make_keepalive_server(tls=True)``.
    """
    with as_compiled():
        from pytest_keepalive._server import KeepaliveServer

    with ExitStack() as servers:

        def make(**terms: Any) -> KeepaliveServer:
            return servers.enter_context(KeepaliveServer(**terms))

        yield make


@pytest.fixture
def keepalive_server(make_keepalive_server: Callable[..., KeepaliveServer]) -> KeepaliveServer:
    """Give a scriptable HTTP/1.1 server on loopback that counts what it accepts."""
    return make_keepalive_server()
