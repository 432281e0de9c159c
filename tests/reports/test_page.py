"""The HTML report in a real browser: it loads, filters and shows what was seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Tally
from pytest_keepalive._events import Outcome
from pytest_keepalive._limits import Limit
from pytest_keepalive._report_file import replace_file
from pytest_keepalive._reports._html import html_report
from pytest_keepalive._summary import RunSummary

from ..diagnosis.story import Story
from ..diagnosis.test_in_use import long_one
from ..facts import attempted, connection, exchange, opened, recording
from .runs import HOSTILE, THRIFTY, WASTEFUL, large_run, small_run

webdriver = pytest.importorskip("selenium.webdriver")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="there is no Chromium here")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MANY = 10_000
# What turns text around, what takes no room, and what is beyond sixteen bits.
UNSEEN = "\u202e\u061c\u00ad\U000e0041\udcff"


class Tab:
    """A tab that shows a report.

    Args:
        driver: Of the browser.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def ask(self, expression: str) -> Any:
        return self.driver.execute_script(f"return {expression}")

    def text(self, element: str) -> str:
        return str(self.ask(f"document.getElementById('{element}')?.innerText ?? ''"))

    def until(self, expression: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 10).until(lambda _: self.ask(expression), expression)

    def choose(self, **filters: object) -> None:
        for name, value in {"test": "", "origin": "", "cause": "", **filters}.items():
            self.driver.execute_script(
                "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
                "field.dispatchEvent(new Event('input', {bubbles: true}))",
                f"by-{name}",
                value,
            )

    def shows(self, node: str) -> None:
        self.until(f"document.querySelector('#one h2')?.textContent.startsWith('{node}')")

    def press(self, element: str, key: str) -> None:
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.ID, element).send_keys(key)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = small_run()
    run.add("test_crowd", opened(MANY))
    run.add("test_refused", recording(attempts=Tally([attempted(outcome=Outcome.FAILED)] * 3)))
    story, mixed = Story(), Story()
    for number in range(2):
        long_one(story.open(number / 10), number / 10, 9.0, worker=number)
        long_one(mixed.open(number / 10), number / 10, 9.0, worker=number)
    long_one(mixed.open(20.0), 20.0, 21.0)
    run.add("test_mixed", mixed.recording)
    long = [exchange(url=f"http://127.0.0.1:8080/{'long' * 1000}", error="long " * 1000)]
    lines = [connection(at, long, call_site=CallSite("a.py", at + 1, "f")) for at in range(102)]
    run.add(f"test_long[{'long' * 1000}{UNSEEN}]", recording(*lines), Limit(exactly=1))
    run.add("test_at_once", story.recording, Limit(exactly=1))
    expected = replace(run.summary.tests["test_at_once"], outcome="xfailed")
    run.summary.add("test_at_once", expected)
    path = tmp_path_factory.mktemp("report") / "report.html"
    replace_file(path, html_report(run.summary, run.details, "1.0"))
    return path


@pytest.fixture
def tab(driver: Any, report: Path) -> Iterator[Tab]:
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.get(report.as_uri())
    yield Tab(driver)
    assert [entry["message"] for entry in driver.get_log("browser")] == []


def test_it_shows_the_totals_and_the_first_test(tab: Tab) -> None:
    assert tab.text("shown") == "9 tests"
    assert "connections\n10,113\nexchanges\n10,126\nreused\n13 (0 %)" in tab.text("total")
    # What is expected to break its limit is no news.
    assert "tests with broken limits\n2" in tab.text("total")
    tab.shows(WASTEFUL)
    assert "opened 4 connections" in tab.text("one")
    assert tab.ask("document.querySelectorAll('#lanes .row').length") == 4
    assert tab.text("lane-count") == "4 connections"


def test_it_filters_by_test_origin_and_cause(tab: Tab) -> None:
    tab.choose(test="thrifty")
    assert tab.text("shown") == "1 of 9 tests"
    tab.shows(THRIFTY)
    tab.choose(origin="https://api.example.com")
    assert tab.text("shown") == "1 of 9 tests"
    tab.choose(cause="channel-per-call")
    tab.shows(WASTEFUL)
    tab.until("document.getElementById('lane-count')?.textContent.startsWith('3 of 4 ')")
    assert "channel-per-call × 3" in tab.text("one")
    tab.choose(test="there is no such test")
    assert tab.text("one") == "No test fits the filters."


def test_the_findings_are_those_of_the_connections_that_fit(tab: Tab) -> None:
    tab.choose(test="mixed")
    tab.shows("test_mixed")
    assert "concurrent-requests × 1" in tab.text("one")
    assert "unknown × 1" in tab.text("one")
    tab.choose(test="mixed", cause="concurrent-requests")
    tab.until("document.getElementById('lane-count')?.textContent.startsWith('1 of 3 ')")
    assert "concurrent-requests × 1" in tab.text("one")
    assert "unknown" not in tab.text("one")


def test_a_test_that_is_unpacked_too_late_is_not_shown(tab: Tab) -> None:
    tab.shows(WASTEFUL)
    shown = tab.driver.execute_async_script(
        """
        const done = arguments[0], late = choose(run.tests[1]);
        byId("by-test").value = "there is no such test";
        filter();
        late.then(() => done(byId("one").innerText));
        """
    )
    assert shown == "No test fits the filters."


def test_it_filters_by_a_cause_that_is_no_waste(tab: Tab) -> None:
    tab.choose(cause="concurrent-requests", test="at_once")
    assert tab.text("shown") == "1 of 9 tests"
    tab.shows("test_at_once")
    assert "xfailed" in tab.text("tests")


