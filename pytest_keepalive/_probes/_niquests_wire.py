"""What is read off the objects of urllib3-future: every name of its own that may vanish.

Rules
1. What is gone gives what stands for "not seen"; nothing here fails for a missing name.
2. Nothing is changed, and no byte is read from a socket.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from pytest_keepalive._origin import Origin, Pair, origin_of, pair_of, without_secrets

_VERSIONS = {20: "HTTP/2", 30: "HTTP/3"}
# Where a request is made up, and its head sent.
_UNSENT_IN = frozenset(("connect", "endheaders", "putheader", "putrequest"))


class Said(NamedTuple):
    """What a request says.

    Args:
        method: Such as ``GET``.
        target: A path, or a whole URL where it goes to a forward proxy.
        closing: Whether it says ``Connection: close``.
        expecting: Whether it says ``Expect: 100-continue``.
        has_body: Whether it carries a body; ``None`` where not seen.
    """

    method: str
    target: str
    closing: bool = False
    expecting: bool = False
    has_body: bool | None = None


def said_in(fields: Iterable[tuple[bytes, bytes]]) -> Said:
    """Read the fields of a request, those of HTTP/2 that begin with a colon among them."""
    method, target, has_body = "", "", False
    closing = expecting = False
    for name, value in fields:
        if name == b":method":
            method = value.decode("ascii", "replace")
        elif name == b":path":
            target = value.decode("ascii", "replace")
        elif name == b"connection":
            closing = b"close" in value.lower()
        elif name == b"expect":
            expecting = True
        elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            has_body = True
    return Said(method, target, closing, expecting, has_body)


@lru_cache(maxsize=1024)
def url_of(prefix: str, target: str) -> str:
    """Give the URL of a request, without secrets."""
    # A request to a forward proxy has its whole URL as target (RFC 9112, section 3.2.2).
    absolute = target if "://" in target.partition("?")[0] else prefix + target
    return without_secrets(absolute)


def origin_asked(connection: Any, target: str, asked: Origin | None) -> Origin:
    """Give the origin that a request is for: behind a forward proxy, the target's."""
    if getattr(connection, "proxy_is_forwarding", False) and "://" in target:
        asked = origin_of(target) or asked
    if asked is not None:
        return asked
    host, port = connection.host, connection.port
    if connection._tunnel_host:
        host, port = connection._tunnel_host, connection._tunnel_port or port
    return Origin(connection.scheme, host, port or connection.default_port)


def ends_of(sock: Any) -> Pair | None:
    """Give the two ends of a TCP connection; ``None`` for what is none, as HTTP/3's."""
    if getattr(sock, "type", None) == socket.SOCK_DGRAM:
        return None
    plain = sock
    while plain is not None and not hasattr(plain, "getsockname"):
        # TLS inside TLS, and what stands for a socket where it is awaited.
        plain = getattr(plain, "socket", None) or getattr(plain, "_sock", None)
    return None if plain is None else pair_of(plain.getsockname(), plain.getpeername())


def is_at_end(response: Any) -> bool:
    """Tell whether the last of a response came off the wire."""
    return bool(getattr(response, "_eot", response.closed))


def version_of(connection: Any, response: Any) -> str:
    """Give the version of a response, such as ``HTTP/1.1``."""
    later = _VERSIONS.get(response.version)
    if later is not None:
        return later
    # The response itself says 1.1 of every HTTP/1; its parser knows better.
    parser = getattr(getattr(connection, "_protocol", None), "_connection", None)
    version = getattr(parser, "their_http_version", None)
    return f"HTTP/{version.decode('ascii')}" if isinstance(version, bytes) else "HTTP/1.1"


def expiry_of(connection: Any) -> str:
    """Give the figure that shows that a connection is too old; nothing when it is not."""
    since = getattr(connection, "connected_at", None)
    limit = getattr(connection, "_keepalive_delay", None)
    if since is None or limit is None or time.monotonic() - since < limit:
        return ""
    return f"{time.monotonic() - since:.3g} s old, keepalive_delay {limit} s"


def offer_of(connection: Any) -> str:
    """Give the protocol that a connection speaks, or is about to change to."""
    return str(getattr(getattr(connection, "_svn", None), "value", ""))


def is_unsent(error: BaseException) -> bool:
    """Tell whether what broke a request kept its head from being sent."""
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name in _UNSENT_IN:
            return True
        traceback = traceback.tb_next
    return False


def was_received(connection: Any, stream: int) -> bool:
    """Tell whether nothing more of a stream is to come."""
    return stream not in getattr(connection, "_pending_responses", ())


def last_response(connection: Any) -> Any:
    """Give the response whose head came last on a connection, or ``None``."""
    return getattr(connection, "_response", None)


def promise_of(response: Any) -> str | None:
    """Give what urllib3-future calls the exchange of a response by, or ``None``."""
    promise = getattr(response, "from_promise", None)
    return promise.uid if promise is not None else None


def backend_of(connection: type) -> Any:
    """Give the class whose responses have no body yet, from which a connection inherits."""
    return next((base for base in connection.__mro__[1:] if "getresponse" in vars(base)), None)
