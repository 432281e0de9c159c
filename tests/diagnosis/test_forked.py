"""Group A4: a child process goes on with a client that its parent had used before the fork."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._view import View
from tests.diagnosis.child import Child, Parent
from tests.diagnosis.clients import DRIVERS
from tests.diagnosis.drivers import Client, Driver, run_now
from tests.diagnosis.stage import FORKED

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork"),
    # The referee's threads stay in the parent.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


def make(driver: Driver, server: KeepaliveServer) -> Client:
    where = {"url": server.url} if driver.name == "botocore" else {}
    return driver.make(**driver.trusting(server), **where)


def work(client: Client, server: KeepaliveServer, seen: View, parent: Parent) -> list[str]:
    run_now(client.get(server.url_for("/b/ok")))
    parent.pause()
    with suppress(Exception):
        run_now(client.get(server.url_for("/b/ok")))
    run_now(client.get(server.url_for("/b/ok")))
    return [finding.cause for finding in seen.findings]


@pytest.mark.parametrize("name", FORKED)
def test_a_client_that_was_used_before_the_fork(name: str) -> None:
    driver = DRIVERS[name]
    pytest.importorskip(driver.package)
    with KeepaliveServer(tls=True) as server, measure() as seen:
        client = make(driver, server)
        run_now(client.get(server.url_for("/b/ok")))
        with Child(lambda parent: work(client, server, seen, parent)) as child:
            child.wait()
            # Both of them spoke TLS on one connection, and the server understands it no more.
            with suppress(Exception):
                run_now(client.get(server.url_for("/b/ok")))
            server.wait_until_closed(1)
            child.go_on()
            assert child.result() == [Cause.FORKED_AFTER_USE]
        run_now(client.close())


@pytest.mark.parametrize("name", FORKED)
def test_a_client_that_was_made_behind_the_fork(name: str) -> None:
    driver = DRIVERS[name]
    pytest.importorskip(driver.package)
    with KeepaliveServer(tls=True) as server, measure() as seen:
        client = make(driver, server)
        run_now(client.get(server.url_for("/b/ok")))
        with Child(lambda parent: work(make(driver, server), server, seen, parent)) as child:
            child.wait()
            run_now(client.get(server.url_for("/b/ok")))
            child.go_on()
            assert child.result() == []
        run_now(client.close())
    assert seen.count == 1
