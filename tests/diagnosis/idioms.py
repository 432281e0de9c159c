"""Correct code in the words of one library each: streams, uploads, credentials, retries, limits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

from tests.diagnosis.correct_code import HTTPX_ALL, Code, nothing, piece
from tests.diagnosis.stage import (
    AIOHTTP,
    ASYNC_HTTPX,
    ASYNC_HTTPX2,
    ASYNC_NIQUESTS,
    BOTOCORE,
    HTTP_CLIENT,
    HTTPX,
    HTTPX2,
    NIQUESTS,
    REQUESTS,
    TRIO_HTTPX,
    URLLIB3,
)

# Enough of them: the words are the client's, whoever answers.
SOME = ("plain", "tls", "http2", "nginx", "uvicorn", "gunicorn", "tunnel")
SCRIPTED = ("plain", "tls")
SYNC_HTTPX = (HTTPX, HTTPX2)
OTHER_HTTPX = (ASYNC_HTTPX, ASYNC_HTTPX2, TRIO_HTTPX)
COOKIES = {"token": "secret"}
PARTS = [b"part " * 100] * 20


def parts() -> Iterator[bytes]:
    yield from PARTS


async def parts_in_time() -> AsyncIterator[bytes]:
    for part in PARTS:
        yield part


# requests, and niquests for threads


@piece((REQUESTS, NIQUESTS), 200, 200, 200, 200, places=SOME)
async def streams_of_requests_read_to_their_end(code: Code) -> None:
    with code.client().inner.get(code.url("/lines"), stream=True) as response:
        assert len(list(response.iter_lines())) == 20
    with code.client().inner.get(code.url("/big"), stream=True) as response:
        assert sum(map(len, response.iter_content(4096))) == 200_000
    response = code.client().inner.get(code.url("/chunks"), stream=True)
    assert len(response.content) == 5000
    assert json.dumps(code.client().inner.get(code.url("/events")).text)


@piece((REQUESTS,), 200, 200, places=SOME)
async def raw_streams_of_requests_read_to_their_end(code: Code) -> None:
    for _ in range(2):
        with code.client().inner.get(code.url("/big"), stream=True) as response:
            while response.raw.read(10_000):
                pass


@piece((REQUESTS, NIQUESTS), 200, 200, 200, places=SCRIPTED)
async def uploads_of_requests_in_chunks(code: Code) -> None:
    for _ in range(2):
        assert code.client().inner.post(code.url(), data=parts()).content == b"".join(PARTS)
    code.client().inner.post(code.url(), files={"file": b"".join(PARTS)}).raise_for_status()


@piece((REQUESTS, NIQUESTS), 200, 200, 401, 200, 200, places=SOME)
async def credentials_of_requests(code: Code) -> None:
    for _ in range(2):
        code.client().inner.get(code.url("/basic"), auth=("user", "secret")).raise_for_status()
    module = code.driver.module
    session = code.client().inner
    session.auth = module.auth.HTTPDigestAuth("user", "secret")
    for _ in range(2):
        session.get(code.url("/digest")).raise_for_status()


@piece((REQUESTS,), 503, 200, 503, 200, places=SCRIPTED)
async def retries_of_requests(code: Code) -> None:
    from urllib3 import Retry

    for _ in range(2):
        retry = Retry(3, status_forcelist=[503], backoff_factor=0)
        session = code.client(max_retries=retry).inner
        session.get(code.url(f"/flaky?{uuid4()}")).raise_for_status()


@piece((REQUESTS, NIQUESTS), 200, 200, 200, places=SCRIPTED)
async def threads_of_requests_that_wait_for_the_one_connection(code: Code) -> None:
    clients = [code.client(pool_maxsize=1, pool_block=True) for _ in range(3)]
    await code.driver.together(nothing, *(each.get(code.url()) for each in clients))


# urllib3 and http.client


@piece((URLLIB3,), 200, 200, 200, places=SOME)
async def streams_of_urllib3_read_to_their_end(code: Code) -> None:
    response = code.client().inner.request("GET", code.url("/lines"), preload_content=False)
    assert len(list(response)) == 20
    response.release_conn()
    response = code.client().inner.request("GET", code.url("/big"), preload_content=False)
    assert sum(map(len, response.stream(5000))) == 200_000
    response = code.client().inner.request("GET", code.url("/chunks"), preload_content=False)
    response.drain_conn()
    response.release_conn()


@piece((URLLIB3,), 200, 200, places=SCRIPTED)
async def uploads_of_urllib3_in_chunks(code: Code) -> None:
    for _ in range(2):
        response = code.client().inner.request("POST", code.url(), body=parts(), chunked=True)
        assert response.data == b"".join(PARTS)


@piece((URLLIB3,), 503, 200, 503, 200, places=SCRIPTED)
async def retries_of_urllib3(code: Code) -> None:
    from urllib3 import Retry

    retries = Retry(3, status_forcelist=[503], backoff_factor=0)
    for _ in range(2):
        url = code.url(f"/flaky?{uuid4()}")
        assert code.client().inner.request("GET", url, retries=retries).status == 200


@piece((URLLIB3,), 200, 200, 200, places=SCRIPTED)
async def threads_of_urllib3_that_wait_for_the_one_connection(code: Code) -> None:
    clients = [code.client(maxsize=1, block=True) for _ in range(3)]
    await code.driver.together(nothing, *(each.get(code.url()) for each in clients))


@piece((HTTP_CLIENT,), 200, 200, 200, places=SOME)
async def streams_of_http_client_read_to_their_end(code: Code) -> None:
    with await code.client().begin(code.url("/lines")) as response:
        assert len(list(response)) == 20
    with await code.client().begin(code.url("/big")) as response:
        while response.read(5000):
            pass
    response = await code.client().begin(code.url("/chunks"))
    response.read()


@piece((HTTP_CLIENT,), 200, 200, places=SCRIPTED)
async def uploads_of_http_client_in_chunks(code: Code) -> None:
    for _ in range(2):
        await code.client().send("POST", code.url(), parts())


# botocore


@piece((BOTOCORE,), 200, 200, 200, places=SOME)
async def bodies_of_botocore_read_to_their_end(code: Code) -> None:
    for path in ("/big", "/lines"):
        body = await code.client().begin(code.url(path))
        assert list(body.iter_lines())
    body = await code.client().begin(code.url("/big"))
    assert sum(map(len, body.iter_chunks(5000))) == 200_000


# httpx and httpx2


@piece(SYNC_HTTPX, 200, 200, 200, places=SOME)
async def streams_of_httpx_read_to_their_end(code: Code) -> None:
    with code.client().inner.stream("GET", code.url("/lines")) as response:
        assert len(list(response.iter_lines())) == 20
    with code.client().inner.stream("GET", code.url("/big")) as response:
        assert sum(map(len, response.iter_bytes())) == 200_000
    with code.client().inner.stream("GET", code.url("/chunks")) as response:
        assert len(response.read()) == 5000


@piece(OTHER_HTTPX, 200, 200, 200, places=SOME)
async def streams_of_async_httpx_read_to_their_end(code: Code) -> None:
    async with code.client().inner.stream("GET", code.url("/lines")) as response:
        assert len([line async for line in response.aiter_lines()]) == 20
    async with code.client().inner.stream("GET", code.url("/big")) as response:
        assert sum([len(part) async for part in response.aiter_bytes()]) == 200_000
    async with code.client().inner.stream("GET", code.url("/chunks")) as response:
        assert len(await response.aread()) == 5000


@piece(SYNC_HTTPX, 200, 200, places=(*SCRIPTED, "http2"))
async def uploads_of_httpx_in_chunks(code: Code) -> None:
    for _ in range(2):
        response = code.client().inner.post(code.url(), content=parts())
        assert response.content == b"".join(PARTS)


@piece(OTHER_HTTPX, 200, 200, places=(*SCRIPTED, "http2"))
async def uploads_of_async_httpx_in_chunks(code: Code) -> None:
    for _ in range(2):
        response = await code.client().inner.post(code.url(), content=parts_in_time())
        assert response.content == b"".join(PARTS)


@piece(HTTPX_ALL, 200, 200, 401, 200, 200, places=SOME)
async def credentials_of_httpx(code: Code) -> None:
    digest = code.driver.module.DigestAuth("user", "secret")
    calls = [("/basic", ("user", "secret"))] * 2 + [("/digest", digest)] * 2
    for path, auth in calls:
        response = code.client().inner.get(code.url(path), auth=auth)
        (await response if code.driver.waits else response).raise_for_status()


@piece(HTTPX_ALL, 200, 200, 200, places=SCRIPTED)
async def calls_of_httpx_that_wait_for_the_one_connection(code: Code) -> None:
    clients = [code.client(max_connections=1) for _ in range(3)]
    await code.driver.together(nothing, *(each.get(code.url()) for each in clients))


@piece(HTTPX_ALL, *[200] * 6, places=("http2", "nginx-tls"))
async def streams_that_share_the_one_connection(code: Code) -> None:
    await code.client().get(code.url())
    calls = [code.client().get(code.url("/big")) for _ in range(5)]
    await code.driver.together(nothing, *calls)


# aiohttp


@piece((AIOHTTP,), 200, 200, 200, 200, places=SOME)
async def streams_of_aiohttp_read_to_their_end(code: Code) -> None:
    async with code.client().inner.get(code.url("/lines")) as response:
        assert len([line async for line in response.content]) == 20
    async with code.client().inner.get(code.url("/big")) as response:
        sizes = [len(part) async for part in response.content.iter_chunked(5000)]
        assert sum(sizes) == 200_000
    async with code.client().inner.get(code.url("/chunks")) as response:
        while not response.content.at_eof():
            await response.content.readany()
    async with code.client().inner.get(code.url("/events")) as response:
        assert "[DONE]" in await response.text()


@piece((AIOHTTP,), 200, 200, 200, places=SCRIPTED)
async def uploads_of_aiohttp_in_chunks(code: Code) -> None:
    for _ in range(2):
        async with code.client().inner.post(code.url(), data=parts_in_time()) as response:
            assert await response.read() == b"".join(PARTS)
    async with code.client().inner.put(code.url(), data=b"x" * 50, expect100=True) as response:
        await response.read()


@piece((AIOHTTP,), 200, 200, 200, places=SOME)
async def credentials_of_aiohttp(code: Code) -> None:
    auth = {"headers": {"Authorization": "Basic dXNlcjpzZWNyZXQ="}}
    for path, options in (("/basic", auth), ("/basic", auth), ("/members", {"cookies": COOKIES})):
        async with code.client().inner.get(code.url(path), **options) as response:
            assert await response.read()


# The middleware sends again before it has read why, so that is to come at once.
@piece((AIOHTTP,), 401, 200, 200, places=("plain",))
async def digests_of_aiohttp(code: Code) -> None:
    middlewares = (code.driver.module.DigestAuthMiddleware("user", "secret"),)
    for _ in range(2):
        session = code.client().inner
        async with session.get(code.url("/digest"), middlewares=middlewares) as response:
            assert await response.read()


@piece((AIOHTTP,), 200, 200, 200, places=SCRIPTED)
async def tasks_of_aiohttp_that_wait_for_the_one_connection(code: Code) -> None:
    clients = [code.client(limit=1) for _ in range(3)]
    await code.driver.together(nothing, *(each.get(code.url()) for each in clients))


# niquests for tasks


@piece((ASYNC_NIQUESTS,), 200, 200, places=SOME)
async def streams_of_async_niquests_read_to_their_end(code: Code) -> None:
    for path in ("/lines", "/big"):
        response = await code.client().inner.get(code.url(path), stream=True)
        assert [part async for part in await response.iter_content(5000)]
        await response.close()
