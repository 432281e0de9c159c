"""The clients that scenarios are played with, each by its name."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import time
import urllib.request
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_keepalive._server import KeepaliveServer
from tests.diagnosis.drivers import (
    AsyncioDriver,
    Body,
    Client,
    Driver,
    Result,
    TrioDriver,
)
from tests.diagnosis.urllib3_clients import (
    AsyncNiquestsDriver,
    BotocoreDriver,
    NiquestsDriver,
    RequestsDriver,
    Urllib3Driver,
)

# For the ends of TLS, in seconds; a server that is stalled answers none.
_PATIENCE = 2.0

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

    def run(self, body: Body[Result]) -> Result:
        async def whole(driver: Driver) -> Result:
            result = await body(driver)
            # aiohttp waits for no end of TLS: that is the event loop's, which has to go on for it,
            # and tells nobody when it has come.
            until = time.monotonic() + _PATIENCE
            while any(map(_is_open, _transports())) and time.monotonic() < until:
                await asyncio.sleep(0.001)
            return result

        return super().run(whole)

    def trusting(self, server: KeepaliveServer) -> dict[str, Any]:
        return {"ssl": server.client_context()}

    def make(self, **settings: Any) -> Client:
        connector = self.module.TCPConnector(**settings)
        return AiohttpClient(self.module.ClientSession(connector=connector))


def _transports() -> list[asyncio.Transport]:
    """Give those of the running event loop, where it tells."""
    known: Any = getattr(asyncio.get_running_loop(), "_transports", {})
    return list(known.values())


def _is_open(transport: asyncio.Transport) -> bool:
    return bool(transport.get_extra_info("socket").fileno() != -1)


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
