from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_keepalive._baseline import (
    Baseline,
    improvements,
    regressions,
    renamed,
    update,
    vanished,
)
from pytest_keepalive._baseline_entry import Entry, Span
from pytest_keepalive._baseline_text import parse_baseline, render_baseline
from pytest_keepalive._summary import Figures

ORIGIN = "http://127.0.0.1:*"
TEST = "tests/test_api.py::test_list"


def did(connections: int, exchanges: int, reused: int, origin: str = ORIGIN) -> dict[str, Figures]:
    return {origin: Figures(connections, exchanges, reused, connections)}


def agreed(*runs: Mapping[str, Figures], test: str = TEST) -> Baseline:
    """Give the baseline that comes of updates, one for each run of a test."""
    baseline = Baseline(name=".keepalive.json")
    for figures in runs:
        baseline = update(baseline, {test: [figures]}).baseline
    return parse_baseline(render_baseline(baseline), ".keepalive.json")


def sentence(baseline: Baseline, figures: Mapping[str, Figures]) -> str:
    (violation,) = regressions(baseline, TEST, figures)
    return violation.sentence


# Regressions


@pytest.mark.parametrize(
    "figures",
    [did(1, 10, 9), did(1, 5, 4), did(1, 20, 19), did(0, 0, 0), {}],
    ids=["the same", "fewer exchanges", "more exchanges", "none", "nothing"],
)
def test_what_is_as_good_is_no_regression(figures: Mapping[str, Figures]) -> None:
    assert regressions(agreed(did(1, 10, 9)), TEST, figures) == ()


def test_more_connections_are_a_regression() -> None:
    assert sentence(agreed(did(1, 10, 9)), did(3, 10, 7)) == (
        'used 3 connections to http://127.0.0.1:*, baseline is 1 (.keepalive.json:4: "http://'
        '127.0.0.1:*": {"connections": 1, "exchanges": 10, "reused": 9})'
    )


def test_less_reuse_over_as_many_connections_is_a_regression() -> None:
    said = sentence(agreed(did(2, 10, 9)), did(2, 10, 8))
    assert said.startswith("reused connections for 8 of 10 exchanges to http://127.0.0.1:*, ")
    assert "baseline is 9 of 10" in said


def test_an_origin_that_was_not_used_is_a_regression() -> None:
    said = sentence(agreed(did(1, 1, 0)), {**did(1, 1, 0), **did(1, 1, 0, "https://new.example")})
    assert said == (
        f'used 1 connection to https://new.example, baseline has none (.keepalive.json:4: "{TEST}")'
    )


def test_a_test_that_is_not_in_the_baseline_is_held_to_nothing() -> None:
    assert regressions(agreed(did(1, 1, 0)), "tests/test_api.py::test_new", did(9, 9, 0)) == ()


def test_a_test_whose_count_varies_is_held_to_the_most() -> None:
    varying = agreed(did(1, 3, 2), did(3, 3, 0))
    assert regressions(varying, TEST, did(2, 3, 1)) == ()
    assert regressions(varying, TEST, did(3, 3, 0)) == ()
    assert "baseline is 1 to 3" in sentence(varying, did(4, 4, 0))


# Improvements


def test_fewer_connections_are_an_improvement() -> None:
    (line,) = improvements(agreed(did(3, 3, 0)), TEST, did(1, 3, 2))
    assert line == f"{TEST}: used 1 connection to {ORIGIN}, baseline is 3"


@pytest.mark.parametrize("figures", [did(3, 3, 0), did(4, 4, 0), did(3, 2, 0)])
def test_nothing_else_is_an_improvement(figures: Mapping[str, Figures]) -> None:
    assert improvements(agreed(did(3, 3, 0)), TEST, figures) == []


def test_a_count_within_its_range_is_no_improvement() -> None:
    assert improvements(agreed(did(1, 3, 2), did(3, 3, 0)), TEST, did(1, 3, 2)) == []


# Updates


def entry(baseline: Baseline, test: str = TEST, origin: str = ORIGIN) -> Entry:
    return baseline.tests[test][origin]


def test_better_figures_are_taken_over() -> None:
    made = update(agreed(did(3, 3, 0)), {TEST: [did(1, 3, 2)]})
    assert entry(made.baseline) == Entry(Span(1, 1), Span(3, 3), Span(2, 2))
    assert made.changes == (
        f"{TEST}: {ORIGIN} is now 1 connection, 3 exchanges, 2 reused, "
        "was 3 connections, 3 exchanges, 0 reused",
    )


