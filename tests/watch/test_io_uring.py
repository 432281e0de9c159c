"""In which windows a ring of io_uring, or a process that hides, is a suspect."""

from __future__ import annotations

import mmap
import os
from time import perf_counter

import pytest

from pytest_keepalive._blind_spots import BlindSpot, Sight
from pytest_keepalive._watch._facts import Doubt, Suspicion
from pytest_keepalive._watch._io_uring import Holder, Rings, holder_of
from pytest_keepalive._watch._suspects import Suspects
from tests.watch import elsewhere
from tests.watch.counting_server import CountingServer

RING = Suspicion("node (process 7) uses io_uring", since=1.0)


class Machine:
    """The processes that have rings, as a look at them would tell."""

    def __init__(self) -> None:
        self.born: dict[int, int] = {}
        self.children: dict[int, list[int]] = {}

    def look(self, process: int) -> Holder | None:
        return Holder(process, self.born[process]) if process in self.born else None

    def below(self, process: int) -> list[int]:
        return self.children.get(process, [])


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def rings(machine: Machine) -> Rings:
    return Rings(machine.look, machine.below)


def whose(rings: Rings) -> list[str]:
    return [each.who for each in rings.held]


class TestAsLongAsThereIsARing:
    def test_a_process_that_has_one_is_suspect_until_it_has_none(
        self, rings: Rings, machine: Machine
    ) -> None:
        machine.born[7] = 100
        rings.asked_for(7, RING)
        assert rings.look() == ()
        assert rings.held == (RING,)
        del machine.born[7]
        (over,) = rings.look()
        assert over.who == RING.who
        assert over.until is not None
        assert over.until <= perf_counter()
        assert rings.held == rings.look() == ()

    def test_one_that_was_refused_or_closed_at_once_was_suspect_for_a_moment(
        self, rings: Rings
    ) -> None:
        rings.asked_for(7, RING)
        (over,) = rings.look()
        assert over.since == 1.0
        assert over.until is not None
        assert rings.held == ()

    def test_another_process_of_that_number_is_none(self, rings: Rings, machine: Machine) -> None:
        machine.born[7] = 100
        rings.asked_for(7, RING)
        rings.look()
        machine.born[7] = 200
        assert len(rings.look()) == 1
        assert rings.held == ()

    def test_a_forked_child_keeps_the_ring_of_its_parent(
        self, rings: Rings, machine: Machine
    ) -> None:
        machine.born, machine.children = {7: 100, 8: 101}, {7: [8, 9]}
        rings.asked_for(7, RING)
        rings.look()
        machine.born, machine.children = {8: 101}, {}
        assert rings.look() == ()
        assert set(whose(rings)) == {RING.who}
        machine.born = {}
        assert len(rings.look()) == 1

    def test_many_rings_of_a_process_are_one_suspect(self, rings: Rings, machine: Machine) -> None:
        machine.born[7] = 100
        for since in (1.0, 2.0, 3.0):
            rings.asked_for(7, RING._replace(since=since))
        rings.look()
        assert whose(rings) == [RING.who]


def test_a_process_that_hides_is_suspect_in_the_moment_of_its_call(rings: Rings) -> None:
    suspects = Suspects(rings)
    suspects.doubt(Doubt(3.0, 7, "sshd", "hides"))
    assert [(each.since, each.until) for each in suspects.look()] == [(3.0, 3.0)]


class TestTheWindowsThatItWasThereIn:
    START = Sight(100, 10, (), 0, by_kernel=True, at=5.0)
    END = START._replace(witnessed=101, at=6.0)

    def spots(self, *hiding: Suspicion) -> tuple[BlindSpot, ...]:
        return self.END._replace(hiding=hiding).blind_spots_since(self.START)

    def test_one_that_is_there_or_went_in_the_window_is_suspect(self) -> None:
        for until in (None, 5.0, 5.5):
            (spot,) = self.spots(RING._replace(until=until))
            assert (spot.opens, spot.suspects) == (1, (RING.who,))
            assert "io_uring" in str(spot)

    def test_one_that_had_gone_before_is_none(self) -> None:
        assert self.spots(RING._replace(until=4.9)) == ()

    def test_a_suspect_is_named_once(self) -> None:
        (spot,) = self.spots(RING, RING._replace(until=5.5), RING._replace(since=2.0))
        assert spot.suspects == (RING.who,)

    def test_it_is_accused_of_nothing_where_every_open_was_seen(self) -> None:
        end = self.END._replace(witnessed=100, hiding=(RING,))
        assert end.blind_spots_since(self.START) == ()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="Linux shows open files there")
