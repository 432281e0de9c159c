from __future__ import annotations

import os
import socket
import sys

import pytest

from pytest_keepalive._events import Outcome
from pytest_keepalive._watch._facts import SeenBy
from pytest_keepalive._watch._sampling import Sampler


def test_what_is_open_is_met_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sampler = Sampler(os.getpid())
        with socket.create_connection(listener.getsockname()) as client:
            sampler.sample()
            sampler.sample()
            ends = (client.getsockname(), client.getpeername())
        listener.accept()[0].close()
    seen = [each for each in sampler.connects if each.peer == ends[1]]
    assert [(each.local, each.peer) for each in seen] == [ends]
    assert (seen[0].outcome, seen[0].seen_by) == (Outcome.ESTABLISHED, SeenBy.SAMPLE)
    assert seen[0].process == os.getpid()


def test_what_was_accepted_does_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with client, accepted:
            sampler = Sampler(os.getpid())
            sampler.sample()
            locals_seen = [each.local for each in sampler.connects]
            assert client.getsockname() in locals_seen
            assert accepted.getsockname() not in locals_seen


def test_what_came_and_went_is_missed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sampler = Sampler(os.getpid())
        for _ in range(5):
            socket.create_connection(listener.getsockname()).close()
            listener.accept()[0].close()
        sampler.sample()
        assert not [each for each in sampler.connects if each.peer == listener.getsockname()]


def test_a_process_that_is_not_there_cannot_be_sampled() -> None:
    with pytest.raises(OSError, match=r"\d"):
        Sampler(2**22 + 1)


def test_without_psutil_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(ModuleNotFoundError):
        Sampler(os.getpid())
