"""Connecting onwards on behalf of a client, unseen by what counts the clients' own connects."""

from __future__ import annotations

import _socket
import socket
from typing import Any

from pytest_keepalive._own_connects import own_connects


def connect_upstream(host: str, port: int, timeout: float = 5.0) -> socket.socket:
    """Open a connection that nobody counts who measures in the same process.

    Args:
        host: A name or an address, without brackets.
        port: A TCP port.
        timeout: Seconds for each address that the name has.

    Raises:
        OSError: No address of the host could be connected to.
    """
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        try:
            return _connect(family, kind, protocol, address, timeout)
        except OSError as error:
            failure = error
    raise failure


def _connect(family: int, kind: int, protocol: int, address: Any, timeout: float) -> socket.socket:
    bare = _socket.socket(family, kind, protocol)
    try:
        bare.settimeout(timeout)
        own_connects.connect(bare, address)
    except OSError:
        bare.close()
        raise
    return socket.socket(family, kind, protocol, fileno=bare.detach())
