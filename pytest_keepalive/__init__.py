"""Prove that requests reuse TCP connections, and say why when they do not.

The names are looked up when they are asked for: pytest imports this package in every run, also
in those that do not use it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pytest_keepalive._own_modules import as_compiled

if TYPE_CHECKING:
    from pytest_keepalive._connection import Connection, Exchange
    from pytest_keepalive._counter import ConnectionCounter
    from pytest_keepalive._diagnosis import Cause, Finding
    from pytest_keepalive._instruments import KeepaliveWarning
    from pytest_keepalive._limits import ConnectionLimitExceeded, Limit, Violation
    from pytest_keepalive._measure import measure
    from pytest_keepalive._origin import Origin
    from pytest_keepalive._recording import Recording
    from pytest_keepalive._server import ConnectProxy, KeepaliveServer, Reply
    from pytest_keepalive._view import View

__all__ = [
    "Cause",
    "ConnectProxy",
    "Connection",
    "ConnectionCounter",
    "ConnectionLimitExceeded",
    "Exchange",
    "Finding",
    "KeepaliveServer",
    "KeepaliveWarning",
    "Limit",
    "Origin",
    "Recording",
    "Reply",
    "View",
    "Violation",
    "measure",
]

_HOMES = {
    "Cause": "_diagnosis",
    "ConnectProxy": "_server",
    "Connection": "_connection",
    "ConnectionCounter": "_counter",
    "ConnectionLimitExceeded": "_limits",
    "Exchange": "_connection",
    "Finding": "_diagnosis",
    "KeepaliveServer": "_server",
    "KeepaliveWarning": "_instruments",
    "Limit": "_limits",
    "Origin": "_origin",
    "Recording": "_recording",
    "Reply": "_server",
    "View": "_view",
    "Violation": "_limits",
    "measure": "_measure",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with as_compiled():
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return __all__
