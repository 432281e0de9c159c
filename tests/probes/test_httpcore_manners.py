"""httpx and httpx2, in threads, asyncio and trio: what the probe leaves as it was."""

from __future__ import annotations

import contextvars
import gc
import inspect
import sys
import weakref
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

import httpx
import pytest

from pytest_keepalive._events import discard
from pytest_keepalive._measure import measure
from pytest_keepalive._probes._httpcore import HttpcoreProbe
from pytest_keepalive._probes._httpcore_adoption import Adoption
from pytest_keepalive._probes._httpcore_pool import closing
from pytest_keepalive._probes._patch import SeamGone
from pytest_keepalive._server import KeepaliveServer
from tests.probes.flavours import FLAVOURS, Flavour, every_flavour, every_task


class TestManners:
    @pytest.mark.parametrize("flavour", FLAVOURS, ids=str)
    def test_everything_is_put_back(self, flavour: Flavour, server: KeepaliveServer) -> None:
        before = _names(flavour.httpcore)
        with measure():
            during = _names(flavour.httpcore)
        assert _names(flavour.httpcore) == before
        assert sum(during[name] is not before[name] for name in before) == 20
        assert [inspect.iscoroutinefunction(function) for function in during.values()] == [
            inspect.iscoroutinefunction(function) for function in before.values()
        ]

    def test_a_folder_of_the_project_that_is_named_like_trio_is_no_matter(
        self, server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "trio.lowlevel", raising=False)
        monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
        with measure() as seen, httpx.Client() as client:
            for _ in range(2):
                client.get(server.url)
        assert seen.recording.notes == ()
        assert len(seen.exchanges) == len(server.exchanges) == 2

    @every_task
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_a_pool_that_is_dropped_is_not_kept_alive(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        """Nor what it made, of which the stack is asked."""
        dropped: list[weakref.ref[Any]] = []

        async def story(flavour: Flavour) -> None:
            client = flavour.client()
            pool = client.client._transport._pool
            await client.get(server.url)
            dropped.extend(map(weakref.ref, (pool, *pool.connections)))
            del client, pool
            gc.collect()

        with measure() as seen:
            flavour.run(story)
            gc.collect()
            assert [each() for each in dropped] == [None, None]
        assert seen.count == server.accepted == 1
        assert seen.recording.notes == ()

    @every_flavour
    def test_the_context_of_the_caller_is_left_as_it_was(
        self, flavour: Flavour, server: KeepaliveServer
    ) -> None:
        async def story(flavour: Flavour) -> None:
            async with flavour.client() as client:
                before = dict(contextvars.copy_context())
                await client.get(server.url)
                with pytest.raises(flavour.httpx.ReadTimeout):
                    await client.get(server.url_for("/stalled"), timeout=0.05)
                assert dict(contextvars.copy_context()) == before
            assert closing.get() is False

        server.reply("/stalled", stall="before_head")
        with measure() as seen:
            flavour.run(story)
        assert len(seen.exchanges) == 2

    def test_a_coroutine_that_is_given_up_in_another_context_ends_quietly(self) -> None:
        """As the garbage collector does it, in the context of whoever made it run."""
        module = _module()
        probe = HttpcoreProbe(discard, lambda ssl_object: None, lambda sock: None)
        probe.install(module)
        coroutine = module.AsyncConnectionPool().aclose()
        coroutine.send(None)
        with pytest.raises(ValueError, match="different Context"):
            contextvars.Context().run(closing.reset, closing.set(False))
        contextvars.Context().run(coroutine.close)
        closing.set(False)
        probe.uninstall()

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("ConnectionPool", "create_connection"),
            ("HTTP11Connection", "handle_request"),
            ("HTTP2Connection", "handle_request"),
        ],
    )
    def test_arguments_go_through_that_a_later_version_may_add(self, kind: str, name: str) -> None:
        def handle(subject: object, *arguments: object, **more: object) -> object:
            return arguments, more

        module, request = _module(), object()
        setattr(getattr(module, kind), name, handle)
        probe = HttpcoreProbe(discard, lambda ssl_object: None, lambda sock: None)
        probe.install(module)
        handled = getattr(getattr(module, kind)(), name)(request, 1, more=2)
        probe.uninstall()
        assert handled == ((request, 1), {"more": 2})

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("ConnectionPool", "create_connection"),
            ("HTTP11Connection", "handle_request"),
            ("HTTP11Connection", "_response_closed"),
            ("HTTP2Connection", "_send_request_headers"),
        ],
    )
    def test_a_name_that_is_gone_is_told(self, kind: str, name: str) -> None:
        module = _module()
        delattr(getattr(module, kind), name)
        probe = HttpcoreProbe(discard, lambda ssl_object: None, lambda sock: None)
        with pytest.raises(SeamGone, match=f"{kind}.{name}$"):
            probe.install(module)
        probe.uninstall()

    def test_without_h2_its_stand_ins_are_left_alone(self) -> None:
        module = _module()
        module.HTTP2Connection = module.AsyncHTTP2Connection = type("HTTP2Connection", (), {})
        before = dict(vars(module.HTTP2Connection))
        probe = HttpcoreProbe(discard, lambda ssl_object: None, lambda sock: None)
        probe.install(module)
        assert dict(vars(module.HTTP2Connection)) == before
        probe.uninstall()

    def test_what_goes_wrong_in_observing_stays_there(
        self, server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Adoption, "adopt", _fail)
        with measure() as seen, FLAVOURS[0].httpx.Client(trust_env=False) as client:
            assert client.get(server.url).status_code == 200
        assert seen.count == 1
        (note,) = seen.recording.notes
        assert note == f"{FLAVOURS[0].core}: its probe failed with ZeroDivisionError('told so')"


def _fail(*arguments: object) -> None:
    raise ZeroDivisionError("told so")


def _module() -> Any:
    """Make a stand-in for httpcore whose classes have the names that matter, and nothing else."""
    module = ModuleType("httpcore")
    private = ("_send_request_headers", "_response_closed", "create_connection")
    for prefix, public in (
        ("", ("handle_request", "close")),
        ("Async", ("handle_async_request", "aclose")),
    ):
        for kind in ("ConnectionPool", "HTTP11Connection", "HTTP2Connection"):
            # One function each, for it is marked when it is wrapped.
            names = {name: _function(bool(prefix)) for name in (*public, *private)}
            setattr(module, prefix + kind, type(prefix + kind, (), names))
    return module


def _function(coroutine: bool) -> Callable[..., Any]:
    def function(subject: object, *arguments: object) -> None:
        raise NotImplementedError

    async def waiting(subject: object, *arguments: object) -> None:
        await _Forever()

    return waiting if coroutine else function


class _Forever:
    def __await__(self) -> Generator[None, None, None]:
        yield


def _names(httpcore: Any) -> dict[str, Any]:
    owners = [
        getattr(httpcore, prefix + kind)
        for prefix in ("", "Async")
        for kind in ("ConnectionPool", "HTTPProxy", "HTTP11Connection", "HTTP2Connection")
    ]
    return {
        f"{owner.__name__}.{name}": function
        for owner in owners
        for name, function in vars(owner).items()
        if inspect.isfunction(function)
    }
