"""The watch of a whole process; each in a process of its own, since no filter can be removed."""

from __future__ import annotations

import sys

import pytest

from tests.watch import elsewhere, needs
from tests.watch.conftest import Compile
from tests.watch.counting_server import CountingServer
from tests.watch.watched import WATCH, watched

pytestmark = pytest.mark.usefixtures("kernel_watch")


class TestWhatIsSeen:
    def test_what_this_process_opens_from_now_on(self, counting: CountingServer) -> None:
        told = elsewhere.run(
            ["connect(2)", WATCH, "connect(3)", "tell(len(connections(watch.trace_since(0))))"],
            counting.port,
        )
        assert told == 3
        assert len(counting.accepted) == 5

    def test_what_its_children_open_and_theirs(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        script = """
            run("sh", "-c", 'curl -s "$0"; "$1" "$2" 4', sys.argv[2], sys.argv[3], port())
            run(sys.argv[4], port(), 4)
            seen = connections(watch.trace_since(0))
            tell(sorted({connect.process_name for connect in seen}) + [len(seen)])
        """
        needs.curl()
        told = watched(script, counting, counting.url, compiled("connects"), compiled("forks"))
        assert told == ["connects", "curl", "forks", 36]
        assert len(counting.accepted) == 36

    def test_what_a_forked_child_opens(self, counting: CountingServer) -> None:
        script = """
            child = os.fork()
            if not child:
                connect(2)
                os._exit(0)
            os.waitpid(child, 0)
            tell([connect.process == child for connect in connections(watch.trace_since(0))])
        """
        assert watched(script, counting) == [True, True]

    def test_each_thread_by_its_number_and_name(self, counting: CountingServer) -> None:
        script = """
            numbers = []
            def work():
                numbers.append(threading.get_native_id())
                connect(2)
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seen = connections(watch.trace_since(0))
            tell(sorted(connect.thread for connect in seen) == sorted(numbers * 2))
        """
        assert watched(script, counting) is True

    def test_threads_that_were_there_before(self, counting: CountingServer) -> None:
        script = """
            begun, go = threading.Event(), threading.Event()
            def work():
                begun.set()
                go.wait()
                connect(3)
            thread = threading.Thread(target=work)
            thread.start()
            begun.wait()
        """
        after = "go.set(); thread.join(); tell(len(connections(watch.trace_since(0))))"
        assert elsewhere.run([script, WATCH, after], counting.port) == 3

    def test_where_it_came_from_and_went_to(self, counting: CountingServer) -> None:
        script = """
            sock = socket.create_connection(("127.0.0.1", port()))
            (seen,) = watch.trace_since(0).connects
            before = (seen.local == sock.getsockname(), seen.is_open, seen.outcome.value)
            sock.sendall(b"12345")
            sock.close()
            (later,) = watch.look_again([seen])
            tell([before, later.is_open, later.local == seen.local, later.number == seen.number])
        """
        assert watched(script, counting) == [[True, True, "established"], False, True, True]

    def test_windows_by_position(self, counting: CountingServer) -> None:
        script = """
            connect(1)
            first = watch.position
            connect(2)
            second = watch.position
            connect(3)
            tell([len(connections(watch.trace_since(position))) for position in (0, first, second)])
        """
        assert watched(script, counting) == [6, 5, 3]

    def test_five_hundred_short_lived_ones(self, counting: CountingServer) -> None:
        script = """
            connect_holding_the_interpreter(500)
            seen = connections(watch.trace_since(0))
            tell([len(seen), len({connect.local for connect in seen}), watch.attributed])
        """
        assert watched(script, counting) == [500, 500, 500]
        assert len(counting.accepted) == 500

    def test_an_attempt_that_sent_nothing_is_not_attributed(self, counting: CountingServer) -> None:
        script = """
            with socket.socket(socket.AF_INET6) as sock:
                try:
                    sock.connect(("fe80::1", 9, 0, 0))
                except OSError:
                    pass
            connect(1)
            tell([len(watch.trace_since(0).connects), watch.attributed])
        """
        assert watched(script, counting) == [2, 1]

    def test_a_second_call_gives_the_same_watch(self, counting: CountingServer) -> None:
        assert watched("tell(watch_this_process() is watch is current_watch())", counting) is True


class TestNothingWaitsForEver:
    def test_a_native_client_that_holds_the_interpreter(self, counting: CountingServer) -> None:
        script = """
            connect_holding_the_interpreter(100)
            tell(len(connections(watch.trace_since(0))))
        """
        assert watched(script, counting) == 100

    def test_one_that_connects_while_the_watch_is_installed(self, counting: CountingServer) -> None:
        before = """
            stop = threading.Event()
            counts = [0, 0, 0]
            def work(index):
                while not stop.is_set():
                    connect_holding_the_interpreter(1)
                    counts[index] += 1
            threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
            for thread in threads:
                thread.start()
        """
        after = """
            made = sum(counts)
            while sum(counts) < made + 30:
                time.sleep(0.001)
            stop.set()
            for thread in threads:
                thread.join()
            tell([len(connections(watch.trace_since(0))), sum(counts)])
        """
        seen, made = elsewhere.run([before, WATCH, after], counting.port)
        assert 30 <= seen <= made
        assert len(counting.accepted) == made

    def test_no_child_and_no_thread_is_added_to_the_process(self, counting: CountingServer) -> None:
        script = """
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                alone = True
            else:
                alone = False
            tell([alone, len(os.listdir("/proc/self/task"))])
        """
        assert watched(script, counting) == [True, 1]

    def test_the_helpers_leave_with_the_last_process(
        self, counting: CountingServer, tmp_path: object
    ) -> None:
        told = watched("connect(1); tell([watch.helper, watch.supervisor])", counting)
        for pid in told:
            _await_end(pid)

    def test_the_helpers_stay_for_a_daemon(
        self, counting: CountingServer, compiled: Compile, tmp_path: object
    ) -> None:
        import os

        gate = f"{tmp_path}/gate"
        os.mkfifo(gate)
        script = "run(sys.argv[2], port(), sys.argv[3]); tell([watch.helper, watch.supervisor])"
        told = watched(script, counting, compiled("daemon"), gate)
        assert all(_runs(pid) for pid in told)
        with open(gate, "w") as opened:
            opened.write("x")
        for pid in told:
            _await_end(pid)
        # None of the daemon's connects failed, although the process watched first was gone.
        assert len(counting.accepted) == 3


class TestProgramsInsideAWatchedProcess:
    def test_they_are_told_from_each_other_and_from_the_process(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        script = """
            connect(1)
            first = run_watched([sys.argv[2], str(port()), "3"])
            connect(1)
            second = run_watched(["sh", "-c", "$0 $1 2; setsid $0 $1 2", sys.argv[2], str(port())])
            everything = connections(watch.trace_since(0))
            tell([len(first.connections), len(second.connections), len(everything),
                  first.exact, second.exact, second.why_not])
        """
        told = watched(script, counting, compiled("forks"))
        assert told == [15, 14, 31, True, True, []]
        assert len(counting.accepted) == 31

    def test_a_daemon_of_one_is_told_from_the_rest(
        self, counting: CountingServer, compiled: Compile, tmp_path: object
    ) -> None:
        import os

        gate = f"{tmp_path}/gate"
        os.mkfifo(gate)
        script = """
            done = run_watched([sys.argv[2], str(port()), sys.argv[3]])
            connect(1)
            with open(sys.argv[3], "w") as gate:
                gate.write("x")
                gate.flush()
                while len(watch.trace_since(0).connects) < 4:
                    time.sleep(0.001)
                tell([len(done.connections), len(done.now().connections)])
        """
        assert watched(script, counting, compiled("daemon"), gate) == [0, 3]

    def test_a_time_out_kills_them_too(self, counting: CountingServer) -> None:
        script = """
            from pytest_keepalive._watch._client_run import ClientTimeout
            connecting = 'curl -s -o /dev/null "$0"; '
            needed = connecting + "setsid sleep 300 & echo $!; sleep 301 & echo $!; wait"
            try:
                run_watched(["sh", "-c", needed, sys.argv[2]], timeout=1.0)
            except ClientTimeout as late:
                tell([len(late.run.connections), late.run.stdout.split()])
        """
        needs.curl()
        count, pids = watched(script, counting, counting.url)
        assert (count, len(pids)) == (1, 2)
        assert not [pid for pid in pids if _runs(pid)]


class TestWithoutPrivileges:
    def test_the_process_and_its_children_are_exact(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        script = """
            connect(2)
            run(sys.argv[2], port(), 3)
            seen = connections(watch.trace_since(0))
            tell([len(seen), sorted({connect.seen_by.name for connect in seen})])
        """
        told = elsewhere.run(
            ["give_up_capabilities()", WATCH, script], counting.port, compiled("forks")
        )
        assert told == [17, ["DESCRIPTOR"]]
        assert len(counting.accepted) == 17


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _await_end(pid: int) -> None:
    import time

    deadline = time.monotonic() + 5
    while _runs(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.002)


def test_the_module_can_be_imported_anywhere() -> None:
    told = elsewhere.run(
        """
        import importlib, pkgutil
        for name in ("fcntl", "resource", "psutil", "select"):
            sys.modules[name] = None
        import pytest_keepalive._watch as package
        names = [module.name for module in pkgutil.iter_modules(package.__path__)]
        tell(names)
        """,
    )
    assert "_process_watch" in told
    assert sys.platform
