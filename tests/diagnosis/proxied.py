"""Clients behind a proxy, each told of it as its user tells it."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.diagnosis.clients import AiohttpClient, HttpClient
from tests.diagnosis.drivers import Client, Driver
from tests.diagnosis.urllib3_clients import Urllib3Client


def make_behind(driver: Driver, proxy: str, settings: dict[str, Any]) -> Client:
    """Make a client object all of whose requests go through a proxy.

    Args:
        driver: Of the client.
        proxy: Its URL.
        settings: All the others.
    """
    family = driver.package
    return _WAYS[family](driver, proxy, settings)


def _with_proxies(driver: Driver, proxy: str, settings: dict[str, Any]) -> Client:
    client = driver.make(**settings)
    client.inner.proxies = {"http": proxy, "https": proxy}
    return client


def _with_a_manager(driver: Driver, proxy: str, settings: dict[str, Any]) -> Client:
    return Urllib3Client(driver.module.ProxyManager(proxy, **settings), driver.module.Retry)


def _with_a_setting(driver: Driver, proxy: str, settings: dict[str, Any]) -> Client:
    return driver.make(proxy=proxy, **settings)


def _with_proxies_of_its_configuration(
    driver: Driver, proxy: str, settings: dict[str, Any]
) -> Client:
    return driver.make(proxies={"http": proxy, "https": proxy}, **settings)


def _with_a_session(driver: Driver, proxy: str, settings: dict[str, Any]) -> Client:
    connector = driver.module.TCPConnector(**settings)
    return AiohttpClient(driver.module.ClientSession(connector=connector, proxy=proxy))


def _with_a_tunnel(driver: Driver, proxy: str, settings: dict[str, Any]) -> Client:
    return _Tunnelled(settings.get("verify"), proxy)


class _Tunnelled(HttpClient):
    """Sends all of its requests through one proxy.

    Args:
        inner: The TLS context, or ``None``.
        proxy: Its URL.
    """

    def __init__(self, inner: Any, proxy: str) -> None:
        super().__init__(inner)
        self._proxy = urlsplit(proxy)

    def _connection_to(self, url: str) -> http.client.HTTPConnection:
        if self.connection is None:
            parts = urlsplit(url)
            connection = super()._connection_to(self._proxy._replace(scheme="http").geturl())
            assert parts.hostname
            connection.set_tunnel(parts.hostname, parts.port)
        assert self.connection is not None
        return self.connection


_WAYS: dict[str, Callable[[Driver, str, dict[str, Any]], Client]] = {
    "aiohttp": _with_a_session,
    "botocore": _with_proxies_of_its_configuration,
    "http.client": _with_a_tunnel,
    "httpx": _with_a_setting,
    "httpx2": _with_a_setting,
    "niquests": _with_proxies,
    "requests": _with_proxies,
    "urllib3": _with_a_manager,
}
