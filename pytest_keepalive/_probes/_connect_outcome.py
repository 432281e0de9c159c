"""What became of a connect, judged by what connect(2) said and by what may be asked without harm.

Rules
1. SO_ERROR is not asked: the first to read it clears it (socket(7)). Why a connect failed that
   was under way stays untold.
2. A socket without a port of its own has not connected, whatever a stand-in for connect claims.
3. "Unreachable" may be what the routing table says, and what came of a SYN: a router's answer, or
   a neighbour's silence. The socket tells which.
"""

from __future__ import annotations

import _socket
import errno
from typing import Any

from pytest_keepalive._events import ESTABLISHED, FAILED, PENDING, Outcome
from pytest_keepalive._origin import Address
from pytest_keepalive._probes._tcp_info import has_sent, read_tcp_info


def _errors(*names: str) -> frozenset[int]:
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


_UNDER_WAY = _errors("EINPROGRESS", "EWOULDBLOCK", "EALREADY", "EINTR", "WSAEWOULDBLOCK")
_UNREACHABLE = _errors("EHOSTUNREACH", "ENETUNREACH")
# Refused before anything was sent: the kernel's count of active opens has no part of these.
_NEVER_SENT = _errors(
    "EACCES",
    "EADDRNOTAVAIL",
    "EAFNOSUPPORT",
    "EBADF",
    "EINVAL",
    "EPERM",
)


def outcome_of(
    sock: Any, local: Address | None, peer: Address | None, error: BaseException | None
) -> Outcome:
    """Judge an attempt.

    Args:
        sock: What connected.
        local: Its own end, ``None`` where it has none.
        peer: The other end, ``None`` where it has none.
        error: What connect raised, or would have raised, if anything.
    """
    if error is None:
        # Without an end of its own it was closed since, by another thread.
        return ESTABLISHED if local is None or local[1] else FAILED
    if peer is not None:
        return ESTABLISHED
    info = read_tcp_info(sock)
    if info is not None and info.was_established:
        # It stood, and was reset before connect returned.
        return ESTABLISHED
    under_way = isinstance(error, OSError) and error.errno in _UNDER_WAY
    return PENDING if under_way and (not info or info.is_connecting) else FAILED


def was_sent(sock: Any, error: BaseException | None) -> bool:
    """Tell whether the kernel sent a SYN, and counted it, before an attempt failed.

    Args:
        sock: What connected.
        error: What connect raised, or would have raised, if anything.
    """
    if not isinstance(error, OSError) or isinstance(error, _socket.gaierror):
        return False
    if error.errno in _UNREACHABLE:
        return has_sent(sock)
    return error.errno not in _NEVER_SENT


def name_of_error(error: BaseException | None) -> str | None:
    """Name what ended an attempt, such as ``ECONNREFUSED``; ``None`` where that is not told."""
    number = getattr(error, "errno", None)
    if error is None or number in _UNDER_WAY:
        return None
    if isinstance(number, int) and number in errno.errorcode:
        return errno.errorcode[number]
    return type(error).__name__
