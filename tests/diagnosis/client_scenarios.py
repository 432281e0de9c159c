"""Causes that lie with the client, provoked on the referee: its object, its pool, its closing."""

from __future__ import annotations

import ssl
from contextlib import suppress
from threading import Barrier
from typing import Any

from pytest_keepalive import Cause
from pytest_keepalive._server import ConnectProxy, KeepaliveServer, Reply
from tests.diagnosis.drivers import DONE, SHORT
from tests.diagnosis.relay import Relay
from tests.diagnosis.stage import (
    AIOHTTP,
    ASYNC_NIQUESTS,
    BIG,
    BOTOCORE,
    EVENTS,
    FOR_TASKS,
    FOR_THREADS,
    HTTP_CLIENT,
    HUGE,
    KEEPING,
    OF_HTTPX,
    OF_NIQUESTS,
    OF_POOLS,
    OF_URLLIB3,
    REQUESTS,
    URLLIB,
    URLLIB3,
    Stage,
    scenario,
)

# A. The client object


@scenario(Cause.CLIENT_PER_REQUEST, KEEPING, times=2)
async def a_client_for_each_call(stage: Stage, cured: bool) -> None:
    shared = stage.make()
    for _ in range(3):
        client = shared if cured else stage.make()
        await client.get(stage.url())


@scenario(Cause.CLIENT_PER_THREAD, FOR_THREADS, times=2)
async def a_client_for_each_thread(stage: Stage, cured: bool) -> None:
    shared, barrier = stage.make(), Barrier(3)

    async def work() -> None:
        client = shared if cured else stage.make()
        if not cured:
            await client.get(stage.url())
            barrier.wait(5)
        await client.get(stage.url())

    if cured:
        for _ in range(3):
            await stage.driver.together(_nothing, work())
    else:
        await stage.driver.together(_nothing, *(work() for _ in range(3)))


@scenario(Cause.CLIENT_PER_EVENT_LOOP, FOR_TASKS, loops=2)
async def an_event_loop_for_each_call(stage: Stage, cured: bool) -> None:
    await stage.make().get(stage.url())


@scenario(Cause.CLIENT_NEVER_KEEPS_ALIVE, (URLLIB,), times=2)
async def a_library_that_keeps_nothing(stage: Stage, cured: bool) -> None:
    for _ in range(1 if cured else 3):
        await stage.make().get(stage.url())


# B. The same client, another pool key


@scenario(Cause.HOST_ALIAS, (REQUESTS, URLLIB3, *OF_HTTPX, AIOHTTP, *OF_NIQUESTS))
async def two_names_of_one_server(stage: Stage, cured: bool) -> None:
    client = stage.make()
    await client.get(stage.url())
    name = "127.0.0.1" if cured else "localhost"
    await client.get(stage.url().replace("127.0.0.1", name))


@scenario(
    Cause.REDIRECTED_ELSEWHERE,
    (REQUESTS, URLLIB3, URLLIB, *OF_HTTPX, AIOHTTP, *OF_NIQUESTS),
    alone=False,
)
async def a_redirect_to_another_server(stage: Stage, cured: bool) -> None:
    with KeepaliveServer() as other:
        target = stage.url("/ok") if cured else f"{other.url}/ok"
        stage.route("/moved", Reply.redirect(target))
        if cured and stage.driver.name == URLLIB:
            return
        await stage.make().get(stage.url("/moved"))


@scenario(Cause.TLS_SETTINGS_DIFFER, OF_NIQUESTS, times=3, tls=True)
@scenario(Cause.TLS_SETTINGS_DIFFER, (REQUESTS,), tls=True)
async def verification_switched_off_for_a_call(stage: Stage, cured: bool) -> None:
    session = stage.make().inner
    session.verify = stage.server.ca_file
    for off in (False, True, False, True):
        options = {} if cured or not off else {"verify": False}
        made = session.get(stage.url(), **options)
        if stage.driver.waits:
            await made


@scenario(Cause.TLS_SETTINGS_DIFFER, (URLLIB3,), tls=True)
async def another_pool_key(stage: Stage, cured: bool) -> None:
    manager = stage.make(ca_certs=stage.server.ca_file).inner
    for assertion in ("127.0.0.1", "localhost"):
        key = {} if cured else {"assert_hostname": assertion}
        manager.connection_from_url(stage.url(), key).request("GET", "/ok")


@scenario(Cause.TLS_SETTINGS_DIFFER, (AIOHTTP,), times=2, tls=True)
async def a_new_context_for_each_call(stage: Stage, cured: bool) -> None:
    session = stage.make().inner
    context: ssl.SSLContext | None = None
    for _ in range(3):
        if context is None or not cured:
            context = stage.server.client_context()
        async with session.get(stage.url(), ssl=context) as response:
            await response.read()


