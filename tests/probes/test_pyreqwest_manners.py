"""The responses of pyreqwest that are read in pieces, and what its probe leaves as it is."""

from __future__ import annotations

import asyncio
import gc
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_keepalive import KeepaliveServer, Reply
from pytest_keepalive._events import Ended, Ending, Stated
from pytest_keepalive._probes._pyreqwest import PyreqwestProbe
from tests.probes.reqwests import (
    clients,
    endings,
    errors,
    only,
    pyreqwest,
    run,
    send,
    stated,
)

responses: Any = pytest.importorskip("pyreqwest.response")
requests: Any = pytest.importorskip("pyreqwest.request")
PATCHED = [
    (clients.BaseClientBuilder, ("follow_redirects", "proxy", "resolve")),
    (clients.ClientBuilder, ("build",)),
    (clients.SyncClientBuilder, ("build",)),
    (requests.RequestBuilder, ("build", "build_streamed")),
    (requests.SyncRequestBuilder, ("build", "build_streamed")),
    (requests.OneOffRequestBuilder, ("send",)),
    (requests.SyncOneOffRequestBuilder, ("send",)),
    (requests.StreamRequest, ("__aenter__", "__aexit__")),
    (requests.SyncStreamRequest, ("__enter__", "__exit__")),
    (responses.Response, ("bytes", "json", "text")),
    (responses.SyncResponse, ("bytes", "json", "text")),
    (responses.ResponseBodyReader, ("bytes", "read", "read_chunk")),
    (responses.SyncResponseBodyReader, ("bytes", "read", "read_chunk")),
]
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


READS: dict[str, Callable[[Any], object]] = {
    "text": lambda response: response.text(),
    "bytes": lambda response: response.bytes(),
    "rest": lambda response: response.body_reader.bytes(),
}


class TestStreams:
    @pytest.mark.parametrize("read", READS.values(), ids=READS)
    def test_one_that_was_read_is_complete(
        self,
        events: list[Stated],
        keepalive_server: KeepaliveServer,
        read: Callable[[Any], object],
    ) -> None:
        keepalive_server.route("/", Reply(body=LONG))
        with clients.SyncClientBuilder().build() as client:
            with client.get(keepalive_server.url).build_streamed() as response:
                assert only(Ended, events) == []
                read(response)
                assert endings(events) == [Ending.COMPLETE]
            send(client, keepalive_server.url_for("/next"))
            # What is not read to its end is closed. Its pool gets a connection back a moment
            # later: a second one may be opened before.
            assert len(keepalive_server.open_connections) == keepalive_server.accepted
        assert endings(events) == [Ending.COMPLETE] * 2
        assert len(keepalive_server.requests) == 2

    def test_one_that_was_read_piece_by_piece_is_complete(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(body=LONG))
        with clients.SyncClientBuilder().build() as client:
            with client.get(keepalive_server.url).build_streamed() as response:
                while response.body_reader.read_chunk() is not None:
                    assert only(Ended, events) == []
            assert endings(events) == [Ending.COMPLETE]

    def test_one_that_was_left_is_abandoned(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(body=LONG * 20))
        with clients.SyncClientBuilder().build() as client:
            with client.get(keepalive_server.url).build_streamed() as response:
                response.body_reader.read(10)
            assert endings(events) == [Ending.ABANDONED]
            send(client, keepalive_server.url_for("/next"))
        assert keepalive_server.accepted == 2

    def test_a_short_one_is_complete_with_its_head(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        with clients.SyncClientBuilder().build() as client:
            with client.get(keepalive_server.url).build_streamed():
                assert endings(events) == [Ending.COMPLETE]
            send(client, keepalive_server.url)
        assert keepalive_server.accepted == 1

    def test_one_that_breaks_off_failed(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(body=LONG * 2, close=len(LONG)))
        with (
            clients.SyncClientBuilder().build() as client,
            client.get(keepalive_server.url).build_streamed() as response,
            pytest.raises(errors.RequestError) as raised,
        ):
            response.bytes()
        (ended,) = only(Ended, events)
        assert (ended.ending, ended.error) == (Ending.FAILED, type(raised.value).__name__)

    def test_those_of_tasks_end_likewise(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(body=LONG))
        keepalive_server.route("/long", Reply(body=LONG * 20))

        async def main(client: Any) -> None:
            async with client.get(keepalive_server.url).build_streamed() as response:
                assert len(await response.bytes()) == len(LONG)
            async with client.get(keepalive_server.url).build_streamed() as response:
                while await response.body_reader.read_chunk() is not None:
                    pass
            async with client.get(keepalive_server.url_for("/long")).build_streamed() as response:
                await response.body_reader.read(10)

        run(main)
        assert endings(events) == [Ending.COMPLETE, Ending.COMPLETE, Ending.ABANDONED]


class TestTheProgramGoesOnAsBefore:
    def test_what_is_never_awaited_is_not_missed(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        keepalive_server.route("/", Reply(body=LONG))

        async def main(client: Any) -> None:
            async with client.get(keepalive_server.url).build_streamed() as response:
                response.body_reader.read()
                gc.collect()

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run(main)

    def test_what_is_awaited_may_be_made_a_task(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        async def main(client: Any) -> str:
            async with client.get(keepalive_server.url).build_streamed() as response:
                assert inspect.isawaitable(response.text())
                text: str = await asyncio.create_task(response.text())
                return text

        assert run(main) == "ok"

    def test_an_error_is_the_same(
        self, events: list[Stated], keepalive_server: KeepaliveServer, unused: int
    ) -> None:
        with clients.SyncClientBuilder().build() as client:
            with pytest.raises(errors.ConnectError) as raised:
                send(client, f"http://127.0.0.1:{unused}/")
            assert raised.value.__cause__ is raised.value.__context__ is None
            with pytest.raises(TypeError):
                client.get(keepalive_server.url).build(1)
            with pytest.raises(TypeError):
                clients.SyncClientBuilder().build(1)

    def test_the_extensions_of_a_request_are_its_users_alone(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        seen = []

        def look(request: Any, following: Any) -> Any:
            seen.append(dict(request.extensions))
            return following.run(request)

        with clients.SyncClientBuilder().with_middleware(look).build() as client:
            built = client.get(keepalive_server.url).extensions({"mine": 1}).build()
            assert built.send().extensions == {"mine": 1}
        assert seen == [{"mine": 1}]

    def test_a_client_that_was_made_meanwhile_works_on_unseen(
        self, keepalive_server: KeepaliveServer
    ) -> None:
        told: list[Stated] = []
        probe = PyreqwestProbe(told.append)
        probe.install(pyreqwest)
        client = clients.SyncClientBuilder().build()
        built = client.get(keepalive_server.url).build()
        probe.uninstall()
        built.send()
        send(client, keepalive_server.url)
        client.close()
        assert told == []
        assert len(keepalive_server.requests) == 2

    def test_everything_is_put_back(self) -> None:
        names = [(owner, name) for owner, names in PATCHED for name in names]
        before = [vars(owner).get(name) for owner, name in names]
        probe = PyreqwestProbe(lambda event: None)
        probe.install(pyreqwest)
        wrapped = [vars(owner)[name] for owner, name in names]
        probe.uninstall()
        assert not any(one is other for one, other in zip(wrapped, before, strict=True))
        assert [vars(owner).get(name) for owner, name in names] == before
