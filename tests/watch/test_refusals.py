"""Systems that do not allow the watch, or parts of it, simulated by filters of their own."""

from __future__ import annotations

import errno
import json
import os
import sys

import pytest

from pytest_keepalive._watch import _run_watched, _support
from pytest_keepalive._watch._client_run import ClientTimeout
from pytest_keepalive._watch._run_watched import run_watched
from pytest_keepalive._watch._support import Support, look_for_support
from tests.watch import elsewhere
from tests.watch.conftest import Compile
from tests.watch.counting_server import CountingServer

pytestmark = pytest.mark.usefixtures("kernel_watch")

RUN = """
    from pytest_keepalive._watch._run_watched import run_watched
    done = run_watched(sys.argv[2:])
    connects = done.connections
    tell({"code": done.returncode, "count": len(connects), "exact": done.exact,
          "why_not": done.why_not, "words": done.count_in_words, "sampled": done.sampled,
          "seen_by": sorted({connect.seen_by.name for connect in connects}),
          "peers": sorted({connect.peer for connect in connects if connect.peer})})
"""
# Open for long enough to be met by a sample.
LINGERING = """if True:
    import socket, sys, time
    kept = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    time.sleep(0.5)
"""


def test_here_nothing_is_missing() -> None:
    assert look_for_support().available


def test_elsewhere_the_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert look_for_support().missing == ("the kernel watch needs Linux, and this is darwin",)


def test_an_unknown_processor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_keepalive._watch._seccomp.this_machine", lambda: None)
    assert "are not known to the watch" in look_for_support().missing[0]


@pytest.mark.parametrize(
    ("release", "refused"),
    [
        ("4.18.0-553.el8", True),
        ("5.8.18", True),
        ("5.9.0", False),
        ("5.15.0-91-generic", False),
        ("6.18.44-fc", False),
    ],
)
def test_an_old_kernel_is_named(
    monkeypatch: pytest.MonkeyPatch, release: str, refused: bool
) -> None:
    here = os.uname()
    there = os.uname_result((here.sysname, here.nodename, release, here.version, here.machine))
    monkeypatch.setattr(os, "uname", lambda: there)
    missing = look_for_support().missing
    assert missing == ((f"the kernel watch needs Linux 5.9, and this is {release}",) * refused)


def test_a_kernel_that_cannot_notify_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_keepalive._watch._seccomp.notifies", lambda: False)
    assert "without notification" in look_for_support().missing[0]


