from __future__ import annotations

import re
from dataclasses import replace

from pytest_keepalive._reports._github import annotated, markdown
from pytest_keepalive._reports._junit import properties_of
from pytest_keepalive._summary import Broken, Figures, RunSummary

from ..facts import opened
from .runs import EVIL, WASTEFUL, ReportedRun, small_run

FEW = Figures(1, 2, 1, 1)


def test_an_annotation_stands_at_the_line_of_the_cause() -> None:
    (line,) = annotated(small_run().summary.broken)
    assert line.startswith(
        "::error file=tests/test_api.py,line=41,title=keep-alive::test_wasteful: "
    )
    assert "opened 4 connections" in line


def test_no_text_begins_a_command_of_its_own() -> None:
    broken = Broken("count", EVIL + "\n::error::x\r\n", "a,b:c.py", 3, EVIL)
    (line,) = annotated([(f"test[{EVIL}]", broken)])
    assert "\n" not in line
    assert "\r" not in line
    assert "\x1b" not in line
    assert line.startswith("::error file=a%2Cb%3Ac.py,line=3,")
    assert "%250A" in line


def test_there_are_as_many_annotations_as_are_shown() -> None:
    broken = [(f"test_{number}", Broken("count", "x", "a.py", 1)) for number in range(50)]
    assert len(list(annotated(broken))) == 10


def test_a_promise_without_a_place_is_annotated_without_one() -> None:
    (line,) = annotated([("test_a", Broken("count", "x"))])
    assert line == "::error title=keep-alive::test_a: x"


def test_the_markdown_tells_totals_broken_limits_waste_and_origins() -> None:
    text = markdown(small_run().summary)
    assert "3 tests, 6 connections, 19 exchanges, 13 reused" in text
    assert f"| `{WASTEFUL}` | `opened 4 connections to http://127.0.0.1:8080, limit is 1` |" in text
    assert "| `https://api.example.com` | 1 | 10 | 9 |" in text
    assert "2250.0" in text


def test_the_markdown_calls_avoidable_only_what_is_proved() -> None:
    run = ReportedRun()
    run.add("test_a", opened(3))
    text = markdown(run.summary)
    assert "1 test, 3 connections, 3 exchanges, 0 reused" in text
    assert "Avoidable" not in text
    assert "### Unexplained connections" in text
    assert "| `tests/test_api.py:41` | `unknown` | 2 |" in text
    assert "Unexplained" not in markdown(small_run().summary)


def test_the_markdown_of_any_run_is_short_enough_for_github() -> None:
    run = RunSummary()
    test = small_run().summary.tests[WASTEFUL]
    for number in range(100):
        name = str(number) + "\x00" * 30_000 + "end"
        run.add(name, replace(test, broken=(Broken("count", name, name, 1),), origins={name: FEW}))
    text = markdown(run)
    assert len(text.encode("utf-8")) < 1 << 20
    assert text.count("\\x00end") == 50 * 4
    assert "... and 50 more" in text


def test_no_text_leaves_its_cell() -> None:
    run = RunSummary()
    test = small_run().summary.tests[WASTEFUL]
    evil = Broken("count", EVIL + "\n| a | b \\| c |", "a.py", 1)
    run.add(EVIL, replace(test, broken=(evil,)))
    (row,) = (line for line in markdown(run).splitlines() if "alert" in line)
    assert row.count("`") == 6
    assert re.sub(r"\\.", "", row).count("|") == 4


def test_a_test_has_its_figures_as_properties() -> None:
    properties = properties_of(small_run().summary.tests[WASTEFUL].as_dict())
    assert ("keepalive.connections", 4) in properties
    assert ("keepalive.avoidable", 3) in properties
    origin = "http://127.0.0.1:8080: 4 connections, 8 exchanges, 4 reused"
    assert ("keepalive.origin", origin) in properties
    assert any(name == "keepalive.violation" for name, _ in properties)


def test_a_test_without_connections_has_no_properties() -> None:
    assert properties_of(small_run().summary.tests["test_no"].as_dict()) == []
