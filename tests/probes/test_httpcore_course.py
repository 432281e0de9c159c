"""What is kept of the heads of httpcore."""

from __future__ import annotations

from pytest_keepalive._probes._httpcore_course import LastHead

FIELDS = [(b"Host", b"api"), (b"Accept", b"*/*")]


def test_a_head_that_is_as_the_one_before_is_not_kept_again() -> None:
    last = LastHead()
    kept = last.keep((b"GET", b"/items", list(FIELDS)))
    assert kept == (b"GET", b"/items", (b"Host", b"api", b"Accept", b"*/*"))
    assert last.keep((b"GET", b"/items", list(FIELDS))) is kept


def test_a_head_that_differs_anywhere_is() -> None:
    last = LastHead()
    kept = last.keep((b"GET", b"/items", FIELDS))
    for other in (
        (b"PUT", b"/items", FIELDS),
        (b"GET", b"/others", FIELDS),
        (b"GET", b"/items", FIELDS[:1]),
        (b"GET", b"/items", [*FIELDS[:1], (b"Accept", b"text/html")]),
    ):
        assert last.keep(other) != kept
        assert last.keep((b"GET", b"/items", FIELDS)) == kept


def test_a_list_that_is_changed_afterwards_changes_nothing() -> None:
    last, fields = LastHead(), list(FIELDS)
    kept = last.keep((b"GET", b"/items", fields))
    fields.append((b"Connection", b"close"))
    assert kept[-1] == (b"Host", b"api", b"Accept", b"*/*")
    assert last.keep((b"GET", b"/items", fields))[-1][-1] == b"close"
