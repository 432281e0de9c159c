"""The markers of a test, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_keepalive._limits import Limit

COUNTER = "connection_counter"
SINGLE, MANY = "single_connection", "connections"
DOCUMENTATION = {
    f"{SINGLE}(requests=None, to=None)": "fail unless the test uses exactly one TCP connection",
    f"{MANY}(exactly=None, at_most=None, opened_at_most=None, requests=None, min_reuse=None, "
    "left_open_at_most=None, per_origin=False, used_only=False, to=None)": "fail unless the TCP "
    "connections of the test keep this limit",
}
# What only one of the two markers takes: the other says it by its name.
_IMPLIED = {"exactly": 1}


def has_markers(item: pytest.Item) -> bool:
    """Tell whether a test has a marker of ours; asked of every test, so a loop without calls."""
    node: Any = item
    while node is not None:
        for marker in node.own_markers:
            if marker.name in (SINGLE, MANY):
                return True
        node = node.parent
    return False


def wants_counter(item: pytest.Item) -> bool:
    """Tell whether a test uses the fixture."""
    return COUNTER in getattr(item, "fixturenames", ())


def check_markers(items: Iterable[pytest.Item]) -> None:
    """Check the markers of collected tests.

    Raises:
        pytest.UsageError: Some are wrong; the text names each test and argument.
    """
    wrong = [line for item in items if has_markers(item) for line in _wrong_markers(item)]
    if wrong:
        raise pytest.UsageError("\n".join(dict.fromkeys(wrong)))


def limits_of(item: pytest.Item) -> tuple[Limit, ...]:
    """Put the markers of a test together, the closest winning key by key.

    A marker that was added while the test ran may be wrong: then the test fails, saying so.
    """
    if not has_markers(item):
        return ()
    from pytest_keepalive._limits import merge

    try:
        return merge([_keywords_of(marker) for marker in _markers_of(item)])
    except ValueError:
        wrong = "\n".join(_wrong_markers(item))
    pytest.fail(wrong, pytrace=False)


def _markers_of(item: pytest.Item) -> Iterator[pytest.Mark]:
    return (marker for marker in item.iter_markers() if marker.name in (SINGLE, MANY))


def _wrong_markers(item: pytest.Item) -> Iterator[str]:
    for marker in _markers_of(item):
        from pytest_keepalive._limits import limit_from

        try:
            limit_from(_keywords_of(marker))
        except ValueError as error:
            yield f"{item.nodeid}: @pytest.mark.{marker.name}: {error}"


def _keywords_of(marker: pytest.Mark) -> Mapping[str, object]:
    if marker.args:
        shown = ", ".join(map(repr, marker.args))
        raise ValueError(f"all arguments are keywords, but {shown} came without one")
    if marker.name == SINGLE:
        implied = [name for name in _IMPLIED if name in marker.kwargs]
        if implied:
            raise ValueError(f"{implied[0]} is what the marker says itself; use {MANY}(...)")
        return {**marker.kwargs, **_IMPLIED}
    return marker.kwargs
