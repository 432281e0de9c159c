"""The table of results for the README: which cause is proved for which client.

``python -m tests.diagnosis.table`` writes it into the README. A cell is read off the scenarios:
what has one is proved, since the tests play it. Where none is, either the client cannot get into
it, as is said here, or the finding is ``unknown``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pytest_keepalive import Cause
from tests.diagnosis.scenarios import SCENARIOS
from tests.diagnosis.stage import FORKED

README = Path(__file__).parents[2] / "README.md"
PROVED, NEVER, UNKNOWN = "✓", "–", "?"
# The columns, and the drivers that are one client.
COLUMNS = {
    "requests": ("requests",),
    "urllib3": ("urllib3",),
    "http.client": ("http.client",),
    "urllib": ("urllib.request",),
    "httpx": ("httpx", "httpx-asyncio"),
    "httpx2": ("httpx2", "httpx2-asyncio"),
    "aiohttp": ("aiohttp",),
    "niquests": ("niquests", "niquests-asyncio"),
    "botocore": ("botocore",),
}
_SHOWN = re.compile(r"(<!-- causes by client -->\n).*?(\n\n)", re.DOTALL)
# Clients that lack what it takes.
_NO_LOOP = ("requests", "urllib3", "http.client", "urllib", "botocore")
_NO_HTTP_2 = ("requests", "urllib3", "http.client", "urllib", "aiohttp", "botocore")
_CANNOT: dict[Cause, tuple[str, ...]] = {
    # One client for threads is none for event loops, and the other way round.
    Cause.CLIENT_PER_THREAD: ("aiohttp",),
    Cause.CLIENT_PER_EVENT_LOOP: _NO_LOOP,
    # A forked child has no use for its parent's event loop.
    Cause.FORKED_AFTER_USE: ("aiohttp",),
    Cause.CLIENT_NEVER_KEEPS_ALIVE: tuple(set(COLUMNS) - {"urllib"}),
    # Its connection has one host, follows no redirect, and has no pool.
    Cause.HOST_ALIAS: ("http.client",),
    Cause.REDIRECTED_ELSEWHERE: ("http.client",),
    Cause.CONCURRENT_REQUESTS: ("http.client",),
    Cause.RESPONSE_NOT_RELEASED: ("http.client",),
    # The settings are the client's own, and are not given with a request.
    Cause.TLS_SETTINGS_DIFFER: ("http.client", "httpx", "httpx2", "botocore"),
    Cause.PROXY_DIFFERS: ("urllib3", "http.client", "httpx", "httpx2", "botocore"),
    # There is no pool for each host, no such limit, or no such timer.
    Cause.POOL_EVICTED: ("http.client", "httpx", "httpx2", "aiohttp"),
    Cause.POOL_FULL: ("http.client", "httpx", "httpx2", "aiohttp"),
    Cause.KEEPALIVE_LIMIT: (
        "requests",
        "urllib3",
        "http.client",
        "aiohttp",
        "niquests",
        "botocore",
    ),
    Cause.CLIENT_IDLE_EXPIRY: ("requests", "urllib3", "http.client", "botocore"),
    # A request that comes before HTTP/2 was agreed on waits for the first connection.
    Cause.STARTED_TOGETHER: (*_NO_HTTP_2, "httpx", "httpx2"),
    Cause.GOAWAY: _NO_HTTP_2,
    # The request is sent whole before anybody looks for the response.
    Cause.UPLOAD_NOT_FINISHED: (
        "requests",
        "urllib3",
        "http.client",
        "httpx",
        "httpx2",
        "botocore",
    ),
    # What is closed cannot be used again.
    Cause.CLIENT_CLOSED: ("httpx", "httpx2", "aiohttp"),
}
_KEEPS_NOTHING = "urllib"


def rows() -> Iterator[tuple[Cause, list[str]]]:
    """Give each cause of a client's or a server's doing, with its cell for each column."""
    proved = _proved()
    for cause in Cause:
        if cause in proved:
            yield cause, [_cell(cause, column, proved[cause]) for column in COLUMNS]


def _proved() -> dict[Cause, set[str]]:
    found: dict[Cause, set[str]] = {Cause.FORKED_AFTER_USE: set(FORKED)}
    for scenario in SCENARIOS:
        found.setdefault(scenario.cause, set()).update(scenario.clients)
    return found


def _cell(cause: Cause, column: str, proved: set[str]) -> str:
    if proved & set(COLUMNS[column]):
        return PROVED
    return NEVER if column == _KEEPS_NOTHING or column in _CANNOT.get(cause, ()) else UNKNOWN


def contradictions() -> list[tuple[Cause, str]]:
    """Give what is said to be impossible and is proved."""
    proved = _proved()
    return [
        (cause, column)
        for cause, columns in _CANNOT.items()
        for column in columns
        if proved.get(cause, set()) & set(COLUMNS[column])
    ]


def table() -> str:
    """Write the table."""
    lines = [("cause", *COLUMNS), ("---", *[":-:"] * len(COLUMNS))]
    lines += [(f"`{cause}`", *cells) for cause, cells in rows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_table(readme: str) -> str:
    """Give the text of the README with the table as it is now."""
    return _SHOWN.sub(lambda match: match[1] + table() + match[2], readme)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
