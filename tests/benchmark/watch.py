"""What the kernel watch costs: a program with it and without it, in turns.

``python -m tests.benchmark.watch NAME PORT TIMES [watched]`` prints how long each of something
takes, in microseconds; each runs in a process of its own, since no filter can be taken off again.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from tempfile import NamedTemporaryFile

from pytest_keepalive._blind_spots import Sight
from pytest_keepalive._readings import Readings
from pytest_keepalive._watch._count_table import CountTable, Row
from pytest_keepalive._watch._process_watch import watch_this_process
from pytest_keepalive._watch._run_watched import run_watched
from pytest_keepalive._watch._sock_diag import SockDiag
from pytest_keepalive._watch._witness import Witness, children_figure, native_clients
from tests.benchmark.figure import Figure, ratios

_MICRO = 1e6
_REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_STRACE = ("strace", "-f", "-c", "-e", "trace=connect", "--seccomp-bpf")


def connects(port: int, times: int) -> float:
    """Time connects alone, by the clock: the supervisor works beside them."""
    taken = []
    for _ in range(times):
        with socket.socket() as sock:
            began = time.perf_counter()
            sock.connect(("127.0.0.1", port))
            taken.append(time.perf_counter() - began)
    # Other programs interrupt a few of them for far longer than they take.
    return median(taken) * _MICRO


def requests(port: int, times: int) -> float:
    """Time what a client does on a connection that it keeps."""
    taken = []
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for _ in range(10 * times):
            began = time.perf_counter()
            sock.send(_REQUEST)
            sock.recv(65536)
            taken.append(time.perf_counter() - began)
    return median(taken) * _MICRO


def cheapest(port: int, times: int) -> float:
    """Time a system call that does nothing."""
    call = os.getppid
    began = time.perf_counter()
    for _ in range(100 * times):
        call()
    return (time.perf_counter() - began) / times / 100 * _MICRO


def installing(port: int, times: int) -> float:
    """Time the installation of the watch of a whole process."""
    began = time.perf_counter()
    watch_this_process()
    return (time.perf_counter() - began) * _MICRO


def witness(port: int, times: int) -> float:
    """Time the two readings of a window."""
    reader = Witness()
    began = time.perf_counter()
    for _ in range(2 * times):
        reader.opens()
        native_clients()
        children_figure()
    return (time.perf_counter() - began) / times * _MICRO


def witness_of_a_worker(port: int, times: int) -> float:
    """Time the same where four workers count their connects for each other."""
    table = CountTable()
    rows = [Row(address) for address in (table.admit() for _ in range(4)) if address is not None]
    for row in rows:
        row.tell(suspect=False)
    reader = Readings(_see, rows[0])
    began = time.perf_counter()
    for _ in range(times):
        reader.blind_spots_since(reader.look())
    return (time.perf_counter() - began) / times * _MICRO


def _see(witnessed: int | None) -> Sight:
    return Sight(witnessed, 0, native_clients(), children_figure())


def snapshot(port: int, times: int) -> float:
    """Give how long a snapshot of sockets takes by netlink, as a part of what psutil takes."""
    import psutil

    pairs = _open_pairs(times // 2)
    began = time.perf_counter()
    found = SockDiag().states()
    between = time.perf_counter()
    listed = psutil.Process().net_connections("tcp")
    ended = time.perf_counter()
    assert min(len(found), len(listed)) >= 2 * len(pairs)
    return (between - began) / (ended - between)


def _open_pairs(count: int) -> list[tuple[socket.socket, socket.socket]]:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    return [(socket.create_connection(address), listener.accept()[0]) for _ in range(count)]


_WORKS: dict[str, Callable[[int, int], float]] = {
    work.__name__: work
    for work in (
        connects,
        requests,
        cheapest,
        installing,
        witness,
        witness_of_a_worker,
        snapshot,
    )
}


def watch_figures(port: int, rounds: int, times: int, sockets: int) -> Iterator[Figure]:
    """Measure everything.

    Args:
        port: Of the server.
        rounds: How many pairs.
        times: How many connects in each half of a pair.
        sockets: How many are open for a snapshot.
    """
    connecting = _command("connects", port, times)
    yield Figure("a connect, watched", _ratios(_watched, _bare, connecting, rounds), 3.2)
    if shutil.which("strace"):
        by_strace = _ratios(_watched, _traced, connecting, rounds)
        yield Figure("a connect, watched and not traced", by_strace, 1.0)
    asking = _command("requests", port, times)
    yield Figure("a request, watched", _ratios(_under_filter, _bare, asking, rounds), 1.02)
    doing_nothing = _command("cheapest", port, times)
    pairs = [(_under_filter(doing_nothing), _bare(doing_nothing)) for _ in range(rounds)]
    yield Figure("added to any other call", [each - bare for each, bare in pairs], 0.1, "us")
    starts = [_bare(_command("installing", port, 1)) / 1000 for _ in range(rounds)]
    yield Figure("installing the watch", starts, 50, "ms")
    looks = [_bare(_command("witness", port, times)) for _ in range(rounds)]
    yield Figure("the witness, a window", looks, 50, "us")
    looks = [_bare(_command("witness_of_a_worker", port, times)) for _ in range(rounds)]
    yield Figure("the witness, a window of a worker", looks, 50, "us")
    shares = [_bare(_command("snapshot", port, sockets)) for _ in range(rounds)]
    yield Figure(f"a snapshot of {sockets} sockets, of psutil's", shares, 0.25)


def _command(name: str, port: int, times: int) -> tuple[str, ...]:
    return sys.executable, "-m", __name__, name, str(port), str(times)


def _ratios(
    one: Callable[[tuple[str, ...]], float],
    other: Callable[[tuple[str, ...]], float],
    command: tuple[str, ...],
    rounds: int,
) -> list[float]:
    pairs = [(one(command), other(command)) for _ in range(rounds)]
    return ratios([each for each, _ in pairs], [each for _, each in pairs])


def _bare(command: tuple[str, ...]) -> float:
    return float(subprocess.check_output(command))


def _watched(command: tuple[str, ...]) -> float:
    return float(run_watched(command, timeout=None).stdout)


def _under_filter(command: tuple[str, ...]) -> float:
    """Run what watches itself: another session would have a share of the processor of its own."""
    return _bare((*command, "watched"))


def _traced(command: tuple[str, ...]) -> float:
    with NamedTemporaryFile() as report:
        return _bare((*_STRACE, "-o", report.name, *command))


if __name__ == "__main__":
    name, port, times, *watched = sys.argv[1:]
    if watched:
        watch_this_process()
    print(_WORKS[name](int(port), int(times)))
