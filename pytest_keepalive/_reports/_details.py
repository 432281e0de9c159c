"""What was seen of one test, as the JSON text that ``keepalive.schema.json`` describes.

Rules
1. Times are seconds since the test's window began, to the microsecond.
2. The text is written field by field, not by way of dictionaries: a run with reports writes down
   every exchange, and this is most of what the reports of a run cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_keepalive._reports._json import dumps

if TYPE_CHECKING:
    from pytest_keepalive._connection import Connection, Exchange
    from pytest_keepalive._diagnosis import Finding
    from pytest_keepalive._events import Attempted
    from pytest_keepalive._origin import Address
    from pytest_keepalive._recording import Recording

# The exchanges of a test say the same again: methods, URLs, the user's lines.
_text = lru_cache(maxsize=1024)(dumps)


def details_of(recording: Recording, findings: Iterable[Finding]) -> str:
    """Write down what a recording shows.

    Args:
        recording: Of one test.
        findings: Of the same test.
    """
    start = recording.started_at
    return (
        f'{{"seconds":{_since(start, recording.ended_at)},'
        f'"connections":{_list(_connection(each, start) for each in recording.connections)},'
        f'"findings":{_list(map(_finding, findings))},'
        f'"blind_spots":{_list(dumps(str(spot)) for spot in recording.blind_spots)},'
        f'"doubts":{_list(map(dumps, recording.doubts))},'
        f'"notes":{_list(map(dumps, recording.notes))},'
        f'"left_out":{recording.left_out},'
        f'"failed_attempts":{_list(_attempt(each, start) for each in _failed_attempts(recording))},'
        f'"unplaced":{_list(_exchange(each.exchange, start) for each in recording.unplaced)}}}'
    )


def _failed_attempts(recording: Recording) -> Iterator[Attempted]:
    from pytest_keepalive._events import FAILED

    return (each for each in recording.attempts if each.outcome is FAILED)


def _connection(connection: Connection, start: float) -> str:
    exchanges = _list(_exchange(each, start) for each in connection.exchanges)
    return (
        f'{{"index":{connection.index},"origin":{_text(connection.origin)},'
        f'"local":{_address(connection.local)},"peer":{_address(connection.peer)},'
        f'"client":{_text(connection.client)},"call_site":{_text(connection.call_site)},'
        f'"state":{_text(connection.state)},"opened_here":{_truth(connection.opened_here)},'
        f'"exchanges_seen":{_truth(connection.exchanges_seen)},'
        f'"opened_at":{_since(start, connection.opened_at)},'
        f'"closed_at":{_since(start, connection.closed_at)},'
        f'"closed_by":{_text(connection.closed_by)},'
        f'"close_reason":{_text(connection.close_reason)},'
        f'"connect_seconds":{_seconds(connection.connect_seconds)},'
        f'"handshake_seconds":{_seconds(connection.handshake_seconds)},'
        f'"observer":{_text(connection.observer)},"exchanges":{exchanges}}}'
    )


def _exchange(exchange: Exchange, start: float) -> str:
    status = exchange.status
    return (
        f'{{"index":{exchange.index},"method":{_text(exchange.method)},'
        f'"url":{_text(exchange.url)},"status":{"null" if status is None else status},'
        f'"http_version":{_text(exchange.http_version)},"reused":{_truth(exchange.reused)},'
        f'"idle_before":{_seconds(exchange.idle_before)},'
        f'"call_site":{_text(exchange.call_site)},'
        f'"started_at":{_since(start, exchange.started_at)},'
        f'"head_at":{_since(start, exchange.head_at)},'
        f'"ended_at":{_since(start, exchange.ended_at)},'
        f'"ending":{_text(exchange.ending)},"error":{_text(exchange.error)}}}'
    )


def _attempt(attempt: Attempted, start: float) -> str:
    return (
        f'{{"peer":{_address(attempt.peer)},"asked_for":{_text(attempt.asked_for)},'
        f'"error":{_text(attempt.error)},"started_at":{_since(start, attempt.started_at)},'
        f'"ended_at":{_since(start, attempt.ended_at)},"call_site":{_text(attempt.call_site)}}}'
    )


def _finding(finding: Finding) -> str:
    return dumps(
        {
            "cause": finding.cause,
            "connection": finding.connection.index,
            "predecessor": finding.predecessor and finding.predecessor.index,
            "story": finding.story,
            "call_site": finding.call_site,
            "evidence": list(finding.evidence),
            "remedy": finding.remedy,
            "legitimate": finding.legitimate,
        }
    )


def _list(texts: Iterable[str]) -> str:
    return f"[{','.join(texts)}]"


def _address(address: Address | None) -> str:
    return "null" if address is None else f"[{_text(address[0])},{address[1]}]"


def _since(start: float, time: float | None) -> str:
    return "null" if time is None else f"{time - start:.6f}"


def _seconds(seconds: float | None) -> str:
    return "null" if seconds is None else f"{seconds:.6f}"


def _truth(value: bool) -> str:
    return "true" if value else "false"