def test_a_test_without_connections_tells_of_its_attempts(tab: Tab) -> None:
    tab.choose(test="refused")
    tab.shows("test_refused")
    assert "3 attempts to 127.0.0.1:8080 failed" in tab.text("one")
    assert "It used no connection." in tab.text("one")
    assert tab.ask("document.getElementById('axis')") is None


def test_a_run_without_tests_is_a_page(driver: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    replace_file(path, html_report(RunSummary(), {}, "1.0"))
    driver.get(path.as_uri())
    assert Tab(driver).text("one") == "No test was measured."


def test_a_run_of_a_hundred_thousand_connections_opens_in_two_seconds(
    driver: Any, tmp_path: Path
) -> None:
    large = large_run()
    path = tmp_path / "report.html"
    replace_file(path, html_report(large.summary, large.details, "1.0"))
    driver.get(path.as_uri())
    tab = Tab(driver)
    tab.until("document.querySelector('#lanes .row')")
    assert "connections\n100,000" in tab.text("total")
    assert tab.ask("performance.getEntriesByType('paint')[0].startTime") < 2000
    assert tab.ask("performance.getEntriesByType('navigation')[0].loadEventEnd") < 2000


def test_it_is_used_by_keyboard(tab: Tab) -> None:
    tab.shows(WASTEFUL)
    tab.press("tests", "\ue015")
    tab.shows(THRIFTY)
    assert "10 exchanges" in tab.text("lane")
    assert tab.ask("document.querySelectorAll('#lane tbody tr').length") == 10


def test_a_field_that_is_left_keeps_the_place(tab: Tab) -> None:
    tab.shows(WASTEFUL)
    tab.press("tests", "\ue015")
    tab.shows(THRIFTY)
    tab.driver.execute_script(
        "document.getElementById('by-test').dispatchEvent(new Event('change', {bubbles: true}))"
    )
    assert tab.ask("tests.at") == 1


def test_ten_thousand_connections_stay_usable(tab: Tab) -> None:
    tab.choose(test="crowd")
    tab.shows("test_crowd")
    tab.until(f"document.getElementById('lane-count').textContent === '{MANY:,} connections'")
    assert tab.ask("document.querySelectorAll('#lanes .row').length") < 100
    tab.press("lanes", "\ue010")
    assert f"Connection #{MANY - 1}" in tab.text("lane")
    assert tab.ask("document.querySelectorAll('#lanes .first').length") > 0
    # The last fifteen take fifteen seconds, of nearly three hours.
    widest = "Math.max(...[...document.querySelectorAll('#lanes .first')].map(e => e.offsetWidth))"
    assert tab.ask(widest) > 5
    stretched = tab.text("ticks").split("\n")
    assert len(set(stretched)) == len(stretched)
    tab.driver.execute_script("document.getElementById('zoom').click()")
    assert tab.text("ticks").split("\n")[0] == "0 ms"
    assert tab.ask(widest) <= 2


def test_moments_that_are_close_are_told_apart(tab: Tab) -> None:
    assert tab.ask("[0, 1, 2].map(n => tick(5.4 + n * .004, .004))") == [
        "5.4000 s",
        "5.4040 s",
        "5.4080 s",
    ]
    assert tab.ask("[tick(0, 2500), tick(.0012, .0004), tick(7500, 2500)]") == [
        "0 ms",
        "1.20 ms",
        "7500 s",
    ]


def test_hostile_text_is_only_text(tab: Tab) -> None:
    tab.choose(test="hostile")
    tab.shows("test_hostile")
    assert "<img src=x" in tab.text("one")
    assert tab.ask("document.images.length") == 0
    assert "\\x1b[31m" in tab.text("one")
    assert HOSTILE.startswith("test_hostile")


def test_text_that_cannot_be_seen_is_shown_by_its_number(tab: Tab) -> None:
    tab.choose(test="test_long")
    tab.shows("test_long")
    escaped = "long\\u202e\\u061c\\xad\\U000e0041\\udcff]"
    assert escaped in tab.text("one")
    assert escaped in tab.text("tests")


def test_what_is_long_leaves_the_rest_in_reach(tab: Tab) -> None:
    tab.choose(test="test_long")
    tab.shows("test_long")
    tab.until("document.getElementById('lane').innerText.includes('longlong')")
    heights = (
        "[...document.querySelectorAll('#one h2, #one li, #lane td')].map(e => e.offsetHeight)"
    )
    assert max(tab.ask(heights)) < 200
    assert "The first 100 of 101 kinds are shown." in tab.text("one")


def test_what_became_of_a_test_is_in_sight_in_a_narrow_window(tab: Tab) -> None:
    sizes = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    tab.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
    tab.choose(test="test_long")
    right = "document.querySelector('.test .bad').getBoundingClientRect().right"
    assert 0 < tab.ask(right) < 200


def test_the_exchanges_of_a_connection_fit_into_a_narrow_window(tab: Tab) -> None:
    sizes = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    tab.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
    tab.choose(test="thrifty")
    tab.shows(THRIFTY)
    tab.until("document.querySelector('#lane tbody tr')")
    assert tab.ask("document.querySelector('#lane td.url').innerText") == "GET /"
    assert tab.ask("document.querySelector('#lane td.url div').title") == "https://api.example.com/"
    room = "document.querySelector('#lane .scroll')"
    assert tab.ask(f"{room}.scrollWidth <= {room}.clientWidth")


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(tab: Tab, width: int) -> None:
    sizes = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    tab.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
    tab.choose(test="hostile")
    tab.shows("test_hostile")
    assert tab.ask("document.documentElement.scrollWidth") <= width
