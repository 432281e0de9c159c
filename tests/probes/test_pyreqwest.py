"""The probe of pyreqwest, against what a server received."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from pytest_keepalive import KeepaliveServer, Reply
from pytest_keepalive._events import Answered, Called, Ended, Ending, Stated
from pytest_keepalive._probes._pyreqwest import PyreqwestProbe
from tests.probes.reqwests import (
    asked,
    clients,
    endings,
    errors,
    only,
    pyreqwest,
    received,
    run,
    send,
    stated,
)

responses: Any = pytest.importorskip("pyreqwest.response")
simple: Any = pytest.importorskip("pyreqwest.simple.sync_request")
simple_later: Any = pytest.importorskip("pyreqwest.simple.request")
LONG = b"x" * 300_000


@pytest.fixture
def events() -> Iterator[list[Stated]]:
    with stated() as events:
        yield events


@pytest.fixture
def unused() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class TestRequests:
    def test_a_shared_client_is_one_pool(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        with clients.SyncClientBuilder().build() as client:
            for path in ("/a", "/b?token=secret", "/c"):
                client.get(keepalive_server.url_for(path)).build().send()
        assert [url.replace("...", "secret") for _, url in asked(events)] == [
            url for _, url in received(keepalive_server)
        ]
        assert keepalive_server.accepted == 1
        assert "secret" not in repr(events)
        calls = only(Called, events)
        assert len({each.adopted.pool for each in calls}) == 1
        assert {each.adopted.pool_name for each in calls} == {"pyreqwest.SyncClient"}
        assert {each.adopted.origin for each in calls} == {keepalive_server.url}
        assert all("test_pyreqwest.py" in each.requested.call_site for each in calls)
        assert [each.status for each in only(Answered, events)] == [200] * 3
        assert {each.http_version for each in only(Answered, events)} == {"HTTP/1.1"}
        assert endings(events) == [Ending.COMPLETE] * 3

    def test_a_client_for_each_call_is_a_pool_each(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        for _ in range(3):
            with clients.SyncClientBuilder().build() as client:
                send(client, keepalive_server.url)
        assert keepalive_server.accepted == 3
        assert len({each.adopted.pool for each in only(Called, events)} - {0}) == 3

    def test_a_client_of_tasks_is_one_pool_too(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        async def main(client: Any) -> None:
            urls = [keepalive_server.url_for(f"/{each}") for each in range(4)]
            await asyncio.gather(*(send(client, url) for url in urls))

        run(main)
        assert sorted(asked(events)) == sorted(received(keepalive_server))
        calls = only(Called, events)
        assert {each.adopted.pool_name for each in calls} == {"pyreqwest.Client"}
        (pool,) = {each.adopted.pool for each in calls}
        assert pool != 0
        assert endings(events) == [Ending.COMPLETE] * 4

    def test_requests_without_a_client_have_one_each(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        for _ in range(2):
            simple.pyreqwest_get(keepalive_server.url).send()

        async def main() -> None:
            await simple_later.pyreqwest_post(keepalive_server.url_for("/later")).send()

        asyncio.run(main())
        assert asked(events) == received(keepalive_server)
        assert len({each.adopted.pool for each in only(Called, events)}) == 3
        assert keepalive_server.accepted == 3

    def test_its_connection_cannot_be_older_than_its_client(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        with clients.SyncClientBuilder().build() as client:
            send(client, keepalive_server.url)
            send(client, keepalive_server.url)
        first, second = only(Called, events)
        assert first.since == second.since
        assert first.since < first.requested.at < second.requested.at

    @pytest.mark.parametrize("detour", ["resolve", "proxy", "environment"])
    def test_where_a_connection_may_lead_elsewhere_nothing_is_said_of_its_age(
        self,
        events: list[Stated],
        keepalive_server: KeepaliveServer,
        monkeypatch: pytest.MonkeyPatch,
        detour: str,
    ) -> None:
        from pyreqwest.proxy import ProxyBuilder

        builder = clients.SyncClientBuilder()
        if detour == "environment":
            monkeypatch.setenv("NO_PROXY", "*")
            monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        elif detour == "resolve":
            builder = builder.resolve("example.test", "127.0.0.1", keepalive_server.port)
        else:
            builder = builder.proxy(ProxyBuilder.https("http://127.0.0.1:1"))
        with builder.build() as client:
            send(client, keepalive_server.url)
        (called,) = only(Called, events)
        assert called.since is None

    def test_a_client_from_before_is_not_known_by_its_pool(
        self, keepalive_server: KeepaliveServer
    ) -> None:
        told: list[Stated] = []
        with clients.SyncClientBuilder().build() as client:
            probe = PyreqwestProbe(told.append)
            probe.install(pyreqwest)
            send(client, keepalive_server.url)
            probe.uninstall()
        (called,) = only(Called, told)
        assert (called.adopted.pool, called.since) == (0, None)
        assert asked(told) == received(keepalive_server)


class TestWhatComesOfThem:
    def test_an_error_status_is_an_answer(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(status=503))
        with (
            clients.SyncClientBuilder().error_for_status().build() as client,
            pytest.raises(errors.StatusError),
        ):
            send(client, keepalive_server.url)
        (answered,) = only(Answered, events)
        assert answered.status == 503
        assert endings(events) == [Ending.COMPLETE]

    def test_a_refused_connection_is_no_exchange(self, events: list[Stated], unused: int) -> None:
        with clients.SyncClientBuilder().build() as client, pytest.raises(errors.ConnectError):
            send(client, f"http://127.0.0.1:{unused}/")
        assert endings(events) == [Ending.UNSENT]

    def test_a_redirect_to_nowhere_cannot_be_told_from_it(
        self, events: list[Stated], keepalive_server: KeepaliveServer, unused: int
    ) -> None:
        there = Reply(status=302, headers=[("Location", f"http://127.0.0.1:{unused}/")])
        keepalive_server.route("/", there)
        with clients.SyncClientBuilder().build() as client, pytest.raises(errors.ConnectError):
            send(client, keepalive_server.url)
        assert len(keepalive_server.requests) == 1
        assert endings(events) == [Ending.UNSENT]
        (called,) = only(Called, events)
        assert called.adopted.partly

    def test_a_timeout_is_an_exchange_that_failed(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(hold=True))
        builder = clients.SyncClientBuilder().timeout(timedelta(seconds=0.05))
        with builder.build() as client, pytest.raises(TimeoutError):
            send(client, keepalive_server.url)
        (ended,) = only(Ended, events)
        assert ended.ending is Ending.FAILED
        assert "Timeout" in ended.error
        assert only(Answered, events) == []
        assert len(keepalive_server.requests) == 1

    def test_a_cancelled_task_is_an_exchange_that_failed(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(hold=True))

        async def main(client: Any) -> None:
            task = asyncio.ensure_future(send(client, keepalive_server.url))
            await asyncio.to_thread(keepalive_server.wait_for_requests, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while not only(Ended, events):
                await asyncio.sleep(0.001)

        run(main)
        (ended,) = only(Ended, events)
        assert (ended.ending, ended.error) == (Ending.FAILED, "CancelledError")

    def test_an_answer_that_is_cut_off_is_an_exchange_that_failed(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(body=LONG, close=10))
        with clients.SyncClientBuilder().build() as client, pytest.raises(errors.RequestError):
            send(client, keepalive_server.url)
        assert endings(events) == [Ending.FAILED]

    def test_of_redirects_nothing_but_the_last_status_is_told(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        there = Reply(status=302, headers=[("Location", keepalive_server.url_for("/b"))])
        keepalive_server.route("/a", there)
        with clients.SyncClientBuilder().build() as client:
            send(client, keepalive_server.url_for("/a"))
        assert [target for _, target in asked(events)] == [keepalive_server.url_for("/a")]
        assert len(keepalive_server.requests) == 2
        (called,), (answered,) = only(Called, events), only(Answered, events)
        assert called.adopted.partly
        assert (answered.status, answered.headers, answered.will_close) == (200, (), None)

    def test_a_client_that_follows_none_tells_everything(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        there = [("Location", keepalive_server.url_for("/b"))]
        keepalive_server.route("/a", Reply(status=302, headers=there, keep_alive=False))
        with clients.SyncClientBuilder().follow_redirects(False).build() as client:
            send(client, keepalive_server.url_for("/a"))
        assert asked(events) == received(keepalive_server)
        (called,), (answered,) = only(Called, events), only(Answered, events)
        assert not called.adopted.partly
        assert (answered.status, answered.will_close) == (302, True)
        assert ("location", keepalive_server.url_for("/b")) in answered.headers

    def test_a_builder_that_is_thrown_away_says_nothing_of_another(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        for _ in range(50):
            clients.SyncClientBuilder().follow_redirects(False)
        with clients.SyncClientBuilder().build() as client:
            send(client, keepalive_server.url)
        (called,) = only(Called, events)
        assert called.adopted.partly


class TestMiddleware:
    def test_what_is_answered_by_one_is_no_request(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        def answer(request: Any, following: Any) -> Any:
            return responses.ResponseBuilder().status(418).build_sync()

        with clients.SyncClientBuilder().build() as client:
            built = client.get(keepalive_server.url).with_middleware(answer).build()
            assert built.send().status == 418
        assert events == []
        assert keepalive_server.requests == ()

    def test_what_is_mocked_is_no_request(
        self,
        events: list[Stated],
        keepalive_server: KeepaliveServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from pyreqwest.pytest_plugin import ClientMocker

        mocker = ClientMocker.create_mocker(monkeypatch)
        mocker.get(path="/mocked").with_status(418)
        with clients.SyncClientBuilder().build() as client:
            assert send(client, keepalive_server.url_for("/mocked")).status == 418
            send(client, keepalive_server.url_for("/real"))
        assert asked(events) == received(keepalive_server)
        assert len(keepalive_server.requests) == 1

    def test_what_is_repeated_is_as_many_requests(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", [Reply(status=503), Reply()])

        def repeat(request: Any, following: Any) -> Any:
            again = request.copy()
            response = following.run(request)
            return following.run(again) if response.status == 503 else response

        with clients.SyncClientBuilder().with_middleware(repeat).build() as client:
            assert send(client, keepalive_server.url).status == 200
        assert asked(events) == received(keepalive_server)
        assert [each.status for each in only(Answered, events)] == [503, 200]
        assert len({each.adopted.pool for each in only(Called, events)} - {0}) == 1
