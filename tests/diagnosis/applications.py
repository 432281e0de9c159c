"""Servers of all kinds that serve the same pages.

``python -m tests.diagnosis.applications SERVER PORT`` runs one that has no command of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.diagnosis.pages import Asked, answer


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer what WSGI brings."""
    query = environ.get("QUERY_STRING")
    target = environ["PATH_INFO"] + (f"?{query}" if query else "")
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    answered = answer(Asked(target, _sent_to(environ), headers))
    start_response(answered.status_line, answered.headers)
    return answered.body if environ["REQUEST_METHOD"] != "HEAD" else []


def _sent_to(environ: dict[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        # One that was sent in chunks has no length.
        return bytes(stream.read())
    return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer what ASGI brings, the same."""
    if scope["type"] != "http":
        return
    sent, more = b"", True
    while more:
        message = await receive()
        sent, more = sent + message.get("body", b""), message.get("more_body", False)
    query = scope["query_string"].decode()
    target = scope["path"] + (f"?{query}" if query else "")
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    answered = answer(Asked(target, sent, headers))
    fields = [(name.lower().encode(), value.encode()) for name, value in answered.headers]
    start = {"type": "http.response.start", "status": answered.status.value, "headers": fields}
    await send(start)
    for piece in answered.body if scope["method"] != "HEAD" else []:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Plain(BaseHTTPRequestHandler):
    """A handler as people write it, on HTTP/1.0."""

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answered = answer(Asked(self.path, sent, headers))
        body = b"".join(answered.body)
        self.send_response(answered.status)
        for name, value in answered.headers:
            self.send_header(name, value)
        if answered.body and "Content-Length" not in dict(answered.headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class Keeping(Plain):
    protocol_version = "HTTP/1.1"


def _werkzeug(port: int, http_version: str = "HTTP/1.0") -> None:
    from werkzeug.serving import WSGIRequestHandler, run_simple

    WSGIRequestHandler.protocol_version = http_version
    run_simple("127.0.0.1", port, wsgi, threaded=True)


def _waitress(port: int) -> None:
    import waitress

    waitress.serve(wsgi, host="127.0.0.1", port=port, threads=16)


def _aiohttp(port: int) -> None:
    from aiohttp import web

    async def respond(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        answered = answer(Asked(request.path_qs, await request.read(), headers))
        fields = [each for each in answered.headers if each[0] != "Content-Length"]
        body = b"".join(answered.body)
        return web.Response(status=answered.status, headers=fields, body=body)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", respond)
    web.run_app(application, host="127.0.0.1", port=port, print=None)


_SERVERS: dict[str, Callable[[int], None]] = {
    "werkzeug": _werkzeug,
    "werkzeug-1.1": lambda port: _werkzeug(port, "HTTP/1.1"),
    "waitress": _waitress,
    "aiohttp": _aiohttp,
    "http.server": lambda port: ThreadingHTTPServer(("127.0.0.1", port), Plain).serve_forever(),
    "http.server-1.1": lambda port: ThreadingHTTPServer(
        ("127.0.0.1", port), Keeping
    ).serve_forever(),
}

if __name__ == "__main__":
    _SERVERS[sys.argv[1]](int(sys.argv[2]))
