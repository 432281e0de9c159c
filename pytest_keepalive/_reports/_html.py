"""The HTML report: one page that holds everything, and asks nothing of the network.

Rules
1. Data stands in script elements of a type that is not run, as ASCII without ``<``: nothing in
   it can end the element (HTML, section 4.12.1.3), and the page only ever sets it as text.
2. The connections of a test are unpacked when the test is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files

from pytest_keepalive._reports._json import dumps, run_head, test_head
from pytest_keepalive._summary import RunSummary

_PAGE = "page.html"


def html_report(summary: RunSummary, details: Mapping[str, str], version: str) -> Iterator[str]:
    """Write the page, in parts.

    Args:
        summary: Of the run.
        details: What ``pack`` gave for each test, by node id.
        version: Of this package.
    """
    page = files("pytest_keepalive._reports").joinpath(_PAGE).read_text("utf-8")
    before, _, rest = page.partition("@RUN@")
    between, _, after = rest.partition("@DETAILS@")
    yield before
    yield from _run(summary, details, version)
    yield between
    separator = ""
    for node in summary.tests:
        if node in details:
            yield separator
            yield details[node]
            separator = "\n"
    yield after


def _run(summary: RunSummary, details: Mapping[str, str], version: str) -> Iterator[str]:
    yield f'{dumps(run_head(summary, version))[:-1]},"tests":['
    separator, line = "", 0
    for node, each in summary.tests.items():
        head = test_head(node, each)
        head["line"] = line if node in details else -1
        line += node in details
        yield separator + dumps(head)
        separator = ",\n"
    yield "]}"
