from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_keepalive import measure
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._watch import _witness
from pytest_keepalive._watch._witness import Witness, children_figure, native_clients

pytestmark = pytest.mark.usefixtures("_no_native_clients")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts")

CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()"


@pytest.fixture
def witness() -> Iterator[Witness]:
    witness = Witness()
    yield witness
    witness.close()


def opens(witness: Witness) -> int:
    count = witness.opens()
    assert count is not None
    return count


@on_linux
def test_every_connect_is_counted_refused_ones_too(
    server: KeepaliveServer, witness: Witness
) -> None:
    before = opens(witness)
    for _ in range(3):
        socket.create_connection((server.host, server.port)).close()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(bound.getsockname())
    # Others of this network namespace may connect at the same time.
    assert opens(witness) - before >= 4


@on_linux
def test_attempts_that_failed_and_resets_are_counted(witness: Witness) -> None:
    before = witness.endings()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(bound.getsockname())
    after = witness.endings()
    assert before is not None
    assert after is not None
    assert after.attempts_failed > before.attempts_failed
    assert after.connections_reset >= before.connections_reset


def test_a_witness_that_was_closed_counts_nothing(witness: Witness) -> None:
    witness.close()
    witness.close()
    assert witness.opens() is None
    assert witness.endings() is None


@pytest.mark.parametrize("content", [None, "", "Ip: 1\nTcp: A B\nTcp: 1 2\n"])
def test_a_system_that_counts_nothing_has_no_witness(
    content: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "snmp"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(_witness, "_SNMP", str(path))
    assert Witness().opens() is None
    assert Witness().endings() is None


@on_linux
def test_a_file_that_can_be_read_no_more_counts_nothing(witness: Witness) -> None:
    assert witness._descriptor is not None
    with open(os.devnull, "rb") as empty:
        os.dup2(empty.fileno(), witness._descriptor)
    assert witness.opens() is None
    assert witness.endings() is None


def test_native_clients_are_known_by_their_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native_clients() == ()
    for name in ("pycurl", "psycopg_c", "requests"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert native_clients() == ("psycopg", "pycurl")


def test_a_child_that_is_started_or_reaped_changes_the_figure() -> None:
    figures = [children_figure()]
    assert children_figure() == figures[0]
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    figures.append(children_figure())
    child.communicate(b"\n", timeout=30)
    figures.append(children_figure())
    if sys.platform == "linux":
        assert len(set(figures)) == 3
    elif sys.platform != "win32":
        assert figures[2] != figures[0]


def test_a_system_without_proc_knows_the_children_that_were_reaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(_witness, "_has_children", lambda: True)
    monkeypatch.setattr(os, "listdir", missing)
    assert children_figure() == children_figure()


def test_a_thread_that_has_ended_meanwhile_had_no_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_witness, "_has_children", lambda: True)
    monkeypatch.setattr(os, "listdir", lambda path: ["0"])
    assert _witness.running() == ()


def test_a_system_without_resource_usage_has_a_figure_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert children_figure() == children_figure()


# The blind spots that come of it


@on_linux
def test_what_a_child_process_opened_is_a_blind_spot(server: KeepaliveServer) -> None:
    with measure() as seen:
        assert seen.exact
        subprocess.run([sys.executable, "-c", CONNECT, str(server.port)], check=True, timeout=30)
    server.wait_for_connections(1)
    assert seen.count == 0
    (spot,) = seen.blind_spots
    assert spot.opens >= 1
    assert spot.suspects == ("a child process",)


@on_linux
def test_a_native_client_that_opens_is_a_blind_spot(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import _socket

    monkeypatch.setitem(sys.modules, "pycurl", types.ModuleType("pycurl"))
    with measure() as seen:
        # What no Python socket class has a part in.
        client = _socket.socket()
        client.connect(("127.0.0.1", server.port))
        client.close()
    assert seen.count == 0
    assert [spot.suspects for spot in seen.blind_spots] == [("pycurl",)]


@on_linux
def test_what_somebody_else_opened_is_no_blind_spot(server: KeepaliveServer) -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", f"input(); {CONNECT}", str(server.port)], stdin=subprocess.PIPE
        ) as other,
        measure() as seen,
    ):
        assert other.stdin is not None
        other.stdin.write(b"\n")
        other.stdin.flush()
        server.wait_for_connections(1)
        assert seen.exact
    assert seen.exact
