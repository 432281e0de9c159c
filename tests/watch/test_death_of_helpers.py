"""Programs that kill those who watch them."""

from __future__ import annotations

import time

import pytest

from pytest_keepalive._watch._client_run import WatchLost
from pytest_keepalive._watch._run_watched import run_watched
from tests.watch.conftest import Compile
from tests.watch.counting_server import CountingServer

pytestmark = pytest.mark.usefixtures("kernel_watch")

# The supervisor is a program's parent, and the standby is the supervisor's.
KILL_SUPERVISOR = "kill -9 $PPID; "
KILL_STANDBY = "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); "
# Stopped, it cannot make a new standby in between.
KILL_BOTH = "kill -STOP $PPID; kill -9 $(cut -d' ' -f4 /proc/$PPID/stat) $PPID; "


@pytest.mark.parametrize("deed", [KILL_SUPERVISOR, KILL_STANDBY, ""])
def test_count_and_status_survive(counting: CountingServer, compiled: Compile, deed: str) -> None:
    script = deed + '"$0" "$1" 50; exit 3'
    done = run_watched(["sh", "-c", script, compiled("connects"), str(counting.port)])
    assert done.returncode == 3
    assert done.exact, done.why_not
    assert len(done.connections) == len(counting.accepted) == 50
    assert not done.left_running


def test_they_survive_a_death_in_the_middle(counting: CountingServer, compiled: Compile) -> None:
    script = '"$0" "$1" 300 & kill -9 $PPID; wait; exit 4'
    done = run_watched(["sh", "-c", script, compiled("connects"), str(counting.port)])
    assert done.returncode == 4
    assert len(done.connections) == len(counting.accepted) == 300


def test_a_time_out_still_kills_everything(counting: CountingServer) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        run_watched(["sh", "-c", KILL_SUPERVISOR + "setsid sleep 300 & sleep 300"], timeout=0.5)
    assert time.monotonic() - began < 3
    assert not caught.value.run.left_running  # type: ignore[attr-defined]


def test_when_both_are_killed_so_is_the_program_and_that_is_told(
    counting: CountingServer, compiled: Compile
) -> None:
    script = '"$0" "$1" 5; ' + KILL_BOTH + "sleep 300"
    began = time.monotonic()
    with pytest.raises(WatchLost, match="processes that kept the watch were killed") as caught:
        run_watched(["sh", "-c", script, compiled("connects"), str(counting.port)], timeout=20)
    assert time.monotonic() - began < 5
    assert len(caught.value.run.connections) == len(counting.accepted) == 5


def test_nobody_is_left_behind(counting: CountingServer, compiled: Compile) -> None:
    script = KILL_SUPERVISOR + '"$0" "$1" 1; echo $PPID'
    done = run_watched(["sh", "-c", script, compiled("connects"), str(counting.port)])
    # The shell asks for its parent once; the one that took over was its grandparent.
    assert not _runs(int(done.stdout))


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
