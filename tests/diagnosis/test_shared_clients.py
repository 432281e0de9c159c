"""Clients that are shared: between workers, between services, and between tests."""

from __future__ import annotations

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._measure import measure
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._view import View
from tests.diagnosis.clients import driver_of
from tests.diagnosis.drivers import Driver
from tests.diagnosis.stage import BOTOCORE, HTTP_CLIENT, KEEPING, OF_POOLS, Stage

ROOM_FOR_THREE = {"urllib3": {"maxsize": 3}}


@pytest.mark.parametrize("name", OF_POOLS)
def test_a_pool_that_is_warm_serves_as_many_as_warmed_it(name: str) -> None:
    driver = driver_of(name)

    async def whole(driver: Driver) -> tuple[View, View]:
        stage = Stage(driver, server)
        client = stage.make(**ROOM_FOR_THREE.get(name, {}))
        with measure() as first:
            await stage.together(3, client)
        with measure() as second:
            for _ in range(3):
                await stage.together(3, client)
        await client.close()
        return first, second

    with KeepaliveServer() as server:
        first, second = driver.run(whole)
        assert second.findings == (), second.report()
        assert second.opened == 0
        assert second.count == 3
        assert second.exchanges == 9
        assert {each.cause for each in first.findings} == {Cause.CONCURRENT_REQUESTS}
        assert first.count == server.accepted == 3


@pytest.mark.parametrize("name", OF_POOLS)
def test_a_pool_that_was_warm_before_anybody_looked_is_one_client(name: str) -> None:
    driver = driver_of(name)

    async def whole(driver: Driver) -> View:
        stage = Stage(driver, server)
        client = stage.make(**ROOM_FOR_THREE.get(name, {}))
        await client.get(stage.url())
        with measure() as seen:
            await stage.together(2, client)
        await client.close()
        return seen

    with KeepaliveServer() as server:
        seen = driver.run(whole)
        causes = [finding.cause for finding in seen.findings]
        assert causes == [Cause.CONCURRENT_REQUESTS], seen.report()
        assert seen.count == server.accepted == 2


@pytest.mark.parametrize("clients", [1, 2], ids=["one client", "a client each"])
@pytest.mark.parametrize("name", KEEPING)
def test_each_of_two_services_has_its_own_connection(name: str, clients: int) -> None:
    driver = driver_of(name)
    if clients == 1 and name in (HTTP_CLIENT, BOTOCORE):
        clients = 2

    async def whole(driver: Driver) -> None:
        stages = [Stage(driver, server) for server in servers]
        made = [stages[number].make() for number in range(clients)]
        for _ in range(3):
            for number, stage in enumerate(stages):
                await made[number % clients].get(stage.url())
        for client in made:
            await client.close()

    with KeepaliveServer() as orders, KeepaliveServer() as users, measure() as seen:
        servers = (orders, users)
        driver.run(whole)
        assert seen.findings == (), seen.report()
        assert seen.count == orders.accepted + users.accepted == 2
        assert [view.count for view in seen.per_origin().values()] == [1, 1]


@pytest.mark.parametrize("name", KEEPING)
def test_a_client_of_a_fixture_is_used_on_in_the_next_window(name: str) -> None:
    driver = driver_of(name)

    async def whole(driver: Driver) -> list[View]:
        stage = Stage(driver, server)
        client, windows = stage.make(), []
        for _ in range(3):
            with measure() as seen:
                for _ in range(2):
                    await client.get(stage.url())
            windows.append(seen)
        await client.close()
        return windows

    with KeepaliveServer() as server:
        windows = driver.run(whole)
        assert [seen.findings for seen in windows] == [(), (), ()]
        assert [seen.count for seen in windows] == [1, 1, 1]
        assert [len(seen.opened) for seen in windows] == [server.accepted, 0, 0] == [1, 0, 0]
