from __future__ import annotations

import os
import signal
import stat
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from pytest_keepalive._watch import _run_watched
from pytest_keepalive._watch._client_run import ClientTimeout
from pytest_keepalive._watch._program import PrivilegeWarning, find_program
from pytest_keepalive._watch._pump import Pump
from pytest_keepalive._watch._run_watched import run_watched
from tests.watch.conftest import Compile
from tests.watch.counting_server import CountingServer

pytestmark = pytest.mark.usefixtures("kernel_watch")


class TestWhatCannotBeRun:
    def test_a_program_that_does_not_exist(self) -> None:
        with pytest.raises(FileNotFoundError, match=r"no such program in PATH: 'no-such-one'"):
            run_watched(["no-such-one"])
        with pytest.raises(FileNotFoundError, match=r"no such program: '\./no-such-one'"):
            run_watched(["./no-such-one"])

    def test_one_that_is_not_executable(self, tmp_path: Path) -> None:
        path = tmp_path / "data"
        path.write_text("x")
        with pytest.raises(PermissionError, match="not executable"):
            run_watched([path])
        with pytest.raises(PermissionError, match="not executable"):
            run_watched(["data"], env={"PATH": str(tmp_path)})

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(PermissionError, match="directory or device"):
            run_watched([tmp_path])

    def test_one_of_no_format_that_the_kernel_knows(self, tmp_path: Path) -> None:
        path = tmp_path / "script"
        path.write_text("echo no first line\n")
        path.chmod(0o755)
        with pytest.raises(OSError, match="lack a #! line"):
            run_watched([path])

    def test_one_whose_interpreter_is_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "script"
        path.write_text("#!/no/such/interpreter\n")
        path.chmod(0o755)
        with pytest.raises(FileNotFoundError, match="interpreter"):
            run_watched([path])

    @pytest.mark.parametrize(
        ("argv", "error", "text"),
        [
            ("curl -s", TypeError, "must be a list"),
            ([], ValueError, "empty"),
            ([""], ValueError, "empty"),
            (["a\0b"], ValueError, "null character"),
            ([1], TypeError, "str"),
        ],
    )
    def test_no_argument_vector(self, argv: Any, error: type[Exception], text: str) -> None:
        with pytest.raises(error, match=text):
            run_watched(argv)

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"timeout": 0}, ValueError),
            ({"timeout": float("nan")}, ValueError),
            ({"timeout": "1"}, TypeError),
            ({"timeout": True}, TypeError),
            ({"input": 3}, TypeError),
            ({"env": {"A=B": "c"}}, ValueError),
            ({"env": {"A": "b\0"}}, ValueError),
            ({"cwd": "/no/such/directory"}, FileNotFoundError),
            ({"cwd": "/dev/null"}, NotADirectoryError),
        ],
    )
    def test_bad_options(self, options: dict[str, Any], error: type[Exception]) -> None:
        with pytest.raises(error):
            run_watched(["true"], **options)

    def test_nothing_is_left_open_by_a_program_that_cannot_be_run(self, tmp_path: Path) -> None:
        path = tmp_path / "script"
        path.write_text("no first line\n")
        path.chmod(0o755)
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="#!"):
            run_watched([path])
        assert set(os.listdir("/proc/self/fd")) == before


class TestFindingAProgram:
    def test_a_relative_path_is_below_the_directory_that_it_runs_in(self, tmp_path: Path) -> None:
        (tmp_path / "here").write_text("#!/bin/sh\necho found\n")
        (tmp_path / "here").chmod(0o755)
        assert run_watched(["./here"], cwd=tmp_path).stdout == "found\n"

    def test_the_path_is_that_of_the_environment_given(self, tmp_path: Path) -> None:
        (tmp_path / "only-here").write_text("#!/bin/sh\necho found\n")
        (tmp_path / "only-here").chmod(0o755)
        path = f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin"
        assert run_watched(["only-here"], env={"PATH": path}).stdout == "found\n"

    def test_one_that_is_not_executable_is_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        (tmp_path / "a" / "tool").write_text("x")
        (tmp_path / "b" / "tool").write_text("x")
        (tmp_path / "b" / "tool").chmod(0o755)
        found = find_program(["tool"], {"PATH": f"{tmp_path}/a{os.pathsep}{tmp_path}/b"})
        assert found.path == os.fsencode(tmp_path / "b" / "tool")


