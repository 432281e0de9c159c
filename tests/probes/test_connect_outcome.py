"""What is made of the error that a connect ended with."""

from __future__ import annotations

import errno
import socket
import sys

import pytest

from pytest_keepalive._events import Outcome
from pytest_keepalive._probes import _connect_outcome, _tcp_info


def test_a_connection_that_was_reset_before_connect_returned_was_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = ConnectionResetError(errno.ECONNRESET, "")
    with monkeypatch.context() as patching:
        patching.setattr(
            _connect_outcome, "read_tcp_info", lambda sock: _tcp_info.TcpInfo(7, 1, 0, 0.0)
        )
        outcome = _connect_outcome.outcome_of(None, ("127.0.0.1", 5), None, error)
    assert outcome is Outcome.ESTABLISHED


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), "ECONNREFUSED"),
        (TimeoutError("timed out"), "TimeoutError"),
        (BlockingIOError(errno.EINPROGRESS, ""), None),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (None, None),
    ],
    ids=repr,
)
def test_what_ended_an_attempt_has_a_name(error: BaseException | None, name: str | None) -> None:
    assert _connect_outcome.name_of_error(error) == name


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), True),
        (TimeoutError("timed out"), True),
        (OSError(errno.ENETUNREACH, ""), False),
        (OSError(errno.EHOSTUNREACH, ""), False),
        (OSError(errno.EBADF, ""), False),
        (socket.gaierror(socket.EAI_NONAME, ""), False),
        (TypeError(), False),
        (None, False),
    ],
    ids=repr,
)
def test_an_attempt_that_never_left_is_not_one_that_the_kernel_counted(
    error: BaseException | None, sent: bool
) -> None:
    with socket.socket() as unused:
        assert _connect_outcome.was_sent(unused, error) is sent


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
@pytest.mark.parametrize("name", ["EHOSTUNREACH", "ENETUNREACH"])
@pytest.mark.parametrize("timeout", [None, 5], ids=["blocking", "with-a-timeout"])
def test_who_is_unreachable_may_have_been_sent_something(name: str, timeout: int | None) -> None:
    error = OSError(getattr(errno, name), "")
    with socket.socket() as bound, socket.socket() as client:
        bound.bind(("127.0.0.1", 0))
        client.settimeout(timeout)
        assert not _connect_outcome.was_sent(client, error)
        # A refusal leaves the socket as the silence of a neighbour does.
        with pytest.raises(ConnectionRefusedError):
            client.connect(bound.getsockname())
        assert _connect_outcome.was_sent(client, error)
    assert not _connect_outcome.was_sent(client, error)
