"""Network backends and streams of httpcore that record.

Rules
1. Everything goes through to the backends and streams that were there before, as it came.
2. Unix sockets are handed on as they are: they are no TCP connections.
3. A stream that could not be put under TLS was closed by httpcore; one whose handshake was
   cancelled was not.
"""

from __future__ import annotations

import ssl
from time import perf_counter
from typing import Any

from pytest_keepalive._origin import Pair
from pytest_keepalive._probes._patch import observing
from pytest_keepalive._probes._tcp_info import TcpInfo
from pytest_keepalive._transports._carrier import CLIENT, Carrier, RecordedPool
from pytest_keepalive._transports._exchange import current
from pytest_keepalive._transports._opened import Connecting, look_at

try:
    from httpcore import AsyncNetworkBackend, AsyncNetworkStream, NetworkBackend, NetworkStream
except ImportError:
    # The place of these in httpcore before 0.18.
    from httpcore.backends.base import (  # type: ignore[import-not-found, no-redef]
        AsyncNetworkBackend,
        AsyncNetworkStream,
        NetworkBackend,
        NetworkStream,
    )


class _Watched:
    """What the streams for threads and for tasks tell.

    Args:
        stream: The one that does the work.
        carrier: The connection.
    """

    client = CLIENT

    def __init__(self, stream: Any, carrier: Carrier) -> None:
        self._stream = stream
        self._carrier = carrier
        self.sink = carrier.sink
        carrier.watch(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def get_extra_info(self, info: str) -> Any:
        """Ask the stream that does the work."""
        return self._stream.get_extra_info(info)

    def _reads(self) -> None:
        exchange = current.get()
        if exchange is not None:
            exchange.reading()

    def _writes(self, written: bytes) -> None:
        exchange = current.get()
        if exchange is not None:
            exchange.writing(self._carrier, written)

    def _write_failed(self) -> None:
        exchange = current.get()
        if exchange is not None:
            exchange.write_failed()

    @observing
    def _closes(self) -> TcpInfo | None:
        info = look_at(self.get_extra_info("socket"))
        self._carrier.closing(self.get_extra_info("is_readable"))
        return info

    @observing
    def _shook_hands(self, stream: Any, started_at: float) -> None:
        tls = stream.get_extra_info("ssl_object")
        protocol = tls.selected_alpn_protocol() if tls is not None else None
        self._carrier.handshaken(started_at, protocol)


class RecordingStream(_Watched, NetworkStream):
    """A stream for threads."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read from the stream that does the work."""
        self._reads()
        received: bytes = self._stream.read(max_bytes, timeout)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write to the stream that does the work."""
        self._writes(buffer)
        try:
            self._stream.write(buffer, timeout)
        except BaseException:
            self._write_failed()
            raise

    def close(self) -> None:
        """Close the stream that does the work."""
        info = self._closes()
        try:
            self._stream.close()
        finally:
            self._carrier.closed(info)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> NetworkStream:
        """Put the connection under TLS."""
        started_at = perf_counter()
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        except Exception:
            self._carrier.closed(None)
            raise
        self._shook_hands(stream, started_at)
        return RecordingStream(stream, self._carrier)


class AsyncRecordingStream(_Watched, AsyncNetworkStream):
    """A stream for tasks."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read from the stream that does the work."""
        self._reads()
        received: bytes = await self._stream.read(max_bytes, timeout)
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write to the stream that does the work."""
        self._writes(buffer)
        try:
            await self._stream.write(buffer, timeout)
        except BaseException:
            self._write_failed()
            raise

    async def aclose(self) -> None:
        """Close the stream that does the work."""
        info = self._closes()
        try:
            await self._stream.aclose()
        finally:
            self._carrier.closed(info)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> AsyncNetworkStream:
        """Put the connection under TLS."""
        started_at = perf_counter()
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except Exception:
            self._carrier.closed(None)
            raise
        self._shook_hands(stream, started_at)
        return AsyncRecordingStream(stream, self._carrier)


class RecordingBackend(NetworkBackend):
    """A backend for threads.

    Args:
        backend: The one that does the work.
        pool: Of the transport.
    """

    def __init__(self, backend: Any, pool: RecordedPool) -> None:
        self._backend = backend
        self._pool = pool

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> NetworkStream:
        """Connect, and state it."""
        connecting = Connecting(CLIENT, self._pool.sink, host, port)
        try:
            stream: NetworkStream = self._backend.connect_tcp(host, port, *args, **kwargs)
        except BaseException as error:
            connecting.failed(error)
            raise
        pair = _established(connecting, stream)
        return stream if pair is None else RecordingStream(stream, Carrier(self._pool, pair))

    def connect_unix_socket(self, path: str, *args: Any, **kwargs: Any) -> NetworkStream:
        """Connect without a record."""
        stream: NetworkStream = self._backend.connect_unix_socket(path, *args, **kwargs)
        return stream

    def sleep(self, seconds: float) -> None:
        """Wait between two attempts."""
        self._backend.sleep(seconds)


class AsyncRecordingBackend(AsyncNetworkBackend):
    """A backend for tasks.

    Args:
        backend: The one that does the work.
        pool: Of the transport.
    """

    def __init__(self, backend: Any, pool: RecordedPool) -> None:
        self._backend = backend
        self._pool = pool

    async def connect_tcp(
        self, host: str, port: int, *args: Any, **kwargs: Any
    ) -> AsyncNetworkStream:
        """Connect, and state it."""
        connecting = Connecting(CLIENT, self._pool.sink, host, port)
        try:
            stream: AsyncNetworkStream = await self._backend.connect_tcp(
                host, port, *args, **kwargs
            )
        except BaseException as error:
            connecting.failed(error)
            raise
        pair = _established(connecting, stream)
        return stream if pair is None else AsyncRecordingStream(stream, Carrier(self._pool, pair))

    async def connect_unix_socket(self, path: str, *args: Any, **kwargs: Any) -> AsyncNetworkStream:
        """Connect without a record."""
        stream: AsyncNetworkStream = await self._backend.connect_unix_socket(path, *args, **kwargs)
        return stream

    async def sleep(self, seconds: float) -> None:
        """Wait between two attempts."""
        await self._backend.sleep(seconds)


def _established(connecting: Connecting, stream: Any) -> Pair | None:
    ends = _end_of(stream, "client_addr"), _end_of(stream, "server_addr")
    pair: Pair | None = connecting.established(*ends)
    return pair


def _end_of(stream: Any, which: str) -> object:
    try:
        return stream.get_extra_info(which)
    except Exception:
        # The peer has reset it already, or this is somebody's stand-in for a stream.
        return None
