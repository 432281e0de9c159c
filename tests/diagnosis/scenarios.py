"""Each cause provoked for real on the referee, with each client in which it can occur; and cured.

A scenario is one coroutine function. It does the same thing twice: the wrong way, which opens
connections for one cause, and, told that it is ``cured``, a way that opens none too many.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

from pytest_keepalive import Cause
from pytest_keepalive._server import ConnectProxy, KeepaliveServer, Reply
from tests.diagnosis.black_hole import BlackHole
from tests.diagnosis.clients import DONE, SHORT, Client, Driver
from tests.diagnosis.relay import Relay

BIG = b"x" * 2_000_000
# More than the buffers between a client and its server hold.
HUGE = b"x" * 16_000_000
EVENTS = ["one", "two", DONE.decode()]
IDLE = 0.15
LONGER = 0.3
# Some ticks of the kernel's clock, by which it dates a close.
TICKS = 0.05
# Long enough for the kernel to send again what is not acknowledged (RFC 6298).
LOST = 0.9

REQUESTS, URLLIB3, HTTP_CLIENT, URLLIB = "requests", "urllib3", "http.client", "urllib.request"
HTTPX, ASYNC_HTTPX, TRIO_HTTPX = "httpx", "httpx-asyncio", "httpx-trio"
AIOHTTP, BOTOCORE, NIQUESTS, ASYNC_NIQUESTS = "aiohttp", "botocore", "niquests", "niquests-asyncio"
HTTPX2, ASYNC_HTTPX2 = "httpx2", "httpx2-asyncio"
OF_NIQUESTS = (NIQUESTS, ASYNC_NIQUESTS)
OF_HTTPX = (HTTPX, ASYNC_HTTPX, HTTPX2, ASYNC_HTTPX2)
OF_URLLIB3 = (REQUESTS, URLLIB3, BOTOCORE)
OF_POOLS = (*OF_URLLIB3, *OF_HTTPX, AIOHTTP, *OF_NIQUESTS)
KEEPING = (*OF_POOLS, HTTP_CLIENT)
FOR_THREADS = (*OF_URLLIB3, HTTPX, HTTPX2, NIQUESTS, HTTP_CLIENT)
# With these a child process goes on with its parent's client: see test_forked.py.
FORKED = (REQUESTS, URLLIB3, HTTP_CLIENT, HTTPX, HTTPX2, BOTOCORE, NIQUESTS)
FOR_TASKS = (ASYNC_HTTPX, ASYNC_HTTPX2, AIOHTTP, ASYNC_NIQUESTS)


@dataclass
class Stage:
    """Where a scenario plays.

    Args:
        driver: Of the client.
        server: The referee.
        trusts: Whether each client is to take the certificate of the server.
    """

    driver: Driver
    server: KeepaliveServer
    trusts: bool = False
    made: list[Client] = field(default_factory=list)

    def make(self, **settings: Any) -> Client:
        """Make a client object that is closed behind the scenario."""
        if self.driver.name == BOTOCORE:
            settings = {"url": self.server.url, **settings}
        if self.trusts:
            settings = {**self.driver.trusting(self.server), **settings}
        client = self.driver.make(**settings)
        self.made.append(client)
        return client

    def url(self, path: str = "/ok") -> str:
        """Give the URL of a path."""
        prefix = "/b" if self.driver.name == BOTOCORE else ""
        return self.server.url + prefix + path

    def reply(self, path: str, *args: Any, **fields: Any) -> None:
        """Set what answers a path."""
        for prefix in ("", "/b"):
            self.server.reply(prefix + path, *args, **fields)

    def route(self, path: str, replies: Any) -> None:
        """Set what answers a path."""
        for prefix in ("", "/b"):
            self.server.route(prefix + path, replies)

    async def together(self, count: int, client: Client, path: str = "/held") -> None:
        """Make some requests at once, of which none is answered before the last one came."""
        self.reply(path, hold=True)
        expected = len(self.server.requests) + count

        def release() -> None:
            self.server.wait_for_requests(expected)
            self.server.release("/b" + path if self.driver.name == BOTOCORE else path)

        await self.driver.together(release, *(client.get(self.url(path)) for _ in range(count)))


Play = Callable[[Stage, bool], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A cause, provoked.

    Args:
        cause: What it is diagnosed as.
        clients: The names of the drivers that it plays with.
        play: Does it, or its cure.
        findings: The causes of all findings, in their order.
        terms: Of the server.
        alone: Whether no other server accepts connections.
        loops: In how many event loops it plays, one after the other.
    """

    cause: Cause
    clients: tuple[str, ...]
    play: Play
    findings: tuple[Cause, ...]
    terms: dict[str, Any]
    alone: bool = True
    loops: int = 1

    @property
    def name(self) -> str:
        return f"{self.cause}-{self.play.__name__}"


SCENARIOS: list[Scenario] = []


def scenario(
    cause: Cause,
    clients: tuple[str, ...],
    times: int = 1,
    others: tuple[Cause, ...] = (),
    alone: bool = True,
    loops: int = 1,
    **terms: Any,
) -> Callable[[Play], Play]:
    """Add a scenario to the table.

    Args:
        cause: What it is diagnosed as.
        clients: The names of the drivers that it plays with.
        times: How often that cause is found.
        others: The causes that are found before.
        alone: Whether no other server accepts connections.
        loops: In how many event loops it plays, one after the other.
        terms: Of the server.
    """

    def add(play: Play) -> Play:
        findings = (*others, *[cause] * times)
        SCENARIOS.append(Scenario(cause, clients, play, findings, terms, alone, loops))
        return play

    return add


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


def _nothing() -> None:
    """Do nothing while requests are under way."""