def test_worse_figures_widen_and_say_so() -> None:
    made = update(agreed(did(1, 3, 2)), {TEST: [did(3, 3, 0)]})
    assert entry(made.baseline) == Entry(Span(1, 3), Span(3, 3), Span(0, 2))
    assert "varies, widened to 1 to 3 connections" in made.changes[0]


@pytest.mark.parametrize("order", [(1, 3, 2), (3, 1, 3), (2, 1, 3), (1, 2, 3)])
def test_updates_over_several_runs_end_with_all_that_was_seen(order: tuple[int, ...]) -> None:
    runs = [did(number, 3, 3 - number) for number in order]
    assert entry(agreed(*runs)).connections == Span(1, 3)


def test_a_range_only_ever_widens() -> None:
    assert entry(agreed(did(2, 4, 2), did(3, 4, 1), did(1, 4, 3))).connections == Span(1, 3)


def test_repetitions_in_one_run_are_a_range() -> None:
    made = update(Baseline(), {TEST: [did(1, 1, 0), did(2, 2, 0)]})
    assert entry(made.baseline).connections == Span(1, 2)


def test_an_origin_that_is_not_used_any_more_is_dropped() -> None:
    made = update(agreed(did(1, 1, 0)), {TEST: [did(1, 1, 0, "https://new.example")]})
    assert list(made.baseline.tests[TEST]) == ["https://new.example"]
    assert len(made.changes) == 2


def test_tests_that_did_not_run_keep_their_entries() -> None:
    made = update(agreed(did(1, 1, 0)), {})
    assert made.baseline.tests == agreed(did(1, 1, 0)).tests
    assert made.changes == ()


def test_tests_that_vanished_are_dropped() -> None:
    made = update(agreed(did(1, 1, 0)), {}, [TEST])
    assert made.baseline.tests == {}
    assert made.changes == (f"{TEST}: dropped, the test is gone",)


def test_tests_without_connections_have_no_entry() -> None:
    assert update(Baseline(), {TEST: [{}]}).baseline.tests == {}


# Tests that come and go


def test_only_a_test_whose_whole_file_was_collected_can_vanish() -> None:
    baseline = agreed(did(1, 1, 0))
    assert vanished(baseline, [], []) == []
    assert vanished(baseline, ["tests/test_api.py::test_b"], ["tests/test_api.py"]) == [TEST]
    assert vanished(baseline, [TEST], ["tests/test_api.py"]) == []


def test_a_renamed_test_is_known_by_its_figures() -> None:
    new = {"tests/test_api.py::test_all": did(2, 7, 5)}
    assert renamed(agreed(did(2, 7, 5)), [TEST], new) == {TEST: "tests/test_api.py::test_all"}
    assert renamed(agreed(did(2, 6, 4)), [TEST], new) == {}


def test_a_test_of_a_renamed_file_is_known_by_its_name() -> None:
    """And its figures are not given to another one, though they are all alike."""
    old = update(
        agreed(did(1, 1, 0)), {"a.py::test_a": [did(1, 1, 0)], "a.py::test_b": [did(5, 5, 0)]}
    ).baseline
    new = {"b.py::test_a": did(5, 5, 0), "b.py::test_b": did(5, 5, 0), "c.py::test": did(1, 1, 0)}
    assert renamed(old, [TEST, "a.py::test_a", "a.py::test_b"], new) == {
        "a.py::test_a": "b.py::test_a",
        "a.py::test_b": "b.py::test_b",
        TEST: "c.py::test",
    }


def test_a_name_is_not_guessed_among_several() -> None:
    new = {"tests/test_api.py::test_a": did(1, 1, 0), "tests/test_api.py::test_b": did(1, 1, 0)}
    assert renamed(agreed(did(1, 1, 0)), [TEST], new) == {}


# The file


def test_the_file_is_sorted_and_has_a_line_for_each_entry() -> None:
    baseline = update(
        Baseline(),
        {
            "b.py::test[z]": [did(1, 2, 1)],
            "a.py::test": [
                {**did(2, 2, 0, "http://z.example"), **did(1, 1, 0, "http://a.example")}
            ],
        },
    ).baseline
    assert render_baseline(baseline) == (
        "{\n"
        '  "schema_version": 1,\n'
        '  "tests": {\n'
        '    "a.py::test": {\n'
        '      "http://a.example": {"connections": 1, "exchanges": 1, "reused": 0},\n'
        '      "http://z.example": {"connections": 2, "exchanges": 2, "reused": 0}\n'
        "    },\n"
        '    "b.py::test[z]": {"http://127.0.0.1:*": '
        '{"connections": 1, "exchanges": 2, "reused": 1}}\n'
        "  }\n"
        "}\n"
    )


