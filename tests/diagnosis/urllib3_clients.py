"""Clients that stand on urllib3, or on what became of it: driven by the words of all clients."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pytest_keepalive._server import KeepaliveServer
from tests.diagnosis.drivers import (
    AsyncioDriver,
    Client,
    Driver,
)


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
