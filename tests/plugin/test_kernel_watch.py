"""``--keepalive-watch=kernel`` where the kernel, or a container's profile, refuses it."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can refuse it")

# What a profile that forbids seccomp(2) answers, from the moment at which pytest starts.
FORBIDDEN = """
import errno
from pytest_keepalive._watch import _seccomp

_seccomp._forgo_new_privileges()
code = _seccomp.forbidding(_seccomp.this_machine().seccomp, errno.EPERM)
_seccomp.install(code, listener=False)
"""
TESTS = """
import sys
import urllib.request
import pytest

@pytest.mark.single_connection
def test_marked(keepalive_server):
    urllib.request.urlopen(keepalive_server.url).read()

@pytest.mark.connections(left_open_at_most=0)
def test_without_an_upper_bound(keepalive_server):
    urllib.request.urlopen(keepalive_server.url).read()

def test_counter(keepalive_server, connection_counter):
    urllib.request.urlopen(keepalive_server.url).read()
    assert not connection_counter.exact
    assert "the kernel watch is refused: seccomp(2) is forbidden" in connection_counter.report()
    assert "at least 1 connection" in connection_counter.report()

@pytest.mark.connections(at_most=5)
def test_program(keepalive_server, run_client):
    run_client([sys.executable, "-c", "pass"])

def test_nothing_of_ours():
    pass
"""


def test_no_upper_bound_is_asserted_and_each_report_says_why(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(FORBIDDEN)
    pytester.makepyfile(TESTS)
    # In a process of its own: no filter can be taken off again.
    options = ("--keepalive-watch=kernel", "-p", "no:randomly", "-W", "ignore")
    result = pytester.runpytest_subprocess(*options, timeout=60)
    result.assert_outcomes(failed=2, passed=3)
    result.stdout.fnmatch_lines(
        ["cannot be measured here: the kernel watch is refused: seccomp(2) is forbidden*"]
    )
    # Both the process and the program are refused the watch, for one reason.
    (program,) = (
        line
        for line in result.outlines
        if line.startswith("cannot be measured here") and "; the" in line
    )
    assert program.count("seccomp(2) is forbidden") == 1
    assert "the open sockets were sampled" in program
    result.stdout.fnmatch_lines(
        ["! --keepalive-watch=kernel: leave it out here, and limits hold for Python's*"]
    )
