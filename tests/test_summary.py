from __future__ import annotations

import json
import pickle

import pytest

from pytest_keepalive._diagnosis import Cause, Finding
from pytest_keepalive._limits import Limit, judge
from pytest_keepalive._origin import Address, Origin
from pytest_keepalive._summary import (
    Broken,
    Figures,
    Place,
    RunSummary,
    TestSummary,
    Waste,
    broken_of,
    figures_of,
    steady_origin,
    waste_of,
)

from .facts import ORIGIN, SITE, connection, opened, recording

ELSEWHERE = Origin("https", "api.example.com", 443)


def finding(index: int = 1, cause: Cause = Cause.CLIENT_PER_REQUEST, **fields: object) -> Finding:
    known: dict[str, object] = {"call_site": SITE, "remedy": "share it", **fields}
    times = {"connect_seconds": 0.25, "handshake_seconds": 0.5}
    return Finding(cause, connection(index, **times), None, (), **known)  # type: ignore[arg-type]


def summary(test: str = "test_a", **origins: Figures) -> TestSummary:
    return TestSummary(test, origins)


def test_the_figures_of_a_recording_are_counted_for_each_origin() -> None:
    seen = recording(
        connection(0, 3), connection(1, 1, opened_here=False), connection(2, 2, origin=ELSEWHERE)
    )
    assert figures_of(seen) == {
        str(ORIGIN): Figures(connections=2, exchanges=4, reused=2, opened=1),
        "https://api.example.com": Figures(connections=1, exchanges=2, reused=1, opened=1),
    }


def test_the_figures_of_nothing_are_nothing() -> None:
    assert figures_of(recording()) == {}
    assert RunSummary().total == Figures(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "steady"),
    [
        ("http", "127.0.0.1", 41234, "http://127.0.0.1:*"),
        ("http", "127.8.9.1", 32768, "http://127.8.9.1:*"),
        ("https", "localhost", 60999, "https://localhost:*"),
        ("http", "::1", 50000, "http://[::1]:*"),
        ("http", "127.0.0.1", 8080, "http://127.0.0.1:8080"),
        ("http", "127.0.0.1", 32767, "http://127.0.0.1:32767"),
        ("http", "127.0.0.1", 80, "http://127.0.0.1"),
        ("http", "api.example.com", 41234, "http://api.example.com:41234"),
    ],
)
def test_a_port_that_the_system_chose_is_not_part_of_an_origin(
    scheme: str, host: str, port: int, steady: str
) -> None:
    assert steady_origin(Origin(scheme, host, port)) == steady


@pytest.mark.parametrize(
    ("peer", "steady"),
    [
        (("127.0.0.1", 41234), "http://tenant.localhost:*"),
        (("192.0.2.7", 41234), "http://tenant.localhost:41234"),
        # A proxy has the port of its own.
        (("127.0.0.1", 3128), "http://tenant.localhost:41234"),
    ],
)
def test_other_names_lead_to_loopback_too(peer: Address, steady: str) -> None:
    assert steady_origin(Origin("http", "tenant.localhost", 41234), peer) == steady


def test_the_origins_of_several_servers_of_one_host_are_one_entry() -> None:
    first, second = (Origin("http", "127.0.0.1", port) for port in (40001, 40002))
    seen = recording(connection(0, 1, origin=first), connection(1, 2, origin=second))
    assert figures_of(seen) == {"http://127.0.0.1:*": Figures(2, 3, 1, 2)}


def test_avoidable_connections_are_counted_by_line_and_cause() -> None:
    found = [finding(1), finding(2), finding(3, Cause.CONCURRENT_REQUESTS, legitimate=True)]
    assert waste_of(found) == (Waste(str(SITE), "client-per-request", 2, 1.5, 2),)


def test_a_time_that_was_not_measured_is_not_zero() -> None:
    unseen = Finding(Cause.UNKNOWN, connection(1), None, (), "")
    assert waste_of([unseen]) == (Waste("", "unknown", 1, 0, 0),)


def test_a_broken_promise_stands_at_the_line_that_most_findings_name() -> None:
    other = type(SITE)("tests/other.py", 7, "other")
    violations = judge(opened(4), Limit(exactly=1))
    found = [finding(1, call_site=other), finding(2), finding(3)]
    (broken,) = broken_of(violations, found, Place("tests/test_api.py", 30))
    assert (broken.path, broken.line) == (SITE.path, SITE.line)
    assert broken.why == "client-per-request: share it"
    assert broken.kind == "count"
    assert broken.sentence == violations[0].sentence


def test_a_broken_promise_without_findings_stands_at_the_test() -> None:
    violations = judge(recording(), Limit(exactly=1))
    (broken,) = broken_of(violations, [], Place("tests/test_api.py", 30))
    assert (broken.path, broken.line, broken.why) == ("tests/test_api.py", 30, "")


def test_a_summary_travels_as_plain_data() -> None:
    broken = Broken("count", "opened 2", "a.py", 3, "why")
    sent = TestSummary(
        "test_a",
        {"o": Figures(2, 3, 1, 2)},
        (Waste("a:1", "x", 1, 0.5, 1),),
        (broken,),
        False,
        "failed",
        {"x": 1},
    )
    run = RunSummary()
    run.add("test_a", sent)
    data = json.loads(json.dumps(run.as_dict()))
    assert RunSummary.from_dict(data).tests == {"test_a": sent}
    assert pickle.loads(pickle.dumps(sent)) == sent


def test_a_test_that_ran_again_counts_once() -> None:
    run = RunSummary()
    run.add("test_a", summary(o=Figures(3, 3, 0, 3)))
    run.add("test_a", summary(o=Figures(1, 3, 2, 1)))
    assert run.total == Figures(1, 3, 2, 1)


def test_runs_of_workers_are_merged() -> None:
    here, there = RunSummary(), RunSummary()
    here.add("test_a", summary(o=Figures(1, 2, 1, 1)))
    there.add("test_b", summary("test_b", o=Figures(2, 2, 0, 2), p=Figures(1, 1, 0, 0)))
    here.merge(there)
    assert here.total == Figures(4, 5, 1, 3)
    assert here.origins == {"o": Figures(3, 4, 1, 3), "p": Figures(1, 1, 0, 0)}


def test_the_worst_line_comes_first() -> None:
    run = RunSummary()
    run.add("a", TestSummary("a", wasted=(Waste("x:1", "c", 1), Waste("y:1", "c", 2))))
    run.add("b", TestSummary("b", wasted=(Waste("x:1", "c", 2, 0.5, 1),)))
    assert run.wasted == [Waste("x:1", "c", 3, 0.5, 1), Waste("y:1", "c", 2)]


def test_repetitions_stand_under_one_test() -> None:
    run = RunSummary()
    run.add("test_a[1-2]", summary())
    run.add("test_a[2-2]", summary())
    assert [(test, len(runs)) for test, runs in run.by_test()] == [("test_a", 2)]
