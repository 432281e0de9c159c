"""Transports of httpx that record, from 0.23 on.

Rules
1. They are httpx's own, with a recording backend below and their responses' streams watched:
   every argument, result and exception is that of the class above.
2. Without the place for the backend nothing is recorded, and a note says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any

from pytest_keepalive._events import Sink, Trouble
from pytest_keepalive._probes._httpcore_pool import Pools
from pytest_keepalive._probes._httpcore_pool import closing as pool_closing
from pytest_keepalive._transports._carrier import CLIENT, RecordedPool
from pytest_keepalive._transports._exchange import ExchangeUnderWay, current, setting

try:
    import httpx
except ImportError as error:
    message = "the transports of connection_counter need httpx: pip install httpx"
    raise ImportError(message) from error

from httpx import AsyncHTTPTransport, HTTPTransport

from pytest_keepalive._transports._httpcore import AsyncRecordingBackend, RecordingBackend

__all__ = ["AsyncHTTPTransport", "HTTPTransport", "make_async_transport", "make_transport"]

_pools = Pools("httpcore")


class RecordingTransport(HTTPTransport):
    """A transport for ``httpx.Client``.

    Args:
        sink: Where it states its events.
        arguments: Those of ``httpx.HTTPTransport``.
        keywords: Those of ``httpx.HTTPTransport``.
    """

    def __init__(self, sink: Sink, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._recorded = _record(self._pool, sink, RecordingBackend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and state what becomes of it."""
        exchange = ExchangeUnderWay(self._recorded, request)
        try:
            with setting(current, exchange):
                response = super().handle_request(request)
        except BaseException as error:
            exchange.failed(error)
            raise
        if _answered(exchange, response):
            response.stream = RecordedBody(response.stream, exchange)
        return response

    def close(self) -> None:
        """Close every connection."""
        with setting(pool_closing, True):
            super().close()

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with setting(pool_closing, True):
            super().__exit__(exc_type, exc_value, traceback)


class AsyncRecordingTransport(AsyncHTTPTransport):
    """A transport for ``httpx.AsyncClient``.

    Args:
        sink: Where it states its events.
        arguments: Those of ``httpx.AsyncHTTPTransport``.
        keywords: Those of ``httpx.AsyncHTTPTransport``.
    """

    def __init__(self, sink: Sink, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._recorded = _record(self._pool, sink, AsyncRecordingBackend)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and state what becomes of it."""
        exchange = ExchangeUnderWay(self._recorded, request)
        try:
            with setting(current, exchange):
                response = await super().handle_async_request(request)
        except BaseException as error:
            exchange.failed(error)
            raise
        if _answered(exchange, response):
            response.stream = AsyncRecordedBody(response.stream, exchange)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        with setting(pool_closing, True):
            await super().aclose()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with setting(pool_closing, True):
            await super().__aexit__(exc_type, exc_value, traceback)


class RecordedBody(httpx.SyncByteStream):
    """The body of a response, watched.

    Args:
        stream: The body.
        exchange: What it belongs to.
    """

    def __init__(self, stream: Any, exchange: ExchangeUnderWay) -> None:
        self._stream = stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return _Parts(iter(self._stream), self._exchange)

    def close(self) -> None:
        """Let the body go."""
        self._exchange.abandoned()
        self._stream.close()


class AsyncRecordedBody(httpx.AsyncByteStream):
    """The body of a response, watched.

    Args:
        stream: The body.
        exchange: What it belongs to.
    """

    def __init__(self, stream: Any, exchange: ExchangeUnderWay) -> None:
        self._stream = stream
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _AsyncParts(aiter(self._stream), self._exchange)

    async def aclose(self) -> None:
        """Let the body go."""
        self._exchange.abandoned()
        await self._stream.aclose()


class _Parts(Iterator[bytes]):
    """The parts of a body; no generator, which would handle what only passes through."""

    def __init__(self, parts: Any, exchange: ExchangeUnderWay) -> None:
        self._parts = parts
        self._exchange = exchange

    def __next__(self) -> bytes:
        try:
            part: bytes = next(self._parts)
        except StopIteration:
            self._exchange.complete()
            raise
        except BaseException as error:
            self._exchange.failed(error)
            raise
        self._exchange.received(part)
        return part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parts, name)


class _AsyncParts(AsyncIterator[bytes]):
    """The parts of a body; no generator, which would have to be closed in its own task."""

    def __init__(self, parts: Any, exchange: ExchangeUnderWay) -> None:
        self._parts = parts
        self._exchange = exchange

    async def __anext__(self) -> bytes:
        try:
            part: bytes = await anext(self._parts)
        except StopAsyncIteration:
            self._exchange.complete()
            raise
        except BaseException as error:
            self._exchange.failed(error)
            raise
        self._exchange.received(part)
        return part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parts, name)


def make_transport(sink: Sink | None, *arguments: Any, **keywords: Any) -> HTTPTransport:
    """Make a transport for ``httpx.Client``.

    Args:
        sink: Where it states its events; ``None`` where the probes see what it carries.
        arguments: Those of ``httpx.HTTPTransport``.
        keywords: Those of ``httpx.HTTPTransport``.
    """
    if sink is None:
        return HTTPTransport(*arguments, **keywords)
    return RecordingTransport(sink, *arguments, **keywords)


def make_async_transport(sink: Sink | None, *arguments: Any, **keywords: Any) -> AsyncHTTPTransport:
    """Make a transport for ``httpx.AsyncClient``; the arguments are as above."""
    if sink is None:
        return AsyncHTTPTransport(*arguments, **keywords)
    return AsyncRecordingTransport(sink, *arguments, **keywords)


def _record(pool: Any, sink: Sink, backend: Any) -> RecordedPool:
    expiry = getattr(pool, "_keepalive_expiry", None)
    recorded = RecordedPool(sink, _pools.look_at(pool), _pools.number_of, expiry)
    if hasattr(pool, "_network_backend"):
        pool._network_backend = backend(pool._network_backend, recorded)
    else:
        gone = f"httpx {httpx.__version__} has no place for a network backend any more"
        sink(Trouble(CLIENT, f"{gone}, so its transports record nothing"))
    return recorded


def _answered(exchange: ExchangeUnderWay, response: httpx.Response) -> bool:
    version = response.extensions.get("http_version", b"HTTP/1.1")
    exchange.answered(response.status_code, version, response.headers.raw)
    return exchange.carrier is not None