@scenario(Cause.PROXY_DIFFERS, (REQUESTS, *OF_NIQUESTS), alone=False, tls=True)
async def a_proxy_for_one_call(stage: Stage, cured: bool) -> None:
    session = stage.make().inner
    with ConnectProxy() as proxy:
        for through in (False, not cured):
            proxies = {"https": proxy.url} if through else {}
            made = session.get(stage.url(), verify=stage.server.ca_file, proxies=proxies)
            if stage.driver.waits:
                await made


@scenario(Cause.PROXY_DIFFERS, (AIOHTTP,), alone=False, tls=True)
async def a_proxy_for_one_call_of_aiohttp(stage: Stage, cured: bool) -> None:
    session, context = stage.make().inner, stage.server.client_context()
    with ConnectProxy() as proxy:
        for through in (None, None if cured else proxy.url):
            async with session.get(stage.url(), ssl=context, proxy=through) as response:
                await response.read()


@scenario(Cause.PROXY_DIFFERS, (AIOHTTP,), alone=False)
async def other_fields_for_the_proxy(stage: Stage, cured: bool) -> None:
    session = stage.make().inner
    with ConnectProxy() as proxy:
        for value in ("one", "one" if cured else "two"):
            options = {"proxy": proxy.url, "proxy_headers": {"X-Key": value}}
            async with session.get(stage.url(), **options) as response:
                await response.read()


@scenario(Cause.POOL_EVICTED, (REQUESTS, URLLIB3, *OF_NIQUESTS), others=(Cause.HOST_ALIAS,))
async def more_hosts_than_pools(stage: Stage, cured: bool) -> None:
    setting = "num_pools" if stage.driver.name == URLLIB3 else "pool_connections"
    client = stage.make(**{setting: 2 if cured else 1})
    here = stage.url()
    for url in (here, here if cured else here.replace("127.0.0.1", "localhost"), here):
        await client.get(url)


# C. The connection was in use


@scenario(Cause.CONCURRENT_REQUESTS, OF_POOLS, times=2)
async def three_requests_at_once(stage: Stage, cured: bool) -> None:
    client = stage.make()
    for _ in range(1 if not cured else 3):
        await stage.together(1 if cured else 3, client)


@scenario(Cause.RESPONSE_NOT_RELEASED, OF_POOLS, times=2)
async def responses_that_are_held(stage: Stage, cured: bool) -> None:
    stage.reply("/big", body=BIG)
    client = stage.make()
    for _ in range(2):
        if cured:
            await client.get(stage.url("/big"))
        else:
            await client.hold(stage.url("/big"))
    await client.get(stage.url())
    for response in client.held:
        await client.leave(response)


@scenario(Cause.STARTED_TOGETHER, (ASYNC_NIQUESTS,), times=2, tls=True, http2=True)
async def three_requests_before_the_first_connection(stage: Stage, cured: bool) -> None:
    client = stage.make(multiplexed=cured)
    client.inner.verify = stage.server.ca_file
    with Relay(stage.server.port, hold=0 if cured else 3) as relay:
        url = f"https://127.0.0.1:{relay.port}/ok"
        if cured:
            for _ in range(3):
                await client.get(url)
            await client.inner.gather()
        else:
            await stage.driver.together(_nothing, *(client.get(url) for _ in range(3)))


@scenario(Cause.CONCURRENT_REQUESTS, OF_NIQUESTS, tls=True, http2=True)
async def two_requests_at_once_over_http_2(stage: Stage, cured: bool) -> None:
    client = stage.make()
    client.inner.verify = stage.server.ca_file
    await client.get(stage.url())
    for _ in range(1 if not cured else 2):
        await stage.together(1 if cured else 2, client)


# D. The client closed it


@scenario(Cause.BODY_NOT_READ, KEEPING)
async def a_response_that_is_left(stage: Stage, cured: bool) -> None:
    stage.reply("/big", body=BIG)
    client = stage.make()
    if cured:
        await client.get(stage.url("/big"))
    else:
        await client.leave(await client.begin(stage.url("/big")))
    await client.get(stage.url())


@scenario(Cause.STREAM_NOT_FINISHED, KEEPING)
async def a_stream_that_is_left_behind_its_last_event(stage: Stage, cured: bool) -> None:
    # The end of the stream comes late, so that nobody has it by accident.
    stage.route(
        "/events",
        Reply.events(EVENTS, stall=None if cured else sum(len(f"data: {e}\n\n") for e in EVENTS)),
    )
    client = stage.make()
    await client.get(stage.url())
    if cured:
        await client.get(stage.url("/events"))
    else:
        response = await client.begin(stage.url("/events"))
        await client.read_to(response, DONE)
        await client.leave(response)
    await client.get(stage.url())