class TestHowAProcessIsLookedAt:
    def test_one_without_a_ring_or_that_is_gone_has_none(self) -> None:
        with mmap.mmap(-1, 4096):
            assert holder_of(os.getpid()) is None
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert holder_of(child) is None
        os.waitpid(child, 0)
        assert holder_of(child) is None

    def test_one_that_keeps_a_ring_open_has_one(self) -> None:
        told = elsewhere.run(
            [RING_OF_MINE, "ring = set_up_ring(); tell([ring, mine()]); os._exit(0)"]
        )
        assert told[1] is (told[0] >= 0)

    def test_the_mapping_alone_keeps_it(self) -> None:
        script = """
            ring = set_up_ring()
            if ring >= 0:
                map_of(ring)
                os.close(ring)
            tell([ring, mine()])
            os._exit(0)
        """
        told = elsewhere.run([RING_OF_MINE, script])
        assert told[1] is (told[0] >= 0)

    def test_one_that_lets_nobody_look_is_taken_to_have_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: str) -> list[str]:
            raise PermissionError(path)

        monkeypatch.setattr(os, "listdir", refuse)
        assert holder_of(os.getpid()) is not None
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert holder_of(child) is None
        os.waitpid(child, 0)


RING_OF_MINE = """
    import ctypes
    from pytest_keepalive._watch._io_uring import holder_of

    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p

    def set_up_ring():
        return library.syscall(425, 4, ctypes.create_string_buffer(120))

    def map_of(ring):
        address = library.mmap(None, 4096, 3, 1, ring, ctypes.c_long(0))
        assert address != ctypes.c_void_p(-1).value
        return address

    def mine():
        return holder_of(os.getpid()) is not None
"""
# Connects whenever it is told to, and was there before the watch.
UNWATCHED = r"""
    program = (
        "import socket, sys\n"
        "for line in sys.stdin:\n"
        "    socket.create_connection(('127.0.0.1', int(line))).close()\n"
        "    print(flush=True)\n"
    )
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    unwatched = subprocess.Popen([sys.executable, "-c", program], **pipes)

    def connect_unseen():
        unwatched.stdin.write(f"{port()}\n")
        unwatched.stdin.flush()
        unwatched.stdout.readline()

    from pytest_keepalive import measure
    from pytest_keepalive._instruments import instruments
    instruments.watch_kernel()

    def suspects(before=lambda: None):
        with measure() as seen:
            before()
            connect_unseen()
        return [who for spot in seen.blind_spots for who in spot.suspects]

    def leave():
        unwatched.stdin.close()
        unwatched.stdout.close()
        unwatched.wait()
"""
WINDOWS = r"""
    with measure():
        pass
    making = (
        "import ctypes, sys\n"
        "ring = ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120))\n"
        "print(ring, flush=True)\n"
        "sys.stdin.read()\n"
    )
    def make():
        global child, ring
        child = subprocess.Popen([sys.executable, "-c", making], **pipes)
        ring = int(child.stdout.readline())

    told = [suspects(), suspects(make), suspects()]
    child.communicate()
    told.append(suspects())
    leave()
    tell([ring >= 0, told])
"""


@pytest.mark.usefixtures("kernel_watch")
class TestUnderTheWatchOfTheProcess:
    def test_a_child_is_suspect_while_it_has_a_ring_and_not_before_or_after(
        self, counting: CountingServer
    ) -> None:
        made, (before, beginning, there, gone) = elsewhere.run([UNWATCHED, WINDOWS], counting.port)
        assert len(counting.accepted) == 4
        assert before == gone == []
        (suspect,) = beginning
        assert "io_uring" in suspect
        # Where the machine refuses it there never was one, and it was asked for once.
        assert there == ([suspect] if made else [])

    def test_a_ring_from_before_the_watch_is_suspect(self, counting: CountingServer) -> None:
        script = """
            told = [ring, suspects(), suspects()]
            if ring >= 0:
                os.close(ring)
            told += [suspects()]
            leave()
            tell(told)
        """
        blocks = [RING_OF_MINE, "ring = set_up_ring()", UNWATCHED, script]
        ring, first, second, closed = elsewhere.run(blocks, counting.port)
        assert len(first) == len(second) == (1 if ring >= 0 else 0)
        assert not [who for who in first if "this process uses io_uring" not in who]
        assert closed == []
