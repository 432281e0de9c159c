"""pyreqwest: the requests of its clients, through the middleware that it has for everybody.

Rules
1. A middleware of each request comes last in its chain, so that what an earlier one answers by
   itself is no request, and what one repeats is as many.
2. A middleware of each client, made here, tells whose request it is, for as long as the request
   is its own to pass on: neither a client nor a request tells that.
3. Which connection carries a request is told by nobody. It is concluded from what the kernel
   watch or a server saw; without that watch this probe is not installed.
4. A redirect is followed below every middleware, and shows in nothing.
5. No object of pyreqwest is kept alive but a builder of a client, which has no connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from threading import get_ident
from time import perf_counter
from types import ModuleType
from typing import Any, NamedTuple

from pytest_keepalive._call_site import find_call_site
from pytest_keepalive._events import Ending, Sink, discard, new_number
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._pyreqwest_call import Call, Exchange, Pool
from pytest_keepalive._probes._pyreqwest_stream import AwaitedSeam, Streams
from pytest_keepalive._probes._running import running_task
from pytest_keepalive._probes._seam import ignore, observed, seam_of

_UNKNOWN = Pool(0, "", None, True)
# What has a client connect to somewhere else than it is asked for.
_DETOURS = ("proxy", "resolve")
_READS = ("bytes", "json", "text", "read", "read_chunk")


class Builder(NamedTuple):
    """What was set on a builder of a client.

    Args:
        subject: The builder, so that no other one gets its ``id``.
        redirects: Whether its client follows redirects.
        detours: Whether its client may connect to somewhere else than it is asked for.
    """

    subject: Any
    redirects: bool = True
    detours: bool = False


class PyreqwestProbe:
    """Watches pyreqwest.

    Args:
        sink: Where it states its events.
    """

    client = "pyreqwest"
    module = "pyreqwest"
    loses = "requests"

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._patches = Patches()
        self._builders: dict[int, Builder] = {}
        self._pools: dict[int, Pool] = {}
        self._streams = Streams(self.state)

    def state(self, event: Any) -> None:
        """State an event, as long as this is installed."""
        self.sink(event)

    def install(self, module: ModuleType) -> None:
        """Wrap what makes clients and requests, and what reads a streamed response.

        Raises:
            SeamGone: A name that this needs is gone.
        """
        clients = import_module(f"{module.__name__}.client")
        requests = import_module(f"{module.__name__}.request")
        responses = import_module(f"{module.__name__}.response")
        self._wrap_builders(clients)
        for prefix, is_async in (("", True), ("Sync", False)):
            self._wrap_requests(requests, prefix, is_async)
            self._wrap_responses(responses, prefix, is_async)

    def uninstall(self) -> None:
        """Put back what was there; clients that were made since only pass requests on."""
        self._patches.restore()
        self.sink = discard
        self.forget()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        self._builders.clear()
        self._pools.clear()
        self._streams.forget()

    def _wrap_builders(self, module: ModuleType) -> None:
        base = seam_of(module, "BaseClientBuilder")
        self._patches.wrap(base, "follow_redirects", observed(_arguments, self._redirects_set))
        for name in _DETOURS:
            self._patches.wrap(base, name, observed(_arguments, self._detour_set))
        layers = {"ClientBuilder": self._of_later, "SyncClientBuilder": self._of}
        for name, layer in layers.items():
            self._patches.wrap(seam_of(module, name), "build", self._building(layer))

    def _wrap_requests(self, module: ModuleType, prefix: str, is_async: bool) -> None:
        builder = seam_of(module, f"{prefix}RequestBuilder")
        self._patches.wrap(builder, "build", self._requesting(is_async, streams=False))
        self._patches.wrap(builder, "build_streamed", self._requesting(is_async, streams=True))
        single = seam_of(module, f"{prefix}OneOffRequestBuilder")
        self._patches.wrap(single, "send", self._requesting(is_async, streams=False, alone=True))
        self._wrap_stream(seam_of(module, f"{prefix}StreamRequest"), is_async)

    def _wrap_stream(self, stream: Any, is_async: bool) -> None:
        enter, leave = ("__aenter__", "__aexit__") if is_async else ("__enter__", "__exit__")
        seam, streams = AwaitedSeam if is_async else observed, self._streams
        self._patches.wrap(stream, enter, seam(_arguments, streams.entered, ignore))
        self._patches.wrap(stream, leave, seam(_arguments, streams.left, streams.broke))

    def _wrap_responses(self, module: ModuleType, prefix: str, is_async: bool) -> None:
        seam = AwaitedSeam if is_async else observed
        for kind in (f"{prefix}Response", f"{prefix}ResponseBodyReader"):
            owner = seam_of(module, kind)
            for name in (name for name in _READS if hasattr(owner, name)):
                read = self._streams.read_some if name.startswith("read") else self._streams.read
                self._patches.wrap(owner, name, seam(_subject, read, self._streams.failed))

    # Clients.

    @observing
    def _redirects_set(self, arguments: tuple[Any, ...], result: Any) -> None:
        builder, enable = arguments[0], arguments[1:]
        self._set(builder, redirects=bool(enable[0]) if enable else True)

    @observing
    def _detour_set(self, arguments: tuple[Any, ...], result: Any) -> None:
        self._set(arguments[0], detours=True)

    def _set(self, builder: Any, **what: bool) -> None:
        known = self._builders.get(id(builder), Builder(builder))
        self._builders[id(builder)] = known._replace(**what)

    def _building(self, layer: Callable[[Pool], Any]) -> Callable[..., Any]:
        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            def build(builder: Any, *args: Any) -> Any:
                self._mark(builder, layer)
                return original(builder, *args)

            return build

        return make

    @observing
    def _mark(self, builder: Any, layer: Callable[[Pool], Any]) -> None:
        known = self._builders.pop(id(builder), Builder(builder))
        name = f"pyreqwest.{type(builder).__name__.removesuffix('Builder')}"
        since = None if known.detours else _made_now()
        builder.with_middleware(layer(Pool(new_number(), name, since, known.redirects)))

    def _of(self, pool: Pool) -> Callable[[Any, Any], Any]:
        def pass_on(request: Any, following: Any) -> Any:
            self._pools[id(request)] = pool
            try:
                return following.run(request)
            finally:
                self._pools.pop(id(request), None)

        return pass_on

    def _of_later(self, pool: Pool) -> Callable[[Any, Any], Any]:
        async def pass_on(request: Any, following: Any) -> Any:
            self._pools[id(request)] = pool
            try:
                return await following.run(request)
            finally:
                self._pools.pop(id(request), None)

        return pass_on

    # Requests.

    def _requesting(self, is_async: bool, streams: bool, alone: bool = False) -> Callable[..., Any]:
        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            def build(builder: Any, *args: Any) -> Any:
                call = self._follow(builder, is_async, streams, alone)
                request = original(builder, *args)
                if call is not None and streams:
                    self._streams.begin(request, call)
                return request

            return build

        return make

    @observing
    def _follow(self, builder: Any, is_async: bool, streams: bool, alone: bool) -> Call:
        worker = running_task() if is_async else get_ident()
        call = Call(find_call_site(), worker, streams, _single() if alone else None)
        builder.with_middleware(self._layer_later(call) if is_async else self._layer(call))
        return call

    def _layer(self, call: Call) -> Callable[[Any, Any], Any]:
        def tell(request: Any, following: Any) -> Any:
            exchange = self._begin(call, request)
            try:
                response = following.run(request)
            except BaseException as error:
                self._fail(exchange, error)
                raise
            self._answer(exchange, response)
            return response

        return tell

    def _layer_later(self, call: Call) -> Callable[[Any, Any], Any]:
        async def tell(request: Any, following: Any) -> Any:
            exchange = self._begin(call, request)
            try:
                response = await following.run(request)
            except BaseException as error:
                self._fail(exchange, error)
                raise
            self._answer(exchange, response)
            return response

        return tell

    @observing
    def _begin(self, call: Call, request: Any) -> Exchange | None:
        # A client that was made before anybody looked is not known.
        pool = call.alone or self._pools.get(id(request), _UNKNOWN)
        exchange = call.begin(pool, request)
        if exchange is not None:
            self.sink(exchange.called(self.client))
        return exchange

    @observing
    def _answer(self, exchange: Exchange | None, response: Any) -> None:
        if exchange is None:
            return
        self.sink(exchange.answered(response))
        if exchange.is_whole(response):
            self.sink(exchange.ended(Ending.COMPLETE))
        else:
            self._streams.answered(exchange)

    @observing
    def _fail(self, exchange: Exchange | None, error: BaseException) -> None:
        if exchange is not None:
            self.sink(exchange.failed(error))


def _single() -> Pool:
    """Give what stands for the client of a request that has one of its own."""
    return Pool(new_number(), "pyreqwest.simple request", _made_now(), redirects=True)


def _made_now() -> float | None:
    return None if _has_proxies() else perf_counter()


def _arguments(subject: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    return (subject, *args, *kwargs.values())


def _subject(subject: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return subject


def _has_proxies() -> bool:
    """Tell whether the environment may send requests through a proxy."""
    names = (name.lower() for name, value in os.environ.items() if value)
    return any(name.endswith("_proxy") and name != "no_proxy" for name in names)
