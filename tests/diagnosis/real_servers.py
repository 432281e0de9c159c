"""Real servers, each a process of its own that is known to listen, and gone at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.diagnosis.pages import BODY, Asked, answer

_ROOT = Path(__file__).parents[2]
_PATIENCE = 30.0
_APPLICATIONS = "tests.diagnosis.applications"
_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_min_length 10;
    gzip_types application/json;
    default_type application/json;
    {terms}
    server {{
        listen 127.0.0.1:{port} {tls};
        absolute_redirect off;
        rewrite ^/b(/.*)$ $1;
        location = /ok {{ return 200 '{body}'; }}
        location = / {{ return 200 '{body}'; }}
        location = /empty {{ return 204; }}
        location = /upload {{ return 200; }}
        location = /moved {{ return 302 /ok; }}
        location = /private {{ return 401; }}
        location ~ ^/(basic|digest)$ {{
            set $challenge Basic;
            if ($uri = /digest) {{ set $challenge 'Digest nonce="0123456789abcdef", qop="auth",'; }}
            add_header WWW-Authenticate '$challenge realm="pages"' always;
            if ($http_authorization = '') {{ return 401; }}
            return 200 '{body}';
        }}
        location = /login {{ add_header Set-Cookie 'token=secret; Path=/'; return 200 '{body}'; }}
        location = /members {{ if ($cookie_token = '') {{ return 403; }} return 200 '{body}'; }}
        location / {{ root {folder}/pages; }}
    }}
}}
"""


class Server(NamedTuple):
    """How a server is run.

    Args:
        kind: Such as ``uvicorn``.
        arguments: Of its command; of nginx, directives.
        tls: Whether it speaks TLS, and then HTTP/2.
    """

    kind: str
    arguments: tuple[str, ...] = ()
    tls: bool = False

    def __str__(self) -> str:
        return "-".join((self.kind, *self.arguments)).replace(" ", "_")

    def command(self, folder: Path, port: int) -> list[str]:
        """Give what runs it."""
        address = f"127.0.0.1:{port}"
        if self.kind == "nginx":
            return [_nginx(), "-p", str(folder), "-c", str(self._configuration(folder, port))]
        module = [sys.executable, "-m", self.kind]
        if self.kind == "uvicorn":
            named = (f"{_APPLICATIONS}:asgi", "--port", str(port), "--log-level", "error")
            return [*module, *named, *self.arguments]
        if self.kind == "gunicorn":
            return [*module, f"{_APPLICATIONS}:wsgi", "-b", address, *self.arguments]
        if self.kind == "hypercorn":
            return [*module, f"{_APPLICATIONS}:asgi", "-b", address, *self.arguments]
        return [sys.executable, "-m", _APPLICATIONS, self.kind, str(port)]

    def _configuration(self, folder: Path, port: int) -> Path:
        terms, tls = "\n".join(f"{each};" for each in self.arguments), ""
        if self.tls:
            tls = "ssl http2"
            terms += f"\nssl_certificate {folder}/chain;\nssl_certificate_key {folder}/key;"
        text = _NGINX.format(folder=folder, terms=terms, port=port, tls=tls, body=BODY.decode())
        _write_pages(folder / "pages")
        path = folder / "nginx.conf"
        path.write_text(text)
        return path


def _write_pages(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("big", "cached", "chunks", "compressed", "events", "lines"):
        page = answer(Asked(f"/{name}", b"", {}))
        (folder / name).write_bytes(b"".join(page.body))


@contextmanager
def running(server: Server, folder: Path) -> Iterator[int]:
    """Run a server, and give its port.

    Args:
        server: Which one.
        folder: For what it writes.
    """
    port = free_port()
    command = server.command(folder, port)
    log = (folder / "log").open("w+b")
    process = subprocess.Popen(command, cwd=_ROOT, stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        log.close()


def free_port() -> int:
    """Give a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def certify(folder: Path) -> None:
    """Write a certificate for loopback, its key and its authority."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    (folder / "chain").write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(folder / "key")
    authority.cert_pem.write_to_path(folder / "authority")


def _nginx() -> str:
    path = shutil.which("nginx")
    if path is None:
        pytest.skip("nginx is not there")
    return path


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        assert process.poll() is None, "the server has ended"
        time.sleep(0.02)
    raise AssertionError("the server does not listen")
