"""The probe of pycurl, against what a server received on each connection."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_keepalive import KeepaliveServer, Reply
from pytest_keepalive._events import Adopted, Answered, Ended, Ending, Requested, Stated
from pytest_keepalive._probes._pycurl import PycurlProbe

pycurl = pytest.importorskip("pycurl", reason="pip install pycurl")
ORIGINAL, ORIGINAL_MULTI = pycurl.Curl, pycurl.CurlMulti

MakeServer = Callable[..., KeepaliveServer]


@pytest.fixture
def events() -> Iterator[list[Stated]]:
    stated: list[Stated] = []
    probe = PycurlProbe(stated.append)
    probe.install(pycurl)
    yield stated
    probe.uninstall()


def handle_for(url: str) -> Any:
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    return handle


def only(kind: type, events: list[Stated]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def partition(events: list[Stated]) -> list[list[str]]:
    """Give the URLs of each connection, in the order in which these were met."""
    carried: dict[Any, list[str]] = {}
    for asked in only(Requested, events):
        carried.setdefault(asked.pair, []).append(asked.url)
    return list(carried.values())


def received(server: KeepaliveServer) -> list[list[str]]:
    return [
        [server.url_for(request.target) for request in accepted.requests]
        for accepted in server.connections
    ]


def test_a_shared_handle_uses_one_connection(
    events: list[Stated], keepalive_server: KeepaliveServer
) -> None:
    handle = handle_for(keepalive_server.url_for("/a"))
    for _ in range(3):
        handle.perform()
    assert partition(events) == received(keepalive_server)
    (adopted,) = only(Adopted, events)
    assert (adopted.client, adopted.origin) == ("pycurl", keepalive_server.url)
    assert "test_pycurl.py" in adopted.call_site
    assert adopted.pair.local == keepalive_server.connections[0].peer
    assert [each.status for each in only(Answered, events)] == [200] * 3
    assert {each.http_version for each in only(Answered, events)} == {"HTTP/1.1"}


def test_a_handle_for_each_call_uses_one_each(
    events: list[Stated], keepalive_server: KeepaliveServer
) -> None:
    for _ in range(3):
        handle = handle_for(keepalive_server.url)
        assert handle.perform_rs() == "ok" or keepalive_server.requests
        handle.close()
    assert partition(events) == received(keepalive_server)
    assert len({each.pool for each in only(Adopted, events)}) == 3


def test_each_request_of_a_redirect_is_on_its_connection(
    events: list[Stated], make_keepalive_server: MakeServer
) -> None:
    first, second = make_keepalive_server(), make_keepalive_server()
    first.route("/a", Reply(status=302, headers=[("Location", second.url_for("/b"))]))
    handle = handle_for(first.url_for("/a?token=secret"))
    handle.setopt(pycurl.POSTFIELDS, "x=1")
    handle.setopt(pycurl.FOLLOWLOCATION, True)
    handle.perform()
    asked = only(Requested, events)
    assert [each.url for each in asked] == [first.url_for("/a?token=..."), second.url_for("/b")]
    assert [each.method for each in asked] == ["POST", "GET"]
    assert [each.origin for each in only(Adopted, events)] == [first.url, second.url]
    assert [each.pair.peer[1] for each in asked] == [first.port, second.port]


def test_what_is_between_two_redirects_is_known_by_its_connection(
    events: list[Stated], keepalive_server: KeepaliveServer
) -> None:
    for here, there in (("/a", "/b"), ("/b", "/c")):
        reply = Reply(status=302, headers=[("Location", keepalive_server.url_for(there))])
        keepalive_server.route(here, reply)
    handle = handle_for(keepalive_server.url_for("/a"))
    handle.setopt(pycurl.FOLLOWLOCATION, True)
    handle.perform()
    (urls,) = partition(events)
    ends = (keepalive_server.url_for("/a"), keepalive_server.url_for("/c"))
    assert (urls[0], urls[2]) == ends
    assert urls[1] == keepalive_server.url_for("/...")


def test_many_at_once_are_told_apart(
    events: list[Stated], keepalive_server: KeepaliveServer
) -> None:
    multi = pycurl.CurlMulti()
    handles = [handle_for(keepalive_server.url_for(f"/{each}")) for each in range(4)]
    for _ in range(2):
        run_all(multi, handles)
    assert sorted(partition(events)) == sorted(received(keepalive_server))
    assert {each.pool_name for each in only(Adopted, events)} == {"pycurl.CurlMulti"}
    assert len({each.pool for each in only(Adopted, events)}) == 1


def run_all(multi: Any, handles: list[Any]) -> None:
    for handle in handles:
        multi.add_handle(handle)
    while multi.perform()[1]:
        multi.select(1.0)
    _, complete, failed = multi.info_read()
    assert (len(complete), failed) == (len(handles), [])
    for handle in handles:
        multi.remove_handle(handle)


def test_a_refused_connection_is_no_exchange(events: list[Stated], unused: int) -> None:
    with pytest.raises(pycurl.error):
        handle_for(f"http://127.0.0.1:{unused}/").perform()
    assert events == []


@pytest.fixture
def unused() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def test_an_answer_that_never_comes_is_an_exchange_that_failed(
    events: list[Stated], keepalive_server: KeepaliveServer
) -> None:
    keepalive_server.route("/", Reply(close="before_head"))
    handle = handle_for(keepalive_server.url)
    with pytest.raises(pycurl.error):
        handle.perform()
    (ended,) = only(Ended, events)
    assert (ended.ending, ended.error) == (Ending.FAILED, "error")


class TestTheProgramGoesOnAsBefore:
    def test_the_users_own_function_is_called_with_the_same(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        calls = []

        def look(*ends: object) -> int:
            calls.append(ends)
            return int(pycurl.PREREQFUNC_OK)

        handle = handle_for(keepalive_server.url)
        handle.setopt(pycurl.PREREQFUNCTION, look)
        handle.perform()
        handle.unsetopt(pycurl.PREREQFUNCTION)
        handle.perform()
        local = keepalive_server.connections[0].peer
        assert calls == [("127.0.0.1", local[0], keepalive_server.port, local[1])]
        assert len(only(Requested, events)) == 2

    def test_its_refusal_is_heeded(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        handle = handle_for(keepalive_server.url)
        handle.setopt(pycurl.PREREQFUNCTION, lambda *ends: pycurl.PREREQFUNC_ABORT)
        with pytest.raises(pycurl.error) as raised:
            handle.perform()
        assert raised.value.args[0] == pycurl.E_ABORTED_BY_CALLBACK
        assert keepalive_server.requests == ()

    def test_a_handle_that_was_reset_or_copied_is_watched_on(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        handle = handle_for(keepalive_server.url)
        handle.perform()
        copy = handle.duphandle()
        handle.reset()
        handle.setopt(pycurl.URL, keepalive_server.url_for("/later"))
        handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
        handle.perform()
        copy.perform()
        assert partition(events) == received(keepalive_server)

    def test_errors_are_those_of_pycurl(self, events: list[Stated]) -> None:
        with pytest.raises(TypeError, match="argument"):
            pycurl.Curl(1)
        with pytest.raises(TypeError):
            pycurl.Curl().setopt(pycurl.PREREQFUNCTION, 3)
        with pytest.raises(TypeError):
            pycurl.Curl().setopt(pycurl.URL)

    def test_a_handle_ends_with_its_last_reference(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        gc.disable()
        try:
            handle = handle_for(keepalive_server.url)
            handle.perform()
            gone = weakref.ref(handle)
            del handle
            assert gone() is None
        finally:
            gc.enable()

    def test_a_type_of_the_users_own_is_watched_too(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        class Fetcher(pycurl.Curl):  # type: ignore[misc, name-defined]
            def __init__(self, url: str) -> None:
                super().__init__()
                self.setopt(pycurl.URL, url)
                self.setopt(pycurl.WRITEFUNCTION, lambda data: None)

        Fetcher(keepalive_server.url).perform()
        assert partition(events) == received(keepalive_server)

    def test_handles_that_were_there_before_work_on_unseen(
        self, events: list[Stated], keepalive_server: KeepaliveServer
    ) -> None:
        handle = ORIGINAL()
        handle.setopt(pycurl.URL, keepalive_server.url)
        handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
        run_all(pycurl.CurlMulti(), [handle])
        assert len(keepalive_server.requests) == 1
        assert events == []

    def test_everything_is_put_back(self, keepalive_server: KeepaliveServer) -> None:
        stated: list[Stated] = []
        probe = PycurlProbe(stated.append)
        probe.install(pycurl)
        assert isinstance(pycurl.Curl(), ORIGINAL)
        assert pycurl.Curl.__name__ == "Curl"
        handle = handle_for(keepalive_server.url)
        probe.uninstall()
        assert (pycurl.Curl, pycurl.CurlMulti) == (ORIGINAL, ORIGINAL_MULTI)
        handle.perform()
        assert stated == []
