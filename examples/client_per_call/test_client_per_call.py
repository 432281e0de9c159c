"""A client per call: caught.

The SDK below calls ``requests.get``, which makes a session, opens a connection and throws both
away. Every header says keep-alive and every answer is right, so no other test would notice; each
call pays for a connection of its own.
"""

from __future__ import annotations

import pytest
import requests

from pytest_keepalive import KeepaliveServer


class Weather:
    """An SDK as many are written first."""

    def __init__(self, url: str) -> None:
        self.url = url

    def in_city(self, city: str) -> str:
        response = requests.get(f"{self.url}/cities/{city}", timeout=5)
        response.raise_for_status()
        return response.text


@pytest.mark.single_connection(requests=10)
def test_ten_cities_share_one_connection(keepalive_server: KeepaliveServer) -> None:
    keepalive_server.reply("*", body="sunny")
    weather = Weather(keepalive_server.url)
    for number in range(10):
        assert weather.in_city(f"city-{number}") == "sunny"
