"""Correct code gives no finding, with any client, at any server that keeps connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_keepalive._measure import measure
from pytest_keepalive._view import View
from tests.diagnosis import idioms  # noqa: F401 - it adds to the table
from tests.diagnosis.clients import driver_of
from tests.diagnosis.correct_code import PIECES, Code, Piece
from tests.diagnosis.drivers import Driver
from tests.diagnosis.places import Places
from tests.diagnosis.stage import AIOHTTP, ASYNC_HTTPX


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with Places(tmp_path_factory.mktemp("places")) as places:
        yield places


EACH = [
    pytest.param(piece, name, place, id=f"{piece.name}-{name}-{place}")
    for piece in PIECES
    for name in piece.clients
    for place in piece.places_for(name)
]
CARELESS = [
    pytest.param(piece, name, id=f"{piece.name}-{name}")
    for piece in PIECES
    for name in piece.clients
]
ON_UVLOOP = [each for each in CARELESS if each.values[1] in (ASYNC_HTTPX, AIOHTTP)]


def play(piece: Piece, code: Code, run: Callable[[Any], Any] | None = None) -> tuple[View, int]:
    async def whole(_: Driver) -> None:
        try:
            await piece.play(code)
        finally:
            await code.close()

    before = code.place.counted()
    with measure() as seen:
        (run or code.driver.run)(whole)
    return seen, code.place.counted() - before


def statuses_of(seen: View) -> tuple[int | None, ...]:
    return tuple(each.status for each in seen.exchanges)


@pytest.mark.parametrize(("piece", "name", "place"), EACH)
def test_correct_code_gives_no_finding(piece: Piece, name: str, place: str, places: Places) -> None:
    seen, accepted = play(piece, Code(driver_of(name), places[place]))
    assert seen.findings == (), seen.report()
    assert seen.count == accepted == 1, seen.report()
    assert statuses_of(seen) == piece.statuses, seen.report()
    assert seen.recording.notes == ()


@pytest.mark.parametrize(("piece", "name"), CARELESS)
def test_the_same_code_with_a_client_for_each_call_gives_findings(
    piece: Piece, name: str, places: Places
) -> None:
    code = Code(driver_of(name), places[piece.places[0]], careless=True)
    seen, accepted = play(piece, code)
    assert seen.count == accepted == len(code.made) > 1, seen.report()
    assert len(seen.findings) == accepted - 1, seen.report()


@pytest.mark.parametrize(("piece", "name"), ON_UVLOOP)
def test_correct_code_gives_no_finding_on_uvloop(piece: Piece, name: str, places: Places) -> None:
    from tests.probes.on_uvloop import run

    code = Code(driver_of(name), places[piece.places[0]])
    seen, accepted = play(piece, code, lambda body: run(body(code.driver)))
    assert seen.findings == (), seen.report()
    assert seen.count == accepted == 1, seen.report()
    assert statuses_of(seen) == piece.statuses, seen.report()
