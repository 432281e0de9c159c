"""What in a process explains that no connection was seen: pure, over the names of its modules."""

from __future__ import annotations

from collections.abc import Collection

_INTERCEPTORS = {
    "aioresponses": "aioresponses",
    "betamax": "Betamax",
    "httpretty": "HTTPretty",
    "moto": "moto",
    "pook": "pook",
    "pytest_httpx": "pytest-httpx",
    "requests_mock": "requests-mock",
    "responses": "responses",
    "respx": "respx",
    "vcr": "VCR.py",
}
_IN_PROCESS = {
    "starlette.testclient": "starlette's TestClient",
    "werkzeug.test": "Werkzeug's test client",
    "httpx._transports.asgi": "httpx.ASGITransport",
}
_CLIENTS = ("aiohttp", "botocore", "http.client", "httpcore", "httpcore2", "niquests", "urllib3")


def reasons_for_silence(modules: Collection[str], natives: Collection[str]) -> tuple[str, ...]:
    """Say what may be behind a window without connections, a sentence each.

    Args:
        modules: The names of the modules that are loaded.
        natives: The native client libraries that are loaded.
    """
    mocks = [name for module, name in _INTERCEPTORS.items() if module in modules]
    inside = [name for module, name in _IN_PROCESS.items() if module in modules]
    reasons = []
    if mocks:
        reasons.append(f"{_listed(mocks)} answers requests without a connection, and is loaded")
    if natives:
        reasons.append(
            f"{_listed(natives)} connects without Python's sockets, and is loaded: "
            "run with --keepalive-watch=kernel"
        )
    if inside:
        reasons.append(f"{_listed(inside)} calls the application in process, and is loaded")
    if not any(client in modules for client in _CLIENTS):
        reasons.append("no client library was imported")
    return tuple(reasons) or ("the client never connected in the window",)


def _listed(names: Collection[str]) -> str:
    return " or ".join(sorted(names))
