"""The referee: a scriptable origin on loopback that counts what it accepted."""

from __future__ import annotations

from pytest_keepalive._server._connect_proxy import ConnectProxy
from pytest_keepalive._server._faults import Effect, Fault, Moment
from pytest_keepalive._server._keepalive_server import KeepaliveServer
from pytest_keepalive._server._records import AcceptedConnection, RecordedRequest
from pytest_keepalive._server._reply import BodyFraming, Reply

__all__ = [
    "AcceptedConnection",
    "BodyFraming",
    "ConnectProxy",
    "Effect",
    "Fault",
    "KeepaliveServer",
    "Moment",
    "RecordedRequest",
    "Reply",
]
