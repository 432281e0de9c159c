"""Clients driven by the same words, so that one scenario serves them all.

Everything is a coroutine: those of a client for threads never wait, and are run to their end by
one step.
"""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import cache
from io import BytesIO
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from pytest_keepalive._server import KeepaliveServer

Result = TypeVar("Result")
Body = Callable[["Driver"], Coroutine[Any, Any, Result]]
DONE = b"[DONE]"
SHORT = 0.1


class Client(ABC):
    """An object that keeps connections, as its user has it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.held: list[Any] = []

    async def get(self, url: str, **options: Any) -> None:
        """Send a request and read its response to the end."""
        await self.send("GET", url, **options)

    @abstractmethod
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        """Send a request and read its response to the end."""

    @abstractmethod
    async def begin(self, url: str) -> Any:
        """Send a request and wait for the head of its response."""

    @abstractmethod
    async def leave(self, response: Any) -> None:
        """Let go of a response, whatever is left of it."""

    @abstractmethod
    async def read_to(self, response: Any, mark: bytes) -> None:
        """Read on until some bytes have come."""

    @abstractmethod
    async def wait_for(self, url: str, timeout: float) -> None:
        """Send a request that times out."""

    @abstractmethod
    async def close(self) -> None:
        """Close it."""

    async def hold(self, url: str) -> None:
        """Send a request, and hold its response without reading it."""
        self.held.append(await self.begin(url))


class Driver(ABC):
    """How code that uses a client is run."""

    name: str
    package: str
    waits = False

    @abstractmethod
    def make(self, **settings: Any) -> Client:
        """Make a client object."""

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        """Give the settings with which a client takes the certificate of a server."""
        return {"verify": server.client_context()}

    @property
    def module(self) -> Any:
        """The client library."""
        return importlib.import_module(self.package)

    def run(self, body: Body[Result]) -> Result:
        """Run a scenario to its end."""
        result: Result = run_now(body(self))
        return result

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    async def off_the_loop(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function that blocks, and let other tasks go on meanwhile."""
        function(*args)

    async def together(self, meanwhile: Callable[[], Any], *calls: Awaitable[Any]) -> None:
        """Make some calls at once; and do something while they are under way."""
        threads = [Thread(target=run_now, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        meanwhile()
        for thread in threads:
            thread.join()

    async def cancelled(self, call: Coroutine[Any, Any, Any]) -> None:
        """Begin a call and cancel it in its midst."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


def run_now(call: Any) -> Any:
    """Run a coroutine that never waits."""
    try:
        call.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("this coroutine waits")


class AsyncioDriver(Driver):
    """Runs in an event loop of asyncio."""

    waits = True

    def run(self, body: Body[Result]) -> Result:
        return asyncio.run(body(self))

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def off_the_loop(self, function: Callable[..., Any], *args: Any) -> None:
        await asyncio.to_thread(function, *args)

    async def together(self, meanwhile: Callable[[], Any], *calls: Awaitable[Any]) -> None:
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.to_thread(meanwhile)
        await asyncio.gather(*tasks)

    async def cancelled(self, call: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(call)
        await asyncio.sleep(SHORT)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class TrioDriver(Driver):
    """Runs in trio."""

    waits = True

    def run(self, body: Body[Result]) -> Result:
        import trio

        return trio.run(body, self)

    async def pause(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def off_the_loop(self, function: Callable[..., Any], *args: Any) -> None:
        import trio

        await trio.to_thread.run_sync(function, *args)

    async def together(self, meanwhile: Callable[[], Any], *calls: Awaitable[Any]) -> None:
        import trio

        async def make(call: Awaitable[Any]) -> None:
            await call

        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(make, call)
            await trio.to_thread.run_sync(meanwhile)

    async def cancelled(self, call: Coroutine[Any, Any, Any]) -> None:
        import trio

        with trio.move_on_after(SHORT):
            await call


# requests, urllib3, botocore


class RequestsClient(Client):
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.inner.request(method, url, data=body or None, headers=headers).content  # noqa: B018

    async def begin(self, url: str) -> Any:
        return self.inner.get(url, stream=True)

    async def leave(self, response: Any) -> None:
        response.close()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        for part in response.iter_content(None):
            read += part
            if mark in read:
                return

    async def wait_for(self, url: str, timeout: float) -> None:
        with suppress(Exception):
            self.inner.get(url, timeout=timeout)

    async def close(self) -> None:
        self.inner.close()


class RequestsDriver(Driver):
    name = package = "requests"

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        return {"verify": server.ca_file}

    def make(self, **settings: Any) -> Client:
        session = self.module.Session()
        session.trust_env = False
        if "verify" in settings:
            session.verify = settings.pop("verify")
        if settings:
            session.mount("http://", self.module.adapters.HTTPAdapter(**settings))
            session.mount("https://", self.module.adapters.HTTPAdapter(**settings))
        return RequestsClient(session)


class NiquestsClient(RequestsClient):
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.inner.request(method, url, data=body or None, headers=headers)


class NiquestsDriver(RequestsDriver):
    name = package = "niquests"

    def make(self, **settings: Any) -> Client:
        multiplexed = settings.pop("multiplexed", False)
        made = NiquestsClient(super().make(**settings).inner)
        made.inner.multiplexed = multiplexed
        return made


class AsyncNiquestsClient(Client):
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        await self.inner.request(method, url, data=body or None, headers=headers)

    async def begin(self, url: str) -> Any:
        return await self.inner.get(url, stream=True)

    async def leave(self, response: Any) -> None:
        await response.close()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        async for part in await response.iter_content(-1):
            read += part
            if mark in read:
                return

    async def wait_for(self, url: str, timeout: float) -> None:
        with suppress(Exception):
            await self.inner.get(url, timeout=timeout)

    async def close(self) -> None:
        await self.inner.close()


class AsyncNiquestsDriver(AsyncioDriver):
    name = "niquests-asyncio"
    package = "niquests"

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        return {"verify": server.ca_file}

    def make(self, **settings: Any) -> Client:
        verify = settings.pop("verify", True)
        session = self.module.AsyncSession(**settings)
        session.trust_env, session.verify = False, verify
        return AsyncNiquestsClient(session)


class Urllib3Client(Client):
    def __init__(self, inner: Any, retry: Any) -> None:
        super().__init__(inner)
        self.retry = retry

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        retries = self.retry(connect=0, read=0, other=0, redirect=3)
        self.inner.request(method, url, body=body or None, headers=headers, retries=retries)

    async def begin(self, url: str) -> Any:
        return self.inner.request("GET", url, preload_content=False)

    async def leave(self, response: Any) -> None:
        response.close()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        for part in response.stream(64):
            read += part
            if mark in read:
                return

    async def wait_for(self, url: str, timeout: float) -> None:
        with suppress(Exception):
            self.inner.request("GET", url, timeout=timeout, retries=False)

    async def close(self) -> None:
        self.inner.clear()


class Urllib3Driver(Driver):
    name = package = "urllib3"

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        return {"ca_certs": server.ca_file}

    def make(self, **settings: Any) -> Client:
        return Urllib3Client(self.module.PoolManager(**settings), self.module.Retry)


class BotocoreClient(Client):
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        place = _object_of(url)
        if method == "GET":
            self.inner.get_object(**place)["Body"].read()
        elif method == "HEAD":
            self.inner.head_object(**place)
        elif method == "PUT":
            self.inner.put_object(**place, Body=body)
        else:
            # The one whose URL has no key, and which says no Expect.
            doomed = [{"Key": "x" * 1000}] * 1000
            self.inner.delete_objects(Bucket=place["Key"], Delete={"Objects": doomed})

    async def begin(self, url: str) -> Any:
        return self.inner.get_object(**_object_of(url))["Body"]

    async def leave(self, response: Any) -> None:
        response.close()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        for part in response.iter_chunks(1):
            read += part
            if mark in read:
                return

    async def wait_for(self, url: str, timeout: float) -> None:
        with suppress(Exception):
            await self.get(url)

    async def close(self) -> None:
        self.inner.close()


class BotocoreDriver(Driver):
    name = package = "botocore"

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        return {"verify": server.ca_file}

    def make(self, **settings: Any) -> Client:
        from botocore.config import Config

        endpoint = settings.pop("url")
        timeout, verify = settings.pop("timeout", 5), settings.pop("verify", None)
        config = Config(
            signature_version=self._unsigned(),
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            read_timeout=timeout,
            region_name="us-east-1",
            proxies=settings.pop("proxies", {}),
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **settings,
        )
        made = self._session().create_client(
            "s3", endpoint_url=endpoint, config=config, verify=verify
        )
        return BotocoreClient(made)

    @cache  # noqa: B019 - it reads the models of all services once
    def _session(self) -> Any:
        from botocore.session import Session

        return Session()

    def _unsigned(self) -> Any:
        from botocore import UNSIGNED

        return UNSIGNED


def _object_of(url: str) -> dict[str, str]:
    """Take a path such as ``/b/key`` for a bucket and a key."""
    bucket, _, key = urlsplit(url).path.strip("/").partition("/")
    return {"Bucket": bucket, "Key": key}


# The standard library


class HttpClient(Client):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.connection: http.client.HTTPConnection | None = None

    def _connection_to(self, url: str) -> http.client.HTTPConnection:
        if self.connection is None:
            parts = urlsplit(url)
            assert parts.hostname
            where = parts.hostname, parts.port
            self.connection = http.client.HTTPConnection(*where, timeout=5)
            if self.inner is not None:
                self.connection = http.client.HTTPSConnection(*where, timeout=5, context=self.inner)
        return self.connection

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        connection = self._connection_to(url)
        for attempt in range(2):
            try:
                connection.request(method, _target_of(url), body or None, headers or {})
                connection.getresponse().read()
                return
            except OSError:
                # It never looks whether its connection is still there.
                connection.close()
                if attempt:
                    raise

    async def begin(self, url: str) -> Any:
        connection = self._connection_to(url)
        connection.request("GET", _target_of(url))
        return connection.getresponse()

    async def leave(self, response: Any) -> None:
        response.close()
        if self.connection is not None:
            self.connection.close()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        while mark not in read:
            read += response.read1(64)

    async def wait_for(self, url: str, timeout: float) -> None:
        connection = self._connection_to(url)
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(timeout)
        with suppress(Exception):
            connection.request("GET", _target_of(url))
            connection.getresponse()
        connection.close()
        connection.timeout = 5

    async def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


def _target_of(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class HttpClientDriver(Driver):
    name = package = "http.client"

    def make(self, **settings: Any) -> Client:
        return HttpClient(settings.get("verify"))


class UrllibClient(Client):
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        request = urllib.request.Request(url, body or None, headers or {}, method=method)
        with urllib.request.urlopen(request, timeout=5) as response:
            response.read()

    async def begin(self, url: str) -> Any:
        return urllib.request.urlopen(url, timeout=5)

    async def leave(self, response: Any) -> None:
        response.close()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        while mark not in read:
            read += response.read1(64)

    async def wait_for(self, url: str, timeout: float) -> None:
        with suppress(Exception):
            urllib.request.urlopen(url, timeout=timeout)

    async def close(self) -> None:
        pass


class UrllibDriver(Driver):
    name = package = "urllib.request"

    def make(self, **settings: Any) -> Client:
        return UrllibClient(None)


# httpx and httpx2


class HttpxClient(Client):
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        await self._now(self.inner.request(method, url, content=body or None, headers=headers))

    async def begin(self, url: str) -> Any:
        request = self.inner.build_request("GET", url)
        return await self._now(self.inner.send(request, stream=True))

    async def leave(self, response: Any) -> None:
        response.close()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        for part in response.iter_bytes():
            read += part
            if mark in read:
                return

    async def wait_for(self, url: str, timeout: float) -> None:
        with suppress(Exception):
            await self._now(self.inner.get(url, timeout=timeout))

    async def close(self) -> None:
        self.inner.close()

    async def _now(self, result: Any) -> Any:
        return result


class AsyncHttpxClient(HttpxClient):
    async def leave(self, response: Any) -> None:
        await response.aclose()

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        parts = response.aiter_bytes()
        async for part in parts:
            read += part
            if mark in read:
                break
        await parts.aclose()

    async def close(self) -> None:
        await self.inner.aclose()

    async def _now(self, result: Any) -> Any:
        return await result


class HttpxDriver(Driver):
    name = package = "httpx"

    def make(self, **settings: Any) -> Client:
        return HttpxClient(self.module.Client(**self.settings_from(settings)))

    def settings_from(self, settings: dict[str, Any]) -> dict[str, Any]:
        limits = {
            key: settings.pop(key)
            for key in ("keepalive_expiry", "max_keepalive_connections", "max_connections")
            if key in settings
        }
        chosen = {"limits": self.module.Limits(**limits)} if limits else {}
        return {"trust_env": False, "follow_redirects": True, **chosen, **settings}


class AsyncHttpxDriver(AsyncioDriver, HttpxDriver):
    name = "httpx-asyncio"

    def make(self, **settings: Any) -> Client:
        return AsyncHttpxClient(self.module.AsyncClient(**self.settings_from(settings)))


class TrioHttpxDriver(TrioDriver, HttpxDriver):
    name = "httpx-trio"

    def make(self, **settings: Any) -> Client:
        return AsyncHttpxClient(self.module.AsyncClient(**self.settings_from(settings)))


class Httpx2Driver(HttpxDriver):
    name = package = "httpx2"


class AsyncHttpx2Driver(AsyncHttpxDriver):
    name = "httpx2-asyncio"
    package = "httpx2"


# aiohttp


class AiohttpClient(Client):
    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        # Bytes that are as big as this would draw a warning.
        data = BytesIO(body) if body else None
        async with self.inner.request(method, url, data=data, headers=headers) as response:
            await response.read()

    async def begin(self, url: str) -> Any:
        return await self.inner.get(url)

    async def leave(self, response: Any) -> None:
        async with response:
            pass

    async def read_to(self, response: Any, mark: bytes) -> None:
        read = b""
        while mark not in read:
            read += await response.content.readany()

    async def wait_for(self, url: str, timeout: float) -> None:
        with suppress(Exception):
            await asyncio.wait_for(self.inner.get(url), timeout)

    async def close(self) -> None:
        await self.inner.close()


class AiohttpDriver(AsyncioDriver):
    name = package = "aiohttp"

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        return {"ssl": server.client_context()}

    def make(self, **settings: Any) -> Client:
        connector = self.module.TCPConnector(**settings)
        return AiohttpClient(self.module.ClientSession(connector=connector))


DRIVERS: dict[str, Driver] = {
    driver.name: driver
    for driver in (
        RequestsDriver(),
        Urllib3Driver(),
        HttpClientDriver(),
        UrllibDriver(),
        HttpxDriver(),
        AsyncHttpxDriver(),
        TrioHttpxDriver(),
        AiohttpDriver(),
        BotocoreDriver(),
        NiquestsDriver(),
        AsyncNiquestsDriver(),
        Httpx2Driver(),
        AsyncHttpx2Driver(),
    )
}


def driver_of(name: str) -> Driver:
    """Give the driver of a client; a test of one that is not installed is skipped."""
    driver = DRIVERS[name]
    if importlib.util.find_spec(driver.package.partition(".")[0]) is None:
        pytest.skip(f"pip install {driver.package}")
    return driver
