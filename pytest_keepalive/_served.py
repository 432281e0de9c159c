"""Exchanges that only the server of the test can tell: those of clients in another language.

Rules
1. A connection whose exchanges no probe watches, to a server of ours in this process, has the
   exchanges that this server received on it: their address pairs are each other's mirror.
2. The server tells what was asked and when, not how the client fared: such exchanges have
   neither a status nor an end, unless a call of the client is proved to be the same
   (see ``_served_calls``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from pytest_keepalive._connection import Connection, Exchange, Tally
from pytest_keepalive._origin import Address, Origin, origin_of, without_secrets
from pytest_keepalive._recording import Recording
from pytest_keepalive._served_calls import with_calls


class Received(Protocol):
    """A request as a server received it; see ``RecordedRequest``."""

    @property
    def exchange_index(self) -> int:
        """Its position on its connection."""

    @property
    def method(self) -> str:
        """Such as ``GET``."""

    @property
    def target(self) -> str:
        """As sent."""

    @property
    def http_version(self) -> str:
        """Such as ``1.1``."""

    @property
    def received_at(self) -> float:
        """When its head had come, in seconds."""


class Accepted(Protocol):
    """A connection as a server accepted it; see ``AcceptedConnection``."""

    @property
    def peer(self) -> Address:
        """The client's end."""

    @property
    def requests(self) -> tuple[Received, ...]:
        """What it carried."""


class Server(Protocol):
    """A server of ours; see ``KeepaliveServer``."""

    @property
    def url(self) -> str:
        """Its origin."""

    @property
    def connections(self) -> tuple[Accepted, ...]:
        """What it accepted."""


def complete(recording: Recording) -> Recording:
    """Add to a recording what the servers of this process know and nobody else does."""
    module = sys.modules.get("pytest_keepalive._server._keepalive_server")
    return recording if module is None else with_served(recording, tuple(module.running))


def with_served(recording: Recording, servers: Iterable[Server]) -> Recording:
    """Add the exchanges that servers received to the connections that nobody else tells of.

    Args:
        recording: Any.
        servers: Those of this process.
    """
    if recording.exchanges_seen:
        return recording
    served = {
        (accepted.peer, origin.port): (origin, accepted)
        for server in servers
        for origin in (origin_of(server.url),)
        if origin is not None
        for accepted in server.connections
    }
    received = {
        each.index: found
        for each in recording.connections
        if (found := _received_on(each, served, recording)) is not None
    }
    return with_calls(recording, received, {origin for origin, _ in served.values()})


def _received_on(
    connection: Connection,
    served: Mapping[tuple[Address, int], tuple[Origin, Accepted]],
    recording: Recording,
) -> Connection | None:
    """Give a connection with what a server received on it, ``None`` where none of ours did."""
    if connection.exchanges_seen or connection.local is None:
        return None
    found = served.get((connection.local, connection.peer[1]))
    if found is None:
        return None
    origin, accepted = found
    inside = [each for each in accepted.requests if each.received_at >= recording.started_at]
    exchanges = Tally(_exchange(each, connection.index, origin) for each in inside)
    return replace(connection, origin=origin, exchanges=exchanges, exchanges_seen=True)


def _exchange(received: Received, connection_index: int, origin: Origin) -> Exchange:
    return Exchange(
        index=received.exchange_index,
        connection_index=connection_index,
        method=received.method,
        url=without_secrets(f"{origin}{received.target}"),
        status=None,
        http_version=f"HTTP/{received.http_version}",
        idle_before=None,
        call_site=None,
        started_at=received.received_at,
    )