class TestHowItEnds:
    def test_its_exit_status(self) -> None:
        done = run_watched(["sh", "-c", "exit 3"])
        assert (done.returncode, done.ending) == (3, "ended with status 3")

    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM, signal.SIGKILL])
    def test_by_a_signal(self, number: signal.Signals) -> None:
        done = run_watched(["sh", "-c", f"echo said; kill -{int(number)} $$"])
        assert done.returncode == -number
        assert done.ending == f"was killed by {number.name}"
        assert done.stdout == "said\n"
        assert number.name in repr(done)

    def test_a_program_that_closes_what_it_inherits(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        script = 'exec 0<&- 1>&- 2>&- 3<&- 4<&- 5<&-; exec "$0" "$1" 3'
        done = run_watched(["sh", "-c", script, compiled("connects"), str(counting.port)])
        assert done.exact
        assert len(done.connections) == len(counting.accepted) == 3


class TestTimeOuts:
    def test_the_whole_group_is_killed_and_what_was_seen_is_told(
        self, counting: CountingServer
    ) -> None:
        script = 'echo $$; curl -s "$0"; setsid sleep 300 & echo $!; sleep 301 & echo $!; wait'
        began = time.monotonic()
        with pytest.raises(ClientTimeout, match=r"within 1 s .* until then: 1") as caught:
            run_watched(["sh", "-c", script, counting.url], timeout=1.0)
        assert time.monotonic() - began < 2.5
        done = caught.value.run
        assert not done.left_running
        assert len(done.connections) == len(counting.accepted) == 1
        assert done.returncode == -signal.SIGKILL
        pids = [int(word) for word in done.stdout.replace("hi", "").split()]
        assert len(pids) == 3
        assert not [pid for pid in pids if _runs(pid)]

    def test_a_daemon_of_a_program_that_is_too_slow_is_killed_too(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        script = 'setsid sh -c "echo \\$\\$ > $0; exec sleep 300" & sleep 301'
        with pytest.raises(ClientTimeout):
            run_watched(["sh", "-c", script, note], timeout=0.5)
        assert not _runs(int(note.read_text()))

    def test_a_program_that_ignores_signals(self) -> None:
        with pytest.raises(ClientTimeout):
            run_watched(["sh", "-c", "trap '' TERM INT HUP; sleep 300; sleep 300"], timeout=0.3)

    def test_one_that_writes_without_end(self) -> None:
        with pytest.raises(ClientTimeout) as caught:
            run_watched(["yes"], timeout=0.3)
        assert caught.value.run.stdout.startswith("y\ny\n")

    def test_an_interrupt_kills_the_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        note = tmp_path / "pid"
        move = Pump.move

        def move_until_it_runs(pump: Pump, seconds: float) -> None:
            if note.exists() and note.read_text() and not interrupted:
                interrupted.append(True)
                raise KeyboardInterrupt
            move(pump, min(seconds, 0.01))

        interrupted: list[bool] = []
        monkeypatch.setattr(Pump, "move", move_until_it_runs)
        with pytest.raises(KeyboardInterrupt):
            run_watched(["sh", "-c", "echo $$ > $0; exec sleep 300", note])
        assert not _runs(int(note.read_text()))


class TestPrivileges:
    @pytest.fixture
    def set_uid(self, tmp_path: Path) -> Path:
        path = tmp_path / "privileged"
        path.write_text("#!/bin/sh\necho ran\n")
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        path.chmod(0o755 | (stat.S_ISUID if os.geteuid() == 0 else stat.S_ISGID))
        return path

    def test_the_loss_is_told_before_anything_runs(
        self, set_uid: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if os.geteuid():
            pytest.skip("only root can make a file another user's")
        monkeypatch.setattr(_run_watched, "privileges_are_lost", lambda: True)
        with pytest.warns(PrivilegeWarning, match="privileged is a set-uid program.*without"):
            done = run_watched([set_uid])
        assert done.stdout == "ran\n"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(PrivilegeWarning):
                run_watched([set_uid])

    def test_nothing_is_lost_under_a_privileged_watch(
        self, set_uid: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_run_watched, "privileges_are_lost", lambda: False)
        assert run_watched([set_uid]).stdout == "ran\n"

    def test_ordinary_programs_are_not_spoken_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_run_watched, "privileges_are_lost", lambda: True)
        assert run_watched(["true"]).returncode == 0


class TestIoUring:
    def test_a_ring_that_connects_makes_the_result_inexact(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        done = run_watched([compiled("rings"), str(counting.port)])
        if done.returncode == 42:
            pytest.skip("io_uring is switched off here")
        assert len(counting.accepted) == 1
        assert not done.exact
        assert "rings" in done.why_not[0]
        assert "io_uring" in done.why_not[0]
        assert done.count_in_words == "at least 0"

    def test_a_ring_alone_makes_the_result_inexact_too(self, compiled: Compile) -> None:
        done = run_watched([compiled("rings")])
        if done.returncode == 42:
            pytest.skip("io_uring is switched off here")
        assert [doubt.process_name for doubt in done.doubts] == ["rings"]
        assert not done.exact
        assert "io_uring" in done.why_not[0]


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
