"""The server that the clients of the benchmark talk to: a process of its own, as small as can be.

Its answer is what an API sends: a head of ten fields and a body of JSON of 1 KB.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_HEAD = (
    "HTTP/1.1 200 OK",
    "Server: nginx/1.27.2",
    "Date: Mon, 02 Jun 2025 12:00:00 GMT",
    "Content-Type: application/json; charset=utf-8",
    "Content-Length: {length}",
    "Connection: keep-alive",
    "Vary: Accept-Encoding",
    'ETag: W/"3b2-6bXk0u9gCwq1n6l8mJ0H5rV2s3A"',
    "Cache-Control: private, max-age=0, must-revalidate",
    "X-Request-Id: 9f86d081-884c-4d63-a59b-2a5d2c5f0a1e",
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
)
_BODY = '{"items":[' + ",".join(f'{{"id":{n},"name":"item {n}"}}' for n in range(36)) + "]}"
ANSWER = ("\r\n".join(_HEAD).format(length=len(_BODY)) + "\r\n\r\n" + _BODY).encode()


class Answering(asyncio.Protocol):
    """Answers every request without a body.

    Args:
        seconds: How long it takes for that.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are whole."""
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        answers = ANSWER * len(requests)
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, answers)
        else:
            self._transport.write(answers)


@contextmanager
def running_origin(seconds: float = 0.0) -> Iterator[int]:
    """Run the server in a process of its own, and give its port.

    Args:
        seconds: How long it takes for each answer.
    """
    command = (sys.executable, "-m", __name__, str(seconds))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _serve(seconds: float = 0.0) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(seconds), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*map(float, sys.argv[1:])))
