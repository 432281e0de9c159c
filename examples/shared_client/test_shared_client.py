"""One shared client: kept.

The same SDK as in ``client_per_call``, mended: it has one session, and ten calls go over one
connection. The referee at the other end of the wire agrees.
"""

from __future__ import annotations

from types import TracebackType

import pytest
import requests

from pytest_keepalive import KeepaliveServer


class Weather:
    """The SDK with a session of its own, which ends with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def __enter__(self) -> Weather:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.session.close()

    def in_city(self, city: str) -> str:
        response = self.session.get(f"{self.url}/cities/{city}", timeout=5)
        response.raise_for_status()
        return response.text


@pytest.mark.single_connection(requests=10)
@pytest.mark.connections(left_open_at_most=0)
def test_ten_cities_share_one_connection(keepalive_server: KeepaliveServer) -> None:
    keepalive_server.reply("*", body="sunny")
    with Weather(keepalive_server.url) as weather:
        for number in range(10):
            assert weather.in_city(f"city-{number}") == "sunny"
    assert keepalive_server.accepted == 1
