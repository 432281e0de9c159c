from __future__ import annotations

import importlib
from collections.abc import Callable
from textwrap import dedent

import pytest

# What a run imports is forgotten behind it, and would be imported again by each.
for _name in ("_diagnosis", "_reports._evidence", "_run_report", "_server._http1", "_session"):
    importlib.import_module(f"pytest_keepalive.{_name}")

Run = Callable[..., pytest.RunResult]

# A client for the tests of a suite: ``get(server)`` is one connection that carries one request.
CLIENTS = """
import http.client
import pytest

class Client:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=5)

    def get(self, path="/", times=1):
        for _ in range(times):
            self.connection.request("GET", path)
            self.connection.getresponse().read()

    def close(self):
        self.connection.close()

def get(server, path="/", times=1):
    client = Client(server)
    client.get(path, times)
    client.close()

leaked = []

def leak(server):
    client = Client(server)
    client.get()
    leaked.append(client)
    return client
"""
# What a test leaks must not warn in a later one, when it is collected as garbage.
CLOSE_WHAT_LEAKED = """
import clients

def pytest_unconfigure():
    for client in clients.leaked:
        client.close()
"""


@pytest.fixture
def suite(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, _no_native_clients: None
) -> Run:
    """Run the tests of a module with this plugin and with those that are named."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(clients=CLIENTS)
    pytester.makeconftest(CLOSE_WHAT_LEAKED)

    def run(
        source: str, *options: str, ini: str = "", plugins: tuple[str, ...] = ()
    ) -> pytest.RunResult:
        # The name decides about the rewriting of assertions, and about what is cached of it.
        pytester.makepyfile(test_suite="from clients import *\n" + dedent(source))
        pytester.makeini("[pytest]\n" + dedent(ini))
        chosen = [argument for name in plugins for argument in ("-p", name)]
        return pytester.runpytest_inprocess(
            "-p", "keepalive", *chosen, "-W", "error", "--strict-markers", *options
        )

    return run
