"""What works with the plugin's own dependencies, and nothing else: its server, httpx, urllib3."""

from __future__ import annotations

import httpx
import pytest
import urllib3

from pytest_keepalive import ConnectionLimitExceeded, KeepaliveServer


@pytest.mark.single_connection(requests=3)
def test_one_client_has_one_connection(keepalive_server: KeepaliveServer) -> None:
    with httpx.Client() as client:
        for _ in range(3):
            client.get(keepalive_server.url)
    assert keepalive_server.accepted == 1


@pytest.mark.single_connection(requests=3)
def test_one_pool_has_one_connection(keepalive_server: KeepaliveServer) -> None:
    with urllib3.PoolManager() as pool:
        for _ in range(3):
            pool.request("GET", keepalive_server.url)
    assert keepalive_server.accepted == 1


@pytest.mark.xfail(raises=ConnectionLimitExceeded, strict=True)
@pytest.mark.single_connection
def test_a_client_per_call_is_caught(keepalive_server: KeepaliveServer) -> None:
    for _ in range(3):
        httpx.get(keepalive_server.url)
