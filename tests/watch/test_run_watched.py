from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_keepalive._events import Outcome
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._watch._client_run import ClientRun
from pytest_keepalive._watch._run_watched import run_watched
from tests.watch import needs
from tests.watch.conftest import Compile
from tests.watch.counting_server import CountingServer

pytestmark = pytest.mark.usefixtures("kernel_watch")


def run(*argv: object, **options: object) -> ClientRun:
    done = run_watched([str(argument) for argument in argv], **options)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done


def assert_exactly(done: ClientRun, counting: CountingServer, expected: int) -> None:
    assert done.exact, done.why_not
    assert len(done.connections) == len(counting.accepted) == expected


class TestPrograms:
    def test_curl_uses_one_connection_for_three_requests(self, server: KeepaliveServer) -> None:
        done = run(needs.curl(), "-s", *[server.url_for(f"/{i}") for i in range(3)])
        assert done.exact
        assert len(done.connections) == len(server.connections) == 1
        assert [len(each.requests) for each in server.connections] == [3]

    def test_curl_three_times_uses_three(self, server: KeepaliveServer) -> None:
        script = 'for i in 1 2 3; do "$0" -s "$1"; done'
        done = run("sh", "-c", script, needs.curl(), server.url)
        assert len(done.connections) == len(server.connections) == 3
        assert {connect.process_name for connect in done.connects} == {"curl"}
        assert len({connect.process for connect in done.connects}) == 3

    def test_python_with_threads(self, counting: CountingServer) -> None:
        script = """if True:
            import socket, sys, threading
            def work():
                for _ in range(5):
                    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
            threads = [threading.Thread(target=work) for _ in range(4)]
            [thread.start() for thread in threads], [thread.join() for thread in threads]
        """
        done = run(sys.executable, "-c", script, counting.port)
        assert_exactly(done, counting, 20)
        assert len({connect.thread for connect in done.connects}) == 4

    @pytest.mark.parametrize(
        ("agent", "expected"),
        [("new http.Agent({keepAlive: true})", 1), ("new http.Agent()", 3), ("false", 3)],
    )
    def test_node(self, server: KeepaliveServer, agent: str, expected: int) -> None:
        script = f"""
            const http = require('http'), agent = {agent};
            const get = () => new Promise(done => http.get(process.argv[1], {{agent}},
                answer => answer.resume().on('end', () => setImmediate(done))));
            get().then(get).then(get).then(() => agent && agent.destroy());
        """
        done = run(needs.node(), "-e", script, server.url)
        assert done.exact, done.why_not
        assert len(done.connections) == len(server.connections) == expected

    def test_a_static_program_a_thousand_times(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        assert_exactly(run(compiled("connects"), counting.port, 1000), counting, 1000)

    def test_threads_that_outlive_the_first_one(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        done = run(compiled("threads"), counting.port, 4, 50)
        assert_exactly(done, counting, 200)
        names = {connect.thread_name for connect in done.connects}
        assert names == {f"worker-{number}" for number in range(4)}
        assert {connect.process_name for connect in done.connects} == {"threads"}

    def test_a_tree_of_forks(self, counting: CountingServer, compiled: Compile) -> None:
        done = run(compiled("forks"), counting.port, 5)
        assert_exactly(done, counting, 63)
        assert len({connect.process for connect in done.connects}) == 63

    def test_32_bit_system_calls(self, counting: CountingServer, compiled: Compile) -> None:
        if os.uname().machine != "x86_64":
            pytest.skip("only x86_64 has them here")
        assert_exactly(run(compiled("old_ways"), counting.port), counting, 2)

    def test_fast_open(self, counting: CountingServer, compiled: Compile) -> None:
        assert_exactly(run(compiled("fastopen"), counting.port), counting, 3)

    def test_multipath_tcp(self, counting: CountingServer, compiled: Compile) -> None:
        done = run_watched([compiled("mptcp"), str(counting.port), "5"])
        if done.returncode == 42:
            pytest.skip("this kernel has no Multipath TCP")
        assert_exactly(done, counting, 5)


class TestWhatCountsOnce:
    def test_a_storm_of_signals(self, counting: CountingServer, compiled: Compile) -> None:
        done = run(compiled("storm"), counting.port, 300)
        assert int(done.stdout) > 100
        assert_exactly(done, counting, 300)

    def test_connects_that_poll(self, counting: CountingServer, compiled: Compile) -> None:
        done = run(compiled("polling"), counting.port, 100)
        assert int(done.stdout) >= 200
        assert_exactly(done, counting, 100)

    def test_a_socket_that_connects_again_counts_again(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        done = run(compiled("dissolving"), counting.port, 50)
        assert len(done.connections) == len(counting.accepted) == 50
        assert len({connect.cookie for connect in done.connects}) == 1

    def test_what_is_not_tcp_never_counts(
        self, counting: CountingServer, compiled: Compile, tmp_path: Path
    ) -> None:
        done = run(compiled("others"), counting.port, tmp_path / "unix")
        assert done.connects == ()
        assert_exactly(done, counting, 0)

    def test_a_flood_of_other_sockets_neither_counts_nor_holds_up(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        done = run(compiled("flood"), counting.port, 50_000)
        assert time.monotonic() - float(done.stdout) < 1
        assert len(done.connections) == len(counting.accepted) == 3


class TestWhatIsTold:
    def test_destination_ends_time_and_bytes(self, server: KeepaliveServer) -> None:
        done = run(needs.curl(), "-s", server.url)
        (connect,) = done.connections
        (accepted,) = server.connections
        assert connect.outcome is Outcome.ESTABLISHED
        assert connect.local == accepted.peer
        assert connect.peer == (server.host, server.port)
        assert connect.sent is not None
        assert connect.sent > 40
        assert connect.received is not None
        assert connect.received > len("ok")
        assert connect.is_open is False

    def test_the_time_is_that_of_perf_counter(self, counting: CountingServer) -> None:
        from time import perf_counter

        before = perf_counter()
        done = run(needs.curl(), "-s", counting.url)
        assert before < done.connects[0].at < perf_counter()

    def test_a_thousand_ends(self, counting: CountingServer, compiled: Compile) -> None:
        done = run(compiled("connects"), counting.port, 1000)
        assert {connect.local for connect in done.connections} == set(counting.accepted)

    def test_a_refused_attempt_is_no_connection(self) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
            done = run_watched([needs.curl(), "-s", f"http://127.0.0.1:{port}/"])
        assert done.returncode == 7
        assert done.exact
        assert [connect.outcome for connect in done.connects] == [Outcome.FAILED]
        assert done.connections == ()

    def test_an_unreachable_network_is_no_connection(self) -> None:
        script = """if True:
            import socket
            sock = socket.socket(socket.AF_INET6)
            try:
                sock.connect(("fe80::1", 9, 0, 0))
            except OSError:
                sock.close()
        """
        done = run(sys.executable, "-c", script)
        assert done.exact, done.why_not
        assert [connect.outcome for connect in done.connects] == [Outcome.FAILED]
        assert not done.connects[0].went_out

    def test_a_connection_that_its_own_side_resets_counts(
        self, counting: CountingServer, compiled: Compile
    ) -> None:
        done = run(compiled("resets"), counting.port, 0, 20)
        assert_exactly(done, counting, 20)

    def test_ipv6(self) -> None:
        with CountingServer("::1") as counting:
            done = run(needs.curl(), "-s", counting.url)
            assert_exactly(done, counting, 1)
        assert done.connects[0].peer == ("::1", counting.port)


class TestStandardStreams:
    def test_text_and_bytes_go_in_and_text_comes_out(self) -> None:
        assert run("cat", input="grüße\n").stdout == "grüße\n"
        assert run("cat", input=b"bytes\n").stdout == "bytes\n"
        assert run("cat").stdout == ""

    def test_much_goes_through(self) -> None:
        text = "0123456789abcdef" * 100_000
        assert run("cat", input=text).stdout == text
        assert run("sh", "-c", "cat >&2", input=text).stderr == text

    def test_a_program_that_reads_nothing_is_no_error(self) -> None:
        assert run("true", input="x" * 1_000_000).stdout == ""

    def test_what_is_no_text_is_replaced(self) -> None:
        assert run("printf", r"a\377b").stdout == "a\ufffdb"

    def test_environment_and_directory(self, tmp_path: Path) -> None:
        environment = {"ONLY": "this", "PATH": "/bin:/usr/bin"}
        done = run("sh", "-c", "pwd; env", env=environment, cwd=tmp_path)
        lines = done.stdout.splitlines()
        assert lines[0] == str(tmp_path)
        assert "ONLY=this" in lines
        assert not any(line.startswith("HOME=") for line in lines)

    def test_no_descriptor_is_inherited_but_the_standard_ones(self) -> None:
        with socket.socket() as sock:
            os.set_inheritable(sock.fileno(), True)
            names = run("ls", "/proc/self/fd").stdout.split()
        assert names == ["0", "1", "2", "3"]  # the last is ls's own

    def test_signals_are_as_a_program_expects_them(self) -> None:
        command = ("grep", "Sig[BI]", "/proc/self/status")
        # Some are ignored on behalf of whoever runs these tests in the background.
        bare = subprocess.check_output(command, text=True)
        assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
        assert run(*command).stdout == bare


class TestThoseWhoStay:
    @pytest.fixture
    def gate(self, tmp_path: Path) -> Path:
        path = tmp_path / "gate"
        os.mkfifo(path)
        return path

    def test_a_daemon_that_outlives_the_program_is_watched_on(
        self, counting: CountingServer, compiled: Compile, gate: Path
    ) -> None:
        done = run(compiled("daemon"), counting.port, gate)
        assert done.left_running
        assert done.connections == ()
        with open(gate, "w") as opened:
            opened.write("x")
            opened.flush()
            deadline = threading.Event()
            while len(counting.accepted) < 3:
                assert not deadline.wait(0.005)
            later = done.now()
        assert len(later.connections) == 3
        assert later.exact, later.why_not
        assert done.connections == ()

    def test_a_daemon_that_holds_the_output_is_not_waited_for(self) -> None:
        done = run("sh", "-c", "sleep 30 & echo $!; echo done", timeout=10.0)
        pid, said = done.stdout.split()
        os.kill(int(pid), 9)
        assert said == "done"
        assert done.left_running
        assert done.seconds < 5

    def test_a_program_without_daemons_leaves_nobody(self) -> None:
        assert not run("sh", "-c", "true & wait").left_running