def test_each_entry_is_quoted_with_its_line() -> None:
    both = {**did(1, 1, 0, "http://a.example"), **did(1, 1, 0, "http://b.example")}
    tests = {"a.py::test": [both], "b.py::test": [did(1, 1, 0)]}
    baseline = parse_baseline(render_baseline(update(Baseline(), tests).baseline), "b.json")
    lines = render_baseline(baseline).splitlines()
    for test, origin in (("a.py::test", "http://b.example"), ("b.py::test", ORIGIN)):
        number, quoted = baseline.quoted(test, origin).split(": ", 1)
        assert quoted in lines[int(number.removeprefix("b.json:")) - 1]
    assert baseline.quoted("a.py::test", "http://c.example") == 'b.json:4: "a.py::test"'


def test_both_sides_of_a_conflict_can_be_kept() -> None:
    def with_test(name: str) -> list[str]:
        tests = {test: [did(1, 1, 0)] for test in ("a.py::test", name, "z.py::test")}
        return render_baseline(update(Baseline(), tests).baseline).splitlines()

    ours, theirs = with_test("m.py::test_ours"), with_test("m.py::test_theirs")
    (added,) = (line for line in theirs if line not in ours)
    both = [*ours[: theirs.index(added)], added, *ours[theirs.index(added) :]]
    assert len(parse_baseline("\n".join(both), "b.json").tests) == 4


def test_an_empty_baseline_is_a_file_too() -> None:
    text = render_baseline(Baseline())
    assert json.loads(text) == {"schema_version": 1, "tests": {}}
    assert parse_baseline(text, "x").tests == {}


figures = st.integers(0, 50).flatmap(
    lambda made: st.builds(Figures, st.integers(1, 9), st.just(made), st.integers(0, made))
)
runs = st.dictionaries(st.text(max_size=20), figures, min_size=1, max_size=3)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20), st.lists(runs, min_size=1, max_size=3), max_size=4
    )
)
def test_what_is_written_is_read_again(seen: dict[str, list[dict[str, Figures]]]) -> None:
    baseline = update(Baseline(), seen).baseline
    text = render_baseline(baseline)
    assert json.loads(text)["schema_version"] == 1
    assert parse_baseline(text, "").tests == baseline.tests


@given(st.lists(runs, min_size=1, max_size=4))
def test_no_run_is_worse_than_a_baseline_that_has_widened_to_it(
    seen: list[dict[str, Figures]],
) -> None:
    baseline = update(Baseline(), {TEST: seen}).baseline
    assert all(regressions(baseline, TEST, run) == () for run in seen)


def test_a_file_that_was_formatted_otherwise_is_read_and_quoted_without_its_lines() -> None:
    text = json.dumps(json.loads(render_baseline(agreed(did(1, 1, 0)))))
    said = sentence(parse_baseline(text, "b.json"), did(2, 2, 0))
    assert '(b.json: "http://127.0.0.1:*": {' in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1 is not JSON"),
        ('{"schema_version": 1,\n', "line 2 is not JSON"),
        ("[]", "no baseline"),
        ('{"schema_version": 1}', "no baseline"),
        ('{"tests": {}}', "schema_version is None"),
        ('{"schema_version": 2, "tests": {}}', "a newer one wrote it"),
        ('{"schema_version": 1, "tests": {"t": 1}}', "the entry of t is no object"),
        ('{"schema_version": 1, "tests": {"t": {"o": {}}}}', "entry of t, o has not all of"),
        (
            '{"schema_version": 1, "tests": {"t": {"o": '
            '{"connections": -1, "exchanges": 1, "reused": 0}}}}',
            "t, o, connections is neither a number nor a range: -1",
        ),
        (
            '{"schema_version": 1, "tests": {"t": {"o": '
            '{"connections": 1, "exchanges": [3, 1], "reused": 0}}}}',
            "t, o, exchanges is neither",
        ),
        ('{\n<<<<<<< HEAD\n"a": 1\n=======\n', "line 2 is a conflict marker"),
    ],
)
def test_what_is_no_baseline_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_baseline(text, "b.json")
