"""The examples: each story ends as it must, and it is the plugin that ends it so."""

from __future__ import annotations

import pytest

from examples._story import Outcome, Story, same_each_time, stories

STORIES = stories()
DEFECTS = [story for story in STORIES if story.tells_of_a_defect]


def named(story: Story) -> str:
    return story.name


@pytest.mark.parametrize("story", STORIES, ids=named)
def test_a_story_ends_as_it_must(story: Story) -> None:
    outcome = story.run()
    assert story.complaint(outcome) is None, outcome.text


@pytest.mark.parametrize("story", DEFECTS, ids=named)
def test_without_the_plugin_nobody_notices_the_defect(story: Story) -> None:
    outcome = story.run("--keepalive-off")
    assert outcome.code == 0, outcome.text


def test_there_are_stories_of_defects() -> None:
    assert [story.name for story in DEFECTS] == ["client_per_call", "werkzeug_server"]


@pytest.mark.parametrize("story", STORIES, ids=named)
def test_a_story_says_at_its_top_what_it_tells(story: Story) -> None:
    assert len(story.title) > 20
    assert story.title[-1] in ".:;?"


@pytest.mark.parametrize("story", DEFECTS, ids=named)
def test_a_defect_that_passes_is_noticed(story: Story) -> None:
    assert story.kept is not None
    passed = Outcome(0, story.kept.read_text("utf-8"))
    assert story.complaint(passed) == "ended with exit code 0, not 1"
    partly = Outcome(1, "=== 1 failed, 1 passed in 0.12s ===\n")
    assert "did not fail" in str(story.complaint(partly))


@pytest.mark.parametrize("story", DEFECTS, ids=named)
def test_another_report_is_noticed(story: Story) -> None:
    assert story.kept is not None
    kept = story.kept.read_text("utf-8")
    assert story.complaint(Outcome(1, kept)) is None
    other = kept.replace("connections", "conversations")
    assert "differs from" in str(story.complaint(Outcome(1, other)))


def test_ports_times_and_versions_are_written_as_if_they_never_differed() -> None:
    text = "127.0.0.1:51234 in 31 ms by Werkzeug/3.0 Python/3.10.13\n== 1 failed in 12.75s =="
    assert same_each_time(text) == (
        "127.0.0.1:40123 in 1.2 ms by Werkzeug/3.1.3 Python/3.13.0\n== 1 failed in 0.12s ==\n"
    )
