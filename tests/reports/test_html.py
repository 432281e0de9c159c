from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from pytest_keepalive._reports._html import html_report
from pytest_keepalive._reports._json import unpack

from .runs import EVIL, HOSTILE, SILENT, THRIFTY, WASTEFUL, small_run


class Page(HTMLParser):
    """The elements of a page, and the text of those that have an id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._within] = self.texts.get(self._within, "") + data


def page() -> Page:
    run = small_run()
    return Page("".join(html_report(run.summary, run.details, "1.0")))


def test_the_page_holds_the_run_and_the_details_of_each_test() -> None:
    texts = page().texts
    run = json.loads(texts["run"])
    assert [test["node"] for test in run["tests"]] == [WASTEFUL, THRIFTY, HOSTILE, SILENT]
    assert [test["line"] for test in run["tests"]] == [0, 1, 2, -1]
    details = [json.loads(unpack(line)) for line in texts["details"].split("\n")]
    assert [len(each["connections"]) for each in details] == [4, 1, 1]


def test_hostile_text_ends_no_element() -> None:
    run = small_run()
    text = "".join(html_report(run.summary, run.details, "1.0"))
    assert "alert(1)</script>" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert [tag for tag, _ in page().elements].count("script") == 3
    assert json.loads(page().texts["run"])["tests"][2]["node"] == HOSTILE
    assert EVIL in HOSTILE


def test_the_page_asks_nothing_of_the_network() -> None:
    run = small_run()
    text = "".join(html_report(run.summary, run.details, "1.0"))
    elements = page().elements
    policy = next(
        attributes["content"]
        for tag, attributes in elements
        if tag == "meta" and "http-equiv" in attributes
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert not [tag for tag, attributes in elements if "src" in attributes]
    assert [each["href"] for tag, each in elements if "href" in each] == ["data:,"]
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|innerHTML", text)
