from __future__ import annotations

from pytest_keepalive import Cause
from tests.diagnosis.table import (
    COLUMNS,
    NEVER,
    PROVED,
    README,
    UNKNOWN,
    contradictions,
    rows,
    table,
    with_table,
)

# These are said of a whole recording, of other connections, or of clients that speak no HTTP.
OF_NO_CLIENT = {
    Cause.OTHER_ORIGIN,
    Cause.FAILED_ATTEMPT,
    Cause.ROTATED,
    Cause.CHANNEL_PER_CALL,
    Cause.NOTHING_MEASURED,
    Cause.SERVER_CANNOT_KEEP_ALIVE,
    Cause.UNSEEN_CONNECTION,
    Cause.LOOP_SELF_PIPE,
    Cause.ACCEPTED_SOCKET,
    Cause.OPENED_EARLIER,
    Cause.UNKNOWN,
}


def test_the_readme_shows_the_table_of_the_scenarios() -> None:
    readme = README.read_text("utf-8")
    assert table() in readme
    # python -m tests.diagnosis.table
    assert with_table(readme) == readme


def test_each_cause_of_a_client_or_a_server_has_a_row_and_somebody_proves_it() -> None:
    found = dict(rows())
    assert set(found) == set(Cause) - OF_NO_CLIENT
    assert all(PROVED in cells for cells in found.values())


def test_each_row_has_a_cell_for_each_client() -> None:
    for _, cells in rows():
        assert len(cells) == len(COLUMNS)
        assert set(cells) <= {PROVED, NEVER, UNKNOWN}


def test_nothing_is_both_impossible_and_proved() -> None:
    assert contradictions() == []
