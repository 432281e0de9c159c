"""Prints what measuring costs, as ratios measured in one run: medians of paired rounds.

``python -m tests.benchmark`` takes some minutes and a quiet machine; the options make it shorter.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmark.clients import CLIENTS, ratios_of
from tests.benchmark.collected import controller_cost
from tests.benchmark.crowd import bytes_each, seconds_to_report
from tests.benchmark.distributed import WORKERS, distributed_ratios
from tests.benchmark.empty_suite import import_costs, suite_ratios
from tests.benchmark.figure import Figure
from tests.benchmark.origin import running_origin

_LIMITS = {"http.client": 1.08, "aiohttp": 1.08, "connect": 1.3}
_LIMIT = 1.05
# Two runs of workers take a minute, where others take seconds.
_SHARE_OF_LONG_ROUNDS = 4
# Of an API that is not far away; one that answers at once has tests that do nothing but compute.
_ANSWER_SECONDS = 0.01


def main() -> None:
    """Measure what the command line asks for, and print each figure as it comes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="pairs of each ratio")
    parser.add_argument("--requests", type=int, default=300, help="in each half of a pair")
    parser.add_argument("--tests", type=int, default=1000, help="in the empty suite")
    parser.add_argument("--connections", type=int, default=100_000, help="in one test, or a run")
    parser.add_argument("--reported", type=int, default=10_000, help="tests of a run with reports")
    parser.add_argument("--spread", type=int, default=2000, help="tests that workers share")
    parser.add_argument("--sockets", type=int, default=10_000, help="open for a snapshot")
    parser.add_argument("--only", nargs="+", choices=(*_PARTS,), default=[*_PARTS])
    given = parser.parse_args()
    print(f"{'figure':<44}{'median':>10}  {'limit':<10}  from least to most")
    for part in given.only:
        for figure in _PARTS[part](given):
            print(figure, flush=True)


def _suite(given: argparse.Namespace) -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        values = suite_ratios(Path(folder), given.rounds, given.tests)
    yield Figure(f"{given.tests} empty tests, CPU with the plugin", values, 1.02)
    yield Figure("import of the plugin", import_costs(given.rounds), 10, "ms")


def _clients(given: argparse.Namespace) -> Iterator[Figure]:
    with running_origin() as port:
        for client in CLIENTS:
            what = "connect + close" if client == "connect" else f"a request, {client}"
            values = ratios_of(client, port, given.rounds, given.requests)
            yield Figure(f"{what}, CPU while measured", values, _LIMITS.get(client, _LIMIT))


def _crowd(given: argparse.Namespace) -> Iterator[Figure]:
    count = given.connections
    with running_origin() as port, TemporaryDirectory() as folder:
        weight = bytes_each(port, count)
        yield Figure(f"each of {count} connections recorded", [weight], 1024, "B")
        seconds = seconds_to_report(Path(folder), port, count)
        yield Figure(f"to the report of {count} connections", [seconds], 2, "s")


def _reports(given: argparse.Namespace) -> Iterator[Figure]:
    tests, connections = given.reported, given.connections
    seconds, mebibytes = controller_cost(tests, connections)
    yield Figure(f"all reports of {tests} tests, CPU", [seconds], 3, "s")
    yield Figure(f"memory for {connections} connections of them", [mebibytes], 200, "MiB")
    rounds = max(1, given.rounds // _SHARE_OF_LONG_ROUNDS)
    fewer = max(1, given.spread // _SHARE_OF_LONG_ROUNDS)
    for seconds, spread in ((_ANSWER_SECONDS, fewer), (0.0, given.spread)):
        with running_origin(seconds) as port, TemporaryDirectory() as folder:
            walls, cpus = distributed_ratios(Path(folder), port, rounds, spread)
        answers = f"{seconds * 1000:.0f} ms an answer" if seconds else "answers at once"
        yield Figure(f"{spread} tests, -n {WORKERS}, reports, {answers}", walls, _LIMIT)
    yield Figure("the same, CPU", cpus, _LIMIT)


def _watch(given: argparse.Namespace) -> Iterator[Figure]:
    if sys.platform != "linux":
        return
    from tests.benchmark.watch import watch_figures

    with running_origin() as port:
        yield from watch_figures(port, given.rounds, given.requests, given.sockets)


_PARTS = {
    "suite": _suite,
    "clients": _clients,
    "crowd": _crowd,
    "reports": _reports,
    "watch": _watch,
}

if __name__ == "__main__":
    main()
