"""A whole process whose supervisor is killed, or whoever stands by for it."""

from __future__ import annotations

import pytest

from tests.watch.counting_server import CountingServer
from tests.watch.watched import watched

pytestmark = pytest.mark.usefixtures("kernel_watch")


class TestTheDeathOfASupervisor:
    KILL = """
        def kill_supervisor():
            before = watch.supervisor
            os.kill(before, signal.SIGKILL)
            while watch.supervisor == before:
                connect(1)
    """

    def test_another_takes_over_and_not_one_connect_fails_or_is_missed(
        self, counting: CountingServer
    ) -> None:
        script = """
            stop, made = threading.Event(), [0, 0]
            def work(index):
                while not stop.is_set():
                    connect(1)
                    made[index] += 1
            threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
            for thread in threads:
                thread.start()
            supervisors = set()
            for _ in range(4):
                supervisors.add(watch.supervisor)
                before = sum(made)
                os.kill(watch.supervisor, signal.SIGKILL)
                while sum(made) < before + 20 or watch.supervisor in supervisors:
                    time.sleep(0.001)
            stop.set()
            for thread in threads:
                thread.join()
            tell([len(connections(watch.trace_since(0))), sum(made), len(supervisors)])
        """
        seen, made, supervisors = watched(script, counting)
        assert seen == made == len(counting.accepted)
        assert supervisors == 4

    def test_the_standby_is_replaced_when_it_is_killed(self, counting: CountingServer) -> None:
        script = """
            os.kill(watch.helper, signal.SIGKILL)
            connect(2)
            os.kill(watch.supervisor, 0)
            first = watch.supervisor
            children = f"/proc/{first}/task/{first}/children"
            while not read(children):
                time.sleep(0.001)
            os.kill(first, signal.SIGKILL)
            connect(3)
            tell([len(connections(watch.trace_since(0))), watch.supervisor != first, watch.trouble])
        """
        assert watched(script, counting) == [5, True, None]

    def test_a_client_that_holds_the_interpreter_survives_it(
        self, counting: CountingServer
    ) -> None:
        script = """
            for _ in range(3):
                os.kill(watch.supervisor, signal.SIGKILL)
                connect_holding_the_interpreter(20)
            tell(len(connections(watch.trace_since(0))))
        """
        assert watched(script, counting) == 60

    def test_signals_that_end_other_programs_do_not_end_it(self, counting: CountingServer) -> None:
        script = """
            for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGPIPE", "SIGALRM"):
                os.kill(watch.supervisor, getattr(signal, name))
                os.kill(watch.helper, getattr(signal, name))
            before = watch.supervisor
            connect(2)
            tell([len(connections(watch.trace_since(0))), watch.supervisor == before])
        """
        assert watched(script, counting) == [2, True]

    def test_when_both_are_killed_the_connect_fails_and_the_watch_says_so(
        self, counting: CountingServer
    ) -> None:
        script = """
            quiet = watch.trouble
            os.kill(watch.helper, signal.SIGSTOP)
            os.kill(watch.supervisor, signal.SIGKILL)
            os.kill(watch.helper, signal.SIGKILL)
            while watch.trouble is None:
                time.sleep(0.001)
            try:
                connect(1)
            except OSError as error:
                tell([quiet, error.errno == errno.ENOSYS, watch.trouble])
        """
        quiet, refused, trouble = watched(script, counting)
        assert (quiet, refused) == (None, True)
        assert "killed" in trouble