class TestSeccompForbidden:
    SCRIPT = """
        forbid({"x86_64": 317, "aarch64": 277}[platform.machine()])
    """

    def test_it_is_told_and_the_program_runs_all_the_same(self, counting: CountingServer) -> None:
        arguments = (sys.executable, "-c", LINGERING, counting.port)
        told = elsewhere.run([self.SCRIPT, RUN], counting.port, *arguments)
        assert told["code"] == 0
        assert told["sampled"]
        assert not told["exact"]
        assert "seccomp(2) is forbidden here (EPERM)" in told["why_not"][0]
        assert told["count"] == len(counting.accepted) == 1
        assert told["words"] == "at least 1 (sampled)"

    def test_short_lived_connections_are_missed_and_no_zero_is_claimed(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        program = compiled("connects")
        told = elsewhere.run([self.SCRIPT, RUN], counting.port, program, counting.port, 50)
        assert told["code"] == 0
        assert len(counting.accepted) == 50
        assert told["count"] < 50
        assert told["words"] == f"at least {told['count']} (sampled)"

    def test_a_process_cannot_be_watched(self, counting: CountingServer) -> None:
        told = elsewhere.run(
            [
                self.SCRIPT,
                """
            from pytest_keepalive._watch._process_watch import watch_this_process
            from pytest_keepalive._watch._support import WatchRefused
            try:
                watch_this_process()
            except WatchRefused as refused:
                connect()
                tell(str(refused))
            """,
            ],
            counting.port,
        )
        assert "seccomp(2) is forbidden here" in told
        assert len(counting.accepted) == 1


class TestOnlyTheInstallationForbidden:
    """A filter that looks at the arguments cannot be told before the trial."""

    SCRIPT = """
        from pytest_keepalive._watch import _run_watched, _support
        _run_watched.look_for_support = lambda: _support.Support(())
        forbid({"x86_64": 317, "aarch64": 277}[platform.machine()])
    """

    def test_the_program_runs_all_the_same(self, counting: CountingServer) -> None:
        arguments = (sys.executable, "-c", LINGERING, counting.port)
        told = elsewhere.run([self.SCRIPT, RUN], counting.port, *arguments)
        assert told["code"] == 0
        assert told["words"] == "at least 1 (sampled)"
        assert "forbidden here" in told["why_not"][0]


class TestPidfdGetfdRefused:
    SCRIPT = "forbid(438)\n"

    def test_it_is_noted(self) -> None:
        told = elsewhere.run(
            [
                self.SCRIPT,
                "from pytest_keepalive._watch._support import look_for_support",
                "tell(look_for_support())",
            ]
        )
        missing, notes = told
        assert missing == []
        assert "pidfd_getfd is refused here (EPERM)" in notes[0]

    @pytest.mark.parametrize(
        ("program", "arguments", "expected"),
        [("connects", [100], 100), ("polling", [50], 50), ("forks", [3], 15)],
    )
    def test_the_name_of_the_protocol_tells_and_counts_stay_right(
        self,
        counting: CountingServer,
        compiled: Compile,
        program: str,
        arguments: list[int],
        expected: int,
    ) -> None:
        told = elsewhere.run(
            [self.SCRIPT, RUN], counting.port, compiled(program), counting.port, *arguments
        )
        assert told["count"] == len(counting.accepted) == expected
        assert told["exact"], told["why_not"]
        assert told["seen_by"] == ["NAME"]
        assert told["peers"] == [["127.0.0.1", counting.port]]

    def test_a_socket_that_connects_again_still_counts_again(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        arguments = (compiled("dissolving"), counting.port, 20)
        told = elsewhere.run([self.SCRIPT, RUN], counting.port, *arguments)
        assert told["count"] == len(counting.accepted) == 20

    def test_what_is_not_tcp_still_never_counts(
        self, counting: CountingServer, compiled: Compile, tmp_path: object
    ) -> None:
        program = compiled("others")
        told = elsewhere.run(
            [self.SCRIPT, RUN], counting.port, program, counting.port, f"{tmp_path}/unix"
        )
        assert (told["code"], told["count"], told["exact"]) == (0, 0, True)


class TestHidingPrograms:
    def test_an_unprivileged_watch_marks_them_inexact(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        script = "give_up_capabilities()\n"
        told = elsewhere.run([script, RUN], counting.port, compiled("hiding"), counting.port)
        assert told["code"] == 0
        assert len(counting.accepted) == 1
        assert not told["exact"]
        assert "hiding" in told["why_not"][0]
        assert "hides" in told["why_not"][0]

    def test_programs_that_do_not_hide_are_exact_without_privileges(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        script = "give_up_capabilities()\n"
        told = elsewhere.run([script, RUN], counting.port, compiled("forks"), counting.port, 4)
        assert told["count"] == len(counting.accepted) == 31
        assert told["exact"], told["why_not"]


class TestASecondWatch:
    def test_who_holds_the_first_is_told(self, counting: CountingServer, compiled: Compile) -> None:
        inner = f"""if True:
            import sys
            from tests.watch.elsewhere import *
            from pytest_keepalive._watch._process_watch import watch_this_process
            from pytest_keepalive._watch._run_watched import run_watched
            from pytest_keepalive._watch._support import WatchRefused
            try:
                watch_this_process()
            except WatchRefused as refused:
                first = str(refused)
            done = run_watched([{compiled("connects")!r}, {str(counting.port)!r}, "3"])
            tell([first, done.why_not, done.returncode])
        """
        done = run_watched([sys.executable, "-X", "dev", "-W", "error", "-c", inner])
        assert done.returncode == 0, done.stderr
        refused, why_not, code = json.loads(done.stdout)
        assert "a watch is installed already in this tree of processes" in refused
        assert f"held by pytest-keepalive for process {os.getpid()}" in refused
        assert "installed already" in why_not[0]
        assert code == 0
        # The first watch sees it all.
        assert len(done.connections) == len(counting.accepted) == 3


class TestWithoutAnyWatch:
    @pytest.fixture(autouse=True)
    def _no_support(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refused = Support(("nothing of the kind is here",))
        monkeypatch.setattr(_run_watched, "look_for_support", lambda: refused)

    def test_streams_and_status(self) -> None:
        done = run_watched(["sh", "-c", "cat; echo bad >&2; exit 4"], input="text")
        assert (done.stdout, done.stderr, done.returncode) == ("text", "bad\n", 4)
        assert done.why_not[0] == "the kernel watch is refused: nothing of the kind is here"
        assert "sampled" in done.why_not[1]

    def test_a_time_out(self) -> None:
        with pytest.raises(ClientTimeout, match="sampled"):
            run_watched(["sh", "-c", "echo said; sleep 300"], timeout=0.3)

    def test_a_time_out_kills_daemons_too(self) -> None:
        script = "setsid sleep 300 & echo $!; sleep 300"
        with pytest.raises(ClientTimeout) as caught:
            run_watched(["sh", "-c", script], timeout=0.5)
        pid = int(caught.value.run.stdout)
        with pytest.raises(ProcessLookupError):
            _look_at_the_living(pid)

    def test_a_daemon_is_not_waited_for(self) -> None:
        done = run_watched(["sh", "-c", "sleep 30 & echo $!"], timeout=10)
        os.kill(int(done.stdout), 9)
        assert done.seconds < 5

    def test_without_psutil_nothing_is_sampled_and_that_is_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "psutil", None)
        done = run_watched(["true"])
        assert "psutil is not installed" in done.why_not[1]
        assert done.count_in_words == "at least 0 (sampled)"


def test_errors_are_explained() -> None:
    assert "a thread of this process" in _support.explain(errno.ESRCH)
    assert "ENOMEM" in _support.explain(errno.ENOMEM)


def _look_at_the_living(pid: int) -> None:
    """Raise ``ProcessLookupError`` when a process is gone, or dead and not waited for."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            dead = file.read().rpartition(")")[2].split()[0] in ("Z", "X")
    except FileNotFoundError:
        dead = True
    if dead:
        raise ProcessLookupError(pid)
