"""Every way to connect: each makes one connection to a server, and closes it."""

from __future__ import annotations

import asyncio
import errno
import selectors
import socket
import threading
from typing import Any

import trio

from pytest_keepalive._server import KeepaliveServer
from tests.sockets import address_of


def plainly(server: KeepaliveServer) -> None:
    with socket.socket() as client:
        client.connect(address_of(server))


def with_a_code(server: KeepaliveServer) -> None:
    with socket.socket() as client:
        assert client.connect_ex(address_of(server)) == 0


def with_a_timeout(server: KeepaliveServer) -> None:
    with socket.socket() as client:
        client.settimeout(5)
        client.connect(address_of(server))


def by_name(server: KeepaliveServer) -> None:
    with socket.socket() as client:
        client.connect(("localhost", server.port))


def to_any_address(server: KeepaliveServer) -> None:
    with socket.socket() as client:
        client.connect(("0.0.0.0", server.port))


def from_a_port_of_its_own(server: KeepaliveServer) -> None:
    address = address_of(server)
    with socket.create_connection(address, source_address=("127.0.0.1", 0)):
        pass


def without_blocking(server: KeepaliveServer) -> None:
    with socket.socket() as client, selectors.DefaultSelector() as selector:
        client.setblocking(False)
        assert client.connect_ex(address_of(server)) in (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
        selector.register(client, selectors.EVENT_WRITE)
        assert selector.select(5)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def by_polling(server: KeepaliveServer) -> None:
    with socket.socket() as client, selectors.DefaultSelector() as selector:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_WRITE)
        while client.connect_ex(address_of(server)) not in (0, errno.EISCONN):
            assert selector.select(5)


def in_a_thread(server: KeepaliveServer) -> None:
    thread = threading.Thread(target=plainly, args=(server,))
    thread.start()
    thread.join()


def with_asyncio(server: KeepaliveServer) -> None:
    async def main() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await writer.wait_closed()

    asyncio.run(main())


def with_asyncio_by_name(server: KeepaliveServer) -> None:
    async def main() -> None:
        _, writer = await asyncio.open_connection(
            "localhost", server.port, family=socket.AF_INET, happy_eyeballs_delay=0.25
        )
        writer.close()
        await writer.wait_closed()

    asyncio.run(main())


def with_trio(server: KeepaliveServer) -> None:
    async def main() -> None:
        async with await trio.open_tcp_stream("127.0.0.1", server.port):
            pass

    trio.run(main)


def through_a_subclass(server: KeepaliveServer) -> None:
    class Mine(socket.socket):
        def connect(self, address: Any) -> None:
            super().connect(address)

    with Mine() as client:
        client.connect(address_of(server))


WAYS = [
    plainly,
    with_a_code,
    with_a_timeout,
    by_name,
    to_any_address,
    from_a_port_of_its_own,
    without_blocking,
    by_polling,
    in_a_thread,
    with_asyncio,
    with_asyncio_by_name,
    with_trio,
    through_a_subclass,
]