@scenario(Cause.TIMED_OUT_OR_CANCELLED, KEEPING)
async def a_request_that_times_out(stage: Stage, cured: bool) -> None:
    stage.reply("/slow", stall="before_head")
    settings = {"timeout": SHORT} if stage.driver.name == BOTOCORE and not cured else {}
    client = stage.make(**settings)
    if cured:
        await client.get(stage.url())
    else:
        await client.wait_for(stage.url("/slow"), SHORT)
    await client.get(stage.url())


@scenario(Cause.TIMED_OUT_OR_CANCELLED, FOR_TASKS)
async def a_request_that_is_cancelled(stage: Stage, cured: bool) -> None:
    stage.reply("/slow", stall="before_head")
    client = stage.make()
    if not cured:
        await stage.driver.cancelled(client.get(stage.url("/slow")))
    await client.get(stage.url())


@scenario(Cause.POOL_FULL, OF_URLLIB3, others=(Cause.CONCURRENT_REQUESTS,))
async def more_threads_than_places(stage: Stage, cured: bool) -> None:
    setting = {URLLIB3: "maxsize", BOTOCORE: "max_pool_connections"}
    client = stage.make(**{setting.get(stage.driver.name, "pool_maxsize"): 1})
    for _ in range(2):
        await stage.together(1 if cured else 2, client)


@scenario(Cause.KEEPALIVE_LIMIT, OF_HTTPX, others=(Cause.CONCURRENT_REQUESTS,))
async def more_requests_than_are_kept(stage: Stage, cured: bool) -> None:
    client = stage.make(max_keepalive_connections=1)
    for _ in range(2):
        await stage.together(1 if cured else 2, client)


@scenario(Cause.CLIENT_IDLE_EXPIRY, (*OF_HTTPX, AIOHTTP))
async def a_pause_longer_than_the_client_keeps(stage: Stage, cured: bool) -> None:
    setting = "keepalive_timeout" if stage.driver.name == AIOHTTP else "keepalive_expiry"
    client = stage.make(**{setting: SHORT})
    await client.get(stage.url())
    await stage.driver.pause(0 if cured else SHORT + 0.1)
    await client.get(stage.url())


@scenario(
    Cause.CLIENT_ASKED_TO_CLOSE, (REQUESTS, URLLIB3, HTTP_CLIENT, *OF_HTTPX, AIOHTTP, *OF_NIQUESTS)
)
async def a_request_that_says_close(stage: Stage, cured: bool) -> None:
    client = stage.make()
    for _ in range(2):
        await client.get(stage.url(), headers={} if cured else {"Connection": "close"})


@scenario(Cause.CLIENT_ASKED_TO_CLOSE, (*OF_HTTPX, AIOHTTP))
async def a_client_that_is_told_to_keep_none(stage: Stage, cured: bool) -> None:
    settings: dict[str, Any] = {"max_keepalive_connections": 0}
    if stage.driver.name == AIOHTTP:
        settings = {"force_close": True}
    client = stage.make(**({} if cured else settings))
    for _ in range(2):
        await client.get(stage.url())


@scenario(Cause.UPLOAD_NOT_FINISHED, (AIOHTTP,))
async def an_answer_that_comes_before_the_whole_request(stage: Stage, cured: bool) -> None:
    stage.reply("/upload", read_body=cured, keep_alive=True)
    client = stage.make()
    await client.send("POST", stage.url("/upload"), HUGE)
    await client.get(stage.url())


@scenario(Cause.CLIENT_CLOSED, (REQUESTS, URLLIB3, HTTP_CLIENT, BOTOCORE, *OF_NIQUESTS))
async def a_client_that_is_closed_and_used_again(stage: Stage, cured: bool) -> None:
    client = stage.make()
    await client.get(stage.url())
    if not cured:
        await client.close()
    await client.get(stage.url())


@scenario(Cause.EXPECT_CONTINUE, (REQUESTS, URLLIB3, HTTP_CLIENT, *OF_HTTPX, AIOHTTP, *OF_NIQUESTS))
async def an_expectation_that_is_refused(stage: Stage, cured: bool) -> None:
    stage.reply("/upload", status=200 if cured else 417, read_body=cured)
    client = stage.make()
    with suppress(Exception):
        await client.send("PUT", stage.url("/upload"), b"x" * 10, {"Expect": "100-continue"})
    await client.get(stage.url())


@scenario(Cause.EXPECT_CONTINUE, (BOTOCORE,))
async def an_object_that_is_refused(stage: Stage, cured: bool) -> None:
    stage.reply("/upload", status=200 if cured else 417, read_body=cured)
    client = stage.make()
    with suppress(Exception):
        await client.send("PUT", stage.url("/upload"), b"x" * 10)
    await client.get(stage.url())


def _nothing() -> None:
    """Do nothing while requests are under way."""
