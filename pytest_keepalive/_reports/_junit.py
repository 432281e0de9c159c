"""The figures of a test as JUnit properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_keepalive._amount import count_of
from pytest_keepalive._reports._prose import printable
from pytest_keepalive._summary import TestSummary

PREFIX = "keepalive."


def properties_of(summary: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Give names and values.

    Args:
        summary: Of a test, as plain data.
    """
    test = TestSummary.from_dict(summary)
    if not test.origins and not test.broken:
        return []
    figures = {**test.total._asdict(), "avoidable": test.avoidable}
    named: list[tuple[str, object]] = [(PREFIX + name, value) for name, value in figures.items()]
    for origin, each in sorted(test.origins.items()):
        carried = f"{count_of(each.exchanges, 'exchange')}, {each.reused} reused"
        said = f"{count_of(each.connections, 'connection')}, {carried}"
        named.append((f"{PREFIX}origin", printable(f"{origin}: {said}")))
    named += [(f"{PREFIX}violation", printable(each.sentence)) for each in test.broken]
    return named
