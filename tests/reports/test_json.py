from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from importlib.resources import files
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_keepalive._connection import Tally
from pytest_keepalive._recording import Unplaced
from pytest_keepalive._reports._html import html_report
from pytest_keepalive._reports._json import SCHEMA, dumps, json_report, pack, unpack
from pytest_keepalive._reports._terminal import summary_lines
from pytest_keepalive._summary import RunSummary

from .. import facts
from ..facts import opened
from .runs import EVIL, HOSTILE, SILENT, THRIFTY, WASTEFUL, ReportedRun, large_run, small_run

jsonschema = pytest.importorskip("jsonschema")


def report_of(run: ReportedRun) -> dict[str, Any]:
    report: dict[str, Any] = json.loads("".join(json_report(run.summary, run.details, "1.0")))
    return report


@pytest.fixture(scope="module")
def schema() -> Any:
    text = files("pytest_keepalive._reports").joinpath(SCHEMA).read_text("utf-8")
    validator = jsonschema.Draft202012Validator
    validator.check_schema(json.loads(text))
    return validator(json.loads(text))


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return report_of(small_run())


def test_the_report_is_what_its_schema_says(report: dict[str, Any], schema: Any) -> None:
    schema.validate(report)
    schema.validate(report_of(ReportedRun()))


@pytest.mark.parametrize("wrong", [{"schema_version": 2}, {"tests": [{}]}, {"more": 1}])
def test_the_schema_refuses_what_is_no_report(
    report: dict[str, Any], schema: Any, wrong: dict[str, Any]
) -> None:
    assert not schema.is_valid({**report, **wrong})


def test_the_schema_describes_every_part(report: dict[str, Any], schema: Any) -> None:
    assert schema.schema["additionalProperties"] is False
    assert all(
        each.get("additionalProperties") is not None
        for each in schema.schema["$defs"].values()
        if each["type"] == "object"
    )


def test_each_test_tells_its_figures_and_its_connections(report: dict[str, Any]) -> None:
    tests = {each["node"]: each for each in report["tests"]}
    assert list(tests) == [WASTEFUL, THRIFTY, HOSTILE, SILENT]
    wasteful = tests[WASTEFUL]
    assert wasteful["total"] == {"connections": 4, "exchanges": 8, "reused": 4, "opened": 4}
    assert wasteful["avoidable"] == len(wasteful["findings"]) == 3
    assert wasteful["outcome"] == "failed"
    assert wasteful["broken"][0]["sentence"].startswith("opened 4 connections")
    assert [each["index"] for each in wasteful["connections"]] == [0, 1, 2, 3]
    assert wasteful["connections"][1]["handshake_seconds"] == 0.5
    assert len(tests[THRIFTY]["connections"][0]["exchanges"]) == 10
    assert "connections" not in tests[SILENT]


def test_an_exchange_without_a_connection_stands_apart(schema: Any) -> None:
    loose = replace(facts.exchange(), connection_index=None)
    run = ReportedRun()
    run.add("test_loose", replace(opened(1), unplaced=Tally([Unplaced(loose, facts.adopted())])))
    report = report_of(run)
    schema.validate(report)
    (test,) = report["tests"]
    assert [each["url"] for each in test["unplaced"]] == ["http://127.0.0.1:8080/"]


def test_the_totals_are_those_of_the_tests(report: dict[str, Any]) -> None:
    assert report["total"]["connections"] == sum(
        each["total"]["connections"] for each in report["tests"]
    )
    assert report["total"]["connections"] == sum(
        len(each.get("connections", ())) for each in report["tests"]
    )


def test_hostile_text_is_kept_as_data(report: dict[str, Any]) -> None:
    hostile = next(each for each in report["tests"] if each["node"] == HOSTILE)
    assert hostile["connections"][0]["client"] == EVIL


@given(st.text())
def test_what_is_written_can_stand_in_a_page(text: str) -> None:
    written = dumps({"text": text})
    assert json.loads(written) == {"text": text}
    assert written.isascii()
    assert not set(written) & set("<>&\x1b\n")


def test_what_is_packed_is_unpacked() -> None:
    assert json.loads(unpack(pack(dumps({"a": [1, EVIL]})))) == {"a": [1, EVIL]}


def test_a_thousand_connections_are_packed_into_a_small_text() -> None:
    run = ReportedRun()
    run.add("test_many", opened(1000))
    assert len(run.details["test_many"]) < 100 * 1000


def test_a_run_without_tests_is_a_report() -> None:
    assert json.loads("".join(json_report(RunSummary(), {}, "1.0")))["tests"] == []


@pytest.mark.parametrize("report", [json_report, html_report], ids=["json", "html"])
def test_no_report_is_held_in_memory_as_a_whole(report: Any) -> None:
    large = large_run()
    tracemalloc.start()
    length = sum(map(len, report(large.summary, large.details, "1.0")))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000 < length / 5


def test_a_hundred_thousand_connections_are_written_in_three_seconds() -> None:
    large = large_run()
    began = process_time()
    json_length = sum(map(len, json_report(large.summary, large.details, "1.0")))
    html_length = sum(map(len, html_report(large.summary, large.details, "1.0")))
    text = "\n".join(summary_lines(large.summary, 80))
    assert process_time() - began < 3
    assert "100000 connections" in text
    assert html_length < json_length
