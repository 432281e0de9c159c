"""Where correct code runs: servers that keep connections, each with somebody who counts them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pytest_keepalive._server import ConnectProxy, KeepaliveServer, RecordedRequest, Reply
from tests.diagnosis.pages import Asked, answer
from tests.diagnosis.real_servers import Server, certify, running
from tests.diagnosis.relay import Relay

# Of clients that speak no TLS, and would read all the authorities nevertheless.
_USUAL = ssl.create_default_context()
# Longer than any test takes on a slow machine.
_KEEP = "60"
_REAL = {
    "nginx": Server("nginx"),
    "nginx-tls": Server("nginx", tls=True),
    "uvicorn": Server("uvicorn", ("--timeout-keep-alive", _KEEP)),
    "gunicorn": Server(
        "gunicorn", ("--worker-class", "gthread", "--threads", "4", "--keep-alive", _KEEP)
    ),
    "hypercorn": Server("hypercorn", ("--keep-alive", _KEEP)),
    "waitress": Server("waitress"),
    "aiohttp": Server("aiohttp"),
    "http.server": Server("http.server-1.1"),
}
_SCRIPTED: dict[str, dict[str, Any]] = {
    "plain": {},
    "announcing": {"announce_keep_alive": True, "idle_timeout": 60},
    "localhost": {"host": "localhost"},
    "tls": {"tls": True},
    "http2": {"tls": True, "http2": True},
}
PLACES = (*_SCRIPTED, *_REAL, "proxy", "tunnel")
# Those that any environment has, whatever is installed.
EVERYWHERE = (*_SCRIPTED, "nginx", "nginx-tls", "http.server", "proxy", "tunnel")


class Trust:
    """What a client is told of certificates.

    Args:
        ca_file: Of the authority, or ``None`` for the usual ones.
    """

    def __init__(self, ca_file: str | None) -> None:
        self.ca_file = ca_file

    def client_context(self) -> ssl.SSLContext:
        """Give a context that trusts it; where none is needed, the same one each time."""
        return _USUAL if self.ca_file is None else ssl.create_default_context(cafile=self.ca_file)


class Place(NamedTuple):
    """An origin, and who counts its connections.

    Args:
        name: Such as ``nginx``.
        url: Without a path.
        counted: Tells how many connections were accepted.
        trust: What its clients trust.
        http2: Whether it speaks HTTP/2.
        proxy: The URL of the proxy that leads there, or none.
    """

    name: str
    url: str
    counted: Callable[[], int]
    trust: Trust
    http2: bool = False
    proxy: str = ""

    @property
    def is_over_tls(self) -> bool:
        """Whether its certificate has to be trusted."""
        return self.url.startswith("https:")


class Places:
    """All of them, each running from when it is first asked for.

    Args:
        folder: For what the servers write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self._known: dict[str, Place] = {}

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    def __getitem__(self, name: str) -> Place:
        if name not in self._known:
            self._known[name] = self._running.enter_context(self._run(name))
        return self._known[name]

    def _run(self, name: str) -> AbstractContextManager[Place]:
        if name in _SCRIPTED:
            return _scripted(name)
        if name in _REAL:
            folder = self._folder / name
            folder.mkdir(exist_ok=True)
            return _real(name, folder)
        return _behind_a_proxy(name, self["tls" if name == "tunnel" else "plain"])


@contextmanager
def _scripted(name: str) -> Iterator[Place]:
    terms = _SCRIPTED[name]
    with KeepaliveServer(**terms) as server:
        server.route("*", _reply)
        trust = Trust(server.ca_file if "tls" in terms else None)
        yield Place(name, server.url, lambda: server.accepted, trust, "http2" in terms)


@contextmanager
def _real(name: str, folder: Path) -> Iterator[Place]:
    server = _REAL[name]
    if server.tls:
        certify(folder)
    trust = Trust(str(folder / "authority") if server.tls else None)
    scheme = "https" if server.tls else "http"
    with running(server, folder) as port, Relay(port) as relay:
        url = f"{scheme}://127.0.0.1:{relay.port}"
        yield Place(name, url, lambda: relay.accepted, trust, server.tls)


@contextmanager
def _behind_a_proxy(name: str, place: Place) -> Iterator[Place]:
    with ConnectProxy() as proxy:
        yield place._replace(name=name, counted=lambda: proxy.accepted, proxy=proxy.url)


def _reply(request: RecordedRequest) -> Reply:
    headers = {name.lower(): value for name, value in request.headers}
    answered = answer(Asked(request.target, request.body, headers))
    fields = [each for each in answered.headers if each[0] != "Content-Length"]
    whole = len(fields) < len(answered.headers) or not answered.body
    body = b"".join(answered.body) if whole else answered.body
    return Reply(answered.status.value, body, fields)
