"""A server that never keeps alive: explained.

The client is right: one session, bodies read. But pytest-httpserver runs on Werkzeug's development
server, which closes each connection behind its response (so do ``flask run``, the default
``http.server``, wsgiref and gunicorn's sync worker). No client can share a connection there, and
the report says who ended each of them. Test reuse against a server that keeps alive, such as the
``keepalive_server`` fixture.
"""

from __future__ import annotations

import logging

import pytest
import requests
from pytest_httpserver import HTTPServer

logging.getLogger("werkzeug").setLevel(logging.WARNING)


@pytest.mark.single_connection(requests=5)
def test_five_calls_share_one_connection(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/orders").respond_with_json([])
    with requests.Session() as session:
        for _ in range(5):
            assert session.get(httpserver.url_for("/orders"), timeout=5).json() == []
