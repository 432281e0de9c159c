"""http.client: seams that are gone, and observations that fail."""

from __future__ import annotations

import http.client
import socket
import sys
from typing import Any

import pytest

from pytest_keepalive import KeepaliveWarning, measure
from pytest_keepalive._server import KeepaliveServer
from tests.probes.bodies import CHUNKS
from tests.probes.http_client import get


def test_an_observation_that_fails_changes_nothing_for_the_program(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(http.client.HTTPResponse):
        @property
        def chunked(self) -> bool:
            if "pytest_keepalive" in sys._getframe(1).f_globals["__name__"]:
                raise LookupError("odd")
            return self._chunked

        @chunked.setter
        def chunked(self, value: bool) -> None:
            self._chunked = value

    server.reply("/", body=CHUNKS)
    client = http.client.HTTPConnection(server.host, server.port, timeout=5)
    client.response_class = Odd
    with measure() as seen:
        assert get(client) == b"".join(CHUNKS)
        client.close()
    assert seen.count == 1
    assert seen.recording.notes == ("http.client: its probe failed with LookupError('odd')",)


@pytest.mark.usefixtures("_not_yet_warned")
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (http.client.HTTPConnection, "endheaders"),
        (http.client.HTTPConnection, "getresponse"),
        (http.client.HTTPResponse, "_close_conn"),
        (http.client, "HTTPResponse"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_seam_that_is_gone_costs_one_warning_and_the_exchanges(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    before = dict(vars(http.client.HTTPConnection))
    with monkeypatch.context() as patching:
        patching.delattr(owner, name)
        remaining = dict(vars(http.client.HTTPConnection))
        with pytest.warns(KeepaliveWarning) as warned, measure() as seen:
            socket.create_connection((server.host, server.port)).close()
        with measure() as again:
            socket.create_connection((server.host, server.port)).close()
        assert dict(vars(http.client.HTTPConnection)) == remaining
    assert dict(vars(http.client.HTTPConnection)) == before
    assert [str(each.message) for each in warned] == [
        f"http.client of Python {sys.version.split()[0]} has no http.client.{missing(owner, name)} "
        "any more, so the requests of http.client, urllib3, requests and botocore cannot be seen; "
        "connections are counted all the same"
    ]
    assert (seen.count, again.count) == (1, 1)
    assert seen.recording.notes == again.recording.notes == (f"http.client: {warned[0].message}",)


def missing(owner: Any, name: str) -> str:
    return name if owner is http.client else f"{owner.__name__}.{name}"


@pytest.mark.parametrize("seam", ["_buffer", "sock"])
def test_a_private_attribute_that_is_gone_changes_nothing_for_the_program(
    server: KeepaliveServer, client: http.client.HTTPConnection, seam: str
) -> None:
    class Odd(http.client.HTTPConnection):
        def __getattribute__(self, name: str) -> Any:
            if name == seam and "pytest_keepalive" in sys._getframe(1).f_globals["__name__"]:
                raise AttributeError(name)
            return super().__getattribute__(name)

    odd = Odd(server.host, server.port)
    with measure() as seen:
        assert get(odd) == b"ok"
        odd.close()
    assert seen.count == server.accepted == 1
