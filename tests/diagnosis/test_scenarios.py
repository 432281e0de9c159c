from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from tests.diagnosis.clients import DRIVERS
from tests.diagnosis.drivers import Driver
from tests.diagnosis.scenarios import SCENARIOS
from tests.diagnosis.stage import ASYNC_NIQUESTS, URLLIB, Scenario, Stage

PAIRS = [(scenario, DRIVERS[name]) for scenario in SCENARIOS for name in scenario.clients]
EACH = [pytest.param(*pair, id=f"{pair[0].name}-{pair[1].name}") for pair in PAIRS]
OVER_TLS = [
    pytest.param(scenario, driver, id=f"{scenario.name}-{driver.name}")
    for scenario, driver in PAIRS
    if scenario.alone and not scenario.terms.get("tls") and driver.name != URLLIB
]


def play(
    scenario: Scenario, driver: Driver, server: KeepaliveServer, cured: bool, trusts: bool = False
) -> None:
    async def whole(driver: Driver) -> None:
        stage = Stage(driver, server, trusts)
        try:
            await scenario.play(stage, cured)
        finally:
            for client in stage.made:
                await client.close()

    for _ in range(1 if cured else scenario.loops):
        driver.run(whole)


def skip_without(driver: Driver) -> None:
    if importlib.util.find_spec(driver.package.partition(".")[0]) is None:
        pytest.skip(f"pip install {driver.package}")


@pytest.mark.parametrize("cured", [False, True], ids=["wrong", "cured"])
@pytest.mark.parametrize(("scenario", "driver"), EACH)
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_cause_is_found_and_its_cure_is_not(
    scenario: Scenario, driver: Driver, cured: bool
) -> None:
    skip_without(driver)
    with KeepaliveServer(**scenario.terms) as server:
        with measure() as seen:
            play(scenario, driver, server, cured)
        accepted: Any = server.accepted
    found = tuple(finding.cause for finding in seen.findings)
    assert found == (() if cured else scenario.findings), seen.report()
    assert seen.recording.notes == ()
    if scenario.alone:
        assert seen.count == accepted, seen.report()


@pytest.mark.parametrize(("scenario", "driver"), OVER_TLS)
def test_a_cause_is_found_over_tls_or_unknown(scenario: Scenario, driver: Driver) -> None:
    skip_without(driver)
    with KeepaliveServer(tls=True, **scenario.terms) as server:
        with measure() as seen:
            play(scenario, driver, server, cured=False, trusts=True)
        assert seen.count == server.accepted, seen.report()
    found = tuple(finding.cause for finding in seen.findings)
    if driver.name == ASYNC_NIQUESTS and Cause.UNKNOWN in found:
        # Its event loop closes the socket before it can be asked why.
        return
    assert found == scenario.findings, seen.report()
