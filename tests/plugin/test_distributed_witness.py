"""The kernel counts for all workers of a run: what one opens is no blind spot of another."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .conftest import CLIENTS

pytest.importorskip("xdist")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts")

# Each of two workers runs both tests: the first waits until the other has begun, too, and the
# second is measured for as long as the one beside it.
SUITE = """
import os, pathlib, subprocess, sys, types
import _socket
from clients import *

ROOT = pathlib.Path(__file__).parent
CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()"
WORKER = os.environ["PYTEST_XDIST_WORKER"]

def meet(where):
    # Neither end of a pipe is open before the other one is.
    (ROOT / where).open("rb" if WORKER == "gw0" else "wb").close()

def blind(server):
    client = _socket.socket()
    client.connect((server.host, server.port))
    client.send(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    assert client.recv(1)
    client.close()

def child(server):
    subprocess.run([sys.executable, "-c", CONNECT, str(server.port)], check=True)

def nothing(server):
    pass

NATIVE, ESCAPE = ...

if NATIVE:
    sys.modules["pycurl"] = types.ModuleType("pycurl")

@pytest.mark.connections(at_most=100)
def test_begin(keepalive_server):
    get(keepalive_server)
    meet("begin")

@pytest.mark.connections(at_most=100)
def test_beside(keepalive_server):
    meet("inside")
    for _ in range(20):
        get(keepalive_server)
    if WORKER == "gw0":
        ESCAPE(keepalive_server)
    meet("end")
"""
# Without what they tell each other, a worker takes the connects of the other for its own.
DEAF = """
from pytest_keepalive import _workers
_workers.join = lambda config: None
"""
# As on another machine.
ELSEWHERE = """
from pytest_keepalive._watch._count_table import CountTable
CountTable.admit = lambda table: None
"""


@pytest.fixture
def workspace(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(clients=CLIENTS)
    return pytester


def run(
    workspace: pytest.Pytester, native: bool, escape: str, conftest: str = ""
) -> pytest.RunResult:
    workspace.makeconftest(conftest)
    for where in ("begin", "inside", "end"):
        os.mkfifo(workspace.path / where)
    workspace.makepyfile(test_suite=SUITE.replace("...", f"{native}, {escape}"))
    plugins = ("-p", "pytest_keepalive.plugin", "-p", "xdist.plugin")
    options = ("--keepalive-strict", "-n2", "--dist=each")
    return workspace.run(sys.executable, "-m", "pytest", *plugins, *options, timeout=120)


def test_what_another_worker_opens_fails_no_test(workspace: pytest.Pytester) -> None:
    run(workspace, True, "nothing").assert_outcomes(passed=4)


def test_it_would_if_the_workers_did_not_count_for_each_other(workspace: pytest.Pytester) -> None:
    result = run(workspace, True, "nothing", DEAF)
    assert result.parseoutcomes()["failed"] >= 2
    result.stdout.fnmatch_lines(["*opened that no observer saw (pycurl); *"])


@pytest.mark.parametrize("conftest", ["", ELSEWHERE], ids=["here", "elsewhere"])
def test_what_escapes_in_one_worker_fails_the_test_that_it_escaped_in(
    workspace: pytest.Pytester, conftest: str
) -> None:
    result = run(workspace, True, "blind", conftest)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*gw0*", "*opened that no observer saw (pycurl); *"])


def test_what_a_child_opens_fails_the_test_that_started_it(workspace: pytest.Pytester) -> None:
    result = run(workspace, False, "child")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*gw0*", "*that no observer saw (a child process); *"])


def test_workers_on_another_machine_are_certain_of_nothing(workspace: pytest.Pytester) -> None:
    run(workspace, True, "nothing", ELSEWHERE).assert_outcomes(passed=4)
