"""Causes that lie with the server and the network, provoked on the referee; and retries."""

from __future__ import annotations

from contextlib import suppress

from pytest_keepalive import Cause
from pytest_keepalive._server import Reply
from tests.diagnosis.black_hole import BlackHole
from tests.diagnosis.stage import (
    AIOHTTP,
    BIG,
    BOTOCORE,
    IDLE,
    KEEPING,
    LONGER,
    LOST,
    OF_HTTPX,
    TICKS,
    Stage,
    scenario,
)

# E. The server said so


@scenario(Cause.SERVER_ASKED_TO_CLOSE, KEEPING, times=2)
async def a_response_that_says_close(stage: Stage, cured: bool) -> None:
    stage.reply("/close", keep_alive=cured)
    client = stage.make()
    for _ in range(3):
        await client.get(stage.url("/close"))


@scenario(Cause.HTTP_1_0, KEEPING, times=2)
async def an_old_server(stage: Stage, cured: bool) -> None:
    stage.reply("/old", http_version="1.1" if cured else "1.0")
    client = stage.make()
    for _ in range(3):
        await client.get(stage.url("/old"))


@scenario(Cause.NO_FRAMING, KEEPING, times=2)
async def a_body_without_a_length(stage: Stage, cured: bool) -> None:
    framing = {} if cured else {"framing": "eof", "headers": {"X-Length": "none"}}
    stage.reply("/endless", body=["ok"] if cured else "ok", **framing)
    client = stage.make()
    for _ in range(3):
        await client.get(stage.url("/endless"))


@scenario(Cause.NO_FRAMING, (AIOHTTP,), times=2)
async def an_answer_to_head_without_a_length(stage: Stage, cured: bool) -> None:
    stage.reply("/ok", framing="length" if cured else "eof")
    client = stage.make()
    for _ in range(3):
        await client.send("HEAD", stage.url())


@scenario(Cause.REQUEST_LIMIT, KEEPING, times=2, requests_per_connection=2)
async def a_limit_that_is_announced(stage: Stage, cured: bool) -> None:
    client = stage.make()
    for _ in range(2 if cured else 6):
        await client.get(stage.url())


@scenario(Cause.REQUEST_LIMIT, KEEPING, times=2, requests_per_connection=2, announce_close=False)
async def a_limit_that_is_not_announced(stage: Stage, cured: bool) -> None:
    client = stage.make()
    for index in range(2 if cured else 6):
        await client.get(stage.url())
        if index % 2:
            await stage.driver.off_the_loop(stage.server.wait_until_closed, index // 2 + 1)
            # A request that crosses the close on its way would be a race.
            await stage.driver.pause(TICKS)


@scenario(Cause.UPLOAD_REJECTED, KEEPING)
async def an_upload_that_is_rejected(stage: Stage, cured: bool) -> None:
    stage.reply("/upload", status=200 if cured else 413, read_body=cured)
    client = stage.make()
    with suppress(Exception):
        await client.send("POST", stage.url("/upload"), BIG)
    await client.get(stage.url())


@scenario(Cause.GOAWAY, OF_HTTPX, times=2, tls=True, http2=True, requests_per_connection=2)
async def a_server_that_sends_goaway(stage: Stage, cured: bool) -> None:
    client = stage.make(http2=True, verify=stage.server.client_context())
    for _ in range(2 if cured else 6):
        await client.get(stage.url())


# F. The server dropped it


@scenario(Cause.SERVER_IDLE_TIMEOUT, KEEPING, idle_timeout=IDLE)
async def a_pause_longer_than_the_server_keeps(stage: Stage, cured: bool) -> None:
    client = stage.make()
    await client.get(stage.url())
    await stage.driver.pause(0 if cured else LONGER)
    await client.get(stage.url())


@scenario(Cause.SERVER_HUNG_UP, KEEPING)
async def a_server_that_hangs_up(stage: Stage, cured: bool) -> None:
    stage.reply("/bye", **({} if cured else {"close": "after_response"}))
    client = stage.make()
    await client.get(stage.url("/bye"))
    if not cured:
        await stage.driver.off_the_loop(stage.server.wait_until_closed)
        await stage.driver.pause(LONGER)
    await client.get(stage.url())


@scenario(Cause.REUSE_RACE, KEEPING)
async def a_request_that_meets_a_close(stage: Stage, cured: bool) -> None:
    stage.route("/race", [Reply(), Reply(close=None if cured else "before_head"), Reply()])
    client = stage.make()
    await client.get(stage.url("/race"))
    for _ in range(2):
        with suppress(Exception):
            await client.get(stage.url("/race"))


@scenario(
    Cause.SERVER_TIMEOUT_IGNORED,
    KEEPING,
    idle_timeout=1.0,
    announce_keep_alive=True,
)
async def a_pause_longer_than_the_server_said(stage: Stage, cured: bool) -> None:
    client = stage.make()
    await client.get(stage.url())
    await stage.driver.pause(0 if cured else 1.15)
    await client.get(stage.url())


@scenario(Cause.FLOW_LOST, KEEPING, alone=False)
async def a_network_that_forgets(stage: Stage, cured: bool) -> None:
    with BlackHole() as server:
        url = f"{server.url}/b/ok"
        settings = {"url": server.url, "timeout": LOST} if stage.driver.name == BOTOCORE else {}
        client = stage.make(**settings)
        await client.get(url)
        if not cured:
            await stage.driver.off_the_loop(server.is_lost.wait)
            await client.wait_for(url, LOST)
            await client.get(url)


# G. Retries, authentication


@scenario(Cause.RETRIED, KEEPING)
async def a_request_that_is_made_again(stage: Stage, cured: bool) -> None:
    stage.route("/flaky", [Reply(close=None if cured else "before_head"), Reply()])
    client = stage.make()
    for _ in range(2):
        with suppress(Exception):
            await client.get(stage.url("/flaky"))


@scenario(Cause.CONNECTION_BOUND_AUTH, KEEPING)
async def an_authentication_of_connections(stage: Stage, cured: bool) -> None:
    challenge = Reply(401, headers={"WWW-Authenticate": "NTLM"}, keep_alive=cured)
    stage.route("/private", [challenge, Reply()])
    client = stage.make()
    for _ in range(2):
        with suppress(Exception):
            await client.get(stage.url("/private"))
