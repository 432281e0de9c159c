"""The servers that are known for a cause: each provokes it, and cured gives no finding."""

from __future__ import annotations

import ssl
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._measure import measure
from pytest_keepalive._server import ConnectProxy
from pytest_keepalive._view import View
from tests.diagnosis.clients import driver_of
from tests.diagnosis.drivers import Driver
from tests.diagnosis.real_servers import Server, certify, running
from tests.diagnosis.relay import Relay

KEEPING = ("requests", "urllib3", "http.client", "httpx", "httpx-asyncio", "httpx2", "aiohttp")
OF_HTTPX = ("httpx", "httpx-asyncio", "httpx2", "httpx2-asyncio")
THREADED = ("--worker-class", "gthread", "--threads", "4")
# Longer than the shortest timer that can be set in whole seconds.
PAUSE = 1.5


class Habit(NamedTuple):
    """What a server is known for.

    Args:
        server: It.
        cause: What that is diagnosed as.
        requests: How many are made.
        pause: How long before the last one, in seconds.
        findings: How many there are.
        remedy: The words of that server's own settings.
        cure: The server that has not got the habit; by default, so few requests that it does
            not show, without a pause.
    """

    server: Server
    cause: Cause
    requests: int
    pause: float
    findings: int
    remedy: str
    cure: Server | None = None


HABITS = (
    Habit(
        Server("nginx", ("keepalive_timeout 300ms",)),
        Cause.SERVER_IDLE_TIMEOUT,
        2,
        PAUSE,
        1,
        "keepalive_timeout of nginx",
    ),
    Habit(
        Server("nginx", ("keepalive_timeout 1s 1s",)),
        Cause.SERVER_TIMEOUT_IGNORED,
        2,
        PAUSE,
        1,
        "shorter than the server's",
    ),
    Habit(
        Server("nginx", ("keepalive_requests 2",)),
        Cause.REQUEST_LIMIT,
        6,
        0,
        2,
        "keepalive_requests of nginx",
    ),
    Habit(
        Server("uvicorn", ("--timeout-keep-alive", "1")),
        Cause.SERVER_IDLE_TIMEOUT,
        2,
        PAUSE,
        1,
        "uvicorn --timeout-keep-alive",
    ),
    Habit(
        Server("gunicorn", (*THREADED, "--keep-alive", "1")),
        Cause.SERVER_IDLE_TIMEOUT,
        2,
        PAUSE,
        1,
        "gunicorn --keep-alive",
    ),
    Habit(
        Server("hypercorn", ("--keep-alive", "1")),
        Cause.SERVER_IDLE_TIMEOUT,
        2,
        PAUSE,
        1,
        "hypercorn --keep-alive",
    ),
    Habit(
        Server("gunicorn"),
        Cause.SERVER_ASKED_TO_CLOSE,
        3,
        0,
        2,
        "--worker-class gthread",
        Server("gunicorn", THREADED),
    ),
    Habit(
        Server("werkzeug"),
        Cause.SERVER_ASKED_TO_CLOSE,
        3,
        0,
        2,
        "uvicorn or waitress",
        Server("waitress"),
    ),
    Habit(
        Server("http.server"),
        Cause.HTTP_1_0,
        3,
        0,
        2,
        "protocol_version = 'HTTP/1.1'",
        Server("http.server-1.1"),
    ),
)
GOING_AWAY = Server("nginx", ("keepalive_requests 2",), tls=True)


async def call(
    driver: Driver, url: str, requests: int, pause: float = 0.0, **settings: Any
) -> None:
    client = driver.make(**settings)
    for number in range(requests):
        if number == requests - 1:
            await driver.pause(pause)
        # nginx says GOAWAY before its last response, which h2 refuses then.
        with suppress(Exception) if "http2" in settings else nullcontext():
            await client.get(url)
    await client.close()


def causes(seen: View) -> list[Cause]:
    return [finding.cause for finding in seen.findings]


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.cause}-{habit.server}")
def test_what_a_server_is_known_for(habit: Habit, name: str, tmp_path: Path) -> None:
    driver = driver_of(name)
    with running(habit.server, tmp_path) as port, Relay(port) as relay, measure() as seen:
        url = f"http://127.0.0.1:{relay.port}/ok"
        driver.run(lambda _: call(driver, url, habit.requests, habit.pause))
    assert causes(seen) == [habit.cause] * habit.findings, seen.report()
    assert seen.count == relay.accepted == 1 + habit.findings
    assert habit.remedy in seen.findings[0].remedy


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.cause}-{habit.server}")
def test_the_cure_of_it(habit: Habit, name: str, tmp_path: Path) -> None:
    driver = driver_of(name)
    server, requests = (habit.cure, habit.requests) if habit.cure else (habit.server, 2)
    with running(server, tmp_path) as port, Relay(port) as relay, measure() as seen:
        url = f"http://127.0.0.1:{relay.port}/ok"
        driver.run(lambda _: call(driver, url, requests))
    assert causes(seen) == [], seen.report()
    assert seen.count == relay.accepted == 1


@pytest.mark.parametrize("requests", [2, 6], ids=["cured", "wrong"])
@pytest.mark.parametrize("name", OF_HTTPX)
def test_nginx_ends_a_connection_of_http_2(name: str, requests: int, tmp_path: Path) -> None:
    driver = driver_of(name)
    certify(tmp_path)
    context = ssl.create_default_context(cafile=tmp_path / "authority")
    with running(GOING_AWAY, tmp_path) as port, Relay(port) as relay, measure() as seen:
        url = f"https://127.0.0.1:{relay.port}/ok"
        settings = {"http2": True, "verify": context}
        driver.run(lambda _: call(driver, url, requests, **settings))
    assert causes(seen) == [Cause.GOAWAY] * (requests // 2 - 1), seen.report()
    assert seen.count == relay.accepted == requests // 2
    assert {each.http_version for each in seen.connections} == {"HTTP/2"}


@pytest.mark.parametrize("sessions", [1, 3], ids=["cured", "wrong"])
def test_nginx_behind_a_proxy(sessions: int, tmp_path: Path) -> None:
    driver = driver_of("requests")
    certify(tmp_path)
    terms = {"verify": str(tmp_path / "authority")}
    with (
        running(Server("nginx", tls=True), tmp_path) as port,
        ConnectProxy() as proxy,
        measure() as seen,
    ):
        made = [driver.make(**terms) for _ in range(sessions)]
        for number in range(3):
            client = made[number % sessions]
            client.inner.get(f"https://127.0.0.1:{port}/ok", proxies={"https": proxy.url})
        for client in made:
            client.inner.close()
    assert causes(seen) == [Cause.CLIENT_PER_REQUEST] * (sessions - 1), seen.report()
    assert seen.count == proxy.accepted == sessions
