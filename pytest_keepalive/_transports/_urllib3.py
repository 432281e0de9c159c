"""A pool manager of urllib3 that records, 1.26 and 2.x.

Rules
1. The probes of http.client and of urllib3 do the work, put on classes of our own that derive
   from urllib3's: nothing that is shared is touched.
2. Those classes bear the names of urllib3's, since its error messages contain them.
3. The probe of http.client needs what http.client gives, so its class goes between urllib3's
   and http.client's in the order of resolution. It calls upwards anew each time: the same probe
   on http.client itself sees what passes, when somebody measures with patches meanwhile.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from http import client
from time import perf_counter
from types import ModuleType
from typing import Any, ClassVar

from pytest_keepalive._events import Sink
from pytest_keepalive._origin import Pair
from pytest_keepalive._probes._http_client import HttpClientProbe
from pytest_keepalive._probes._patch import observing
from pytest_keepalive._probes._tcp_info import TcpInfo
from pytest_keepalive._probes._urllib3 import Urllib3Probe
from pytest_keepalive._transports._opened import Connecting, OpenConnection, look_at

try:
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
except ImportError as error:
    message = "connection_counter.pool_manager needs urllib3: pip install urllib3"
    raise ImportError(message) from error

from urllib3.connection import HTTPConnection

__all__ = ["PoolManager", "make_pool_manager"]

CLIENT = "urllib3"

Look = tuple[Any, "TcpInfo | None"]
"""A socket, and what the kernel told of it."""


class SharedConnection(OpenConnection):
    """A connection whose socket its client shares with the response that is read from it.

    Args:
        sink: Where it states its events.
        pair: Its ends.
    """

    def __init__(self, sink: Sink, pair: Pair) -> None:
        super().__init__(CLIENT, sink, pair)
        self.opened_at = perf_counter()
        self.was_let_go = False
        self._socket: Callable[[], Any] = _nothing

    def stands_for(self, sock: Any) -> None:
        """Take a socket object for the connection from now on."""
        self._socket = weakref.ref(sock)
        self.watch(sock)

    @observing
    def look(self) -> Look:
        """Look at the socket before one of the two lets it go, and hold it until then."""
        sock = self._socket()
        return sock, look_at(sock)

    @observing
    def let_go(self, look: Look | None) -> None:
        """Take note that one of the two has let go of the socket; the last one closes it.

        Args:
            look: The one taken before; ``None`` when that failed.
        """
        self.was_let_go = True
        if look is not None and look[0] is not None and look[0].fileno() < 0:
            self.closed(look[1])


class Connections(weakref.WeakKeyDictionary[Any, SharedConnection]):
    """The connections of one pool manager, by what stands for their sockets.

    Args:
        sink: Where they state their events.
    """

    client = CLIENT

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.sink = sink

    @observing
    def known_of(self, sock: Any) -> SharedConnection | None:
        """Give the connection of a socket; ``None`` is given for anything else."""
        return self.get(sock) if sock is not None else None

    def pair_of(self, sock: Any) -> Pair | None:
        """Give both ends of a socket, even where it was reset since."""
        connection = self.known_of(sock)
        return connection.pair if connection is not None else None


class RecordingConnection(HTTPConnection):
    """What our connections do besides."""

    client = CLIENT
    known: ClassVar[Connections]
    _new: SharedConnection | None = None

    @property
    def sink(self) -> Sink:
        """Where its events are stated."""
        return self.known.sink

    def _new_conn(self) -> Any:
        connecting = Connecting(CLIENT, self.sink, self.host, self.port)
        try:
            sock = super()._new_conn()
        except BaseException as error:
            connecting.failed(error)
            raise
        self._opened(connecting, sock)
        return sock

    def connect(self) -> None:
        """Connect, under TLS where that is asked for."""
        try:
            super().connect()
        except BaseException:
            self._settle()
            raise
        self._settle()
        self._shook_hands()

    def close(self) -> None:
        """Let go of the socket."""
        connection = self.known.known_of(self.sock)
        look = connection.look() if connection is not None else None
        super().close()
        if connection is not None:
            connection.let_go(look)

    @observing
    def _opened(self, connecting: Connecting, sock: Any) -> None:
        pair = connecting.established(sock.getsockname(), _peer_of(sock))
        self._new = SharedConnection(self.sink, pair) if pair is not None else None

    @observing
    def _settle(self) -> None:
        """Learn which socket object stands for the connection now: TLS makes a new one."""
        new, self._new = self._new, None
        if new is None:
            return
        if self.sock is None:
            new.closed(None)
            return
        self.known[self.sock] = new
        new.stands_for(self.sock)

    @observing
    def _shook_hands(self) -> None:
        connection = self.known.known_of(self.sock)
        if connection is not None and hasattr(self.sock, "selected_alpn_protocol"):
            connection.handshaken(connection.opened_at, self.sock.selected_alpn_protocol())


class RequestedConnection(client.HTTPConnection):
    """Where the probe of http.client is put (rule 3)."""

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """Send the head of a request."""
        super().endheaders(*args, **kwargs)

    def getresponse(self) -> client.HTTPResponse:
        """Await the head of a response."""
        return super().getresponse()

    # urllib3 1.26 asks with an argument first, and the refusal shows in its tracebacks.
    getresponse.__qualname__ = client.HTTPConnection.getresponse.__qualname__

    def close(self) -> None:
        """Close the connection."""
        super().close()


class RecordingResponse(client.HTTPResponse):
    """What the responses of our connections do besides."""

    known: ClassVar[Connections]

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._connection = self.known.known_of(sock)

    def _close_conn(self) -> None:
        connection = self._connection
        # While the client holds the socket, this is not what closes it.
        last = connection if connection is not None and connection.was_let_go else None
        look = last.look() if last is not None else None
        super()._close_conn()  # type: ignore[misc]  # typeshed leaves it out
        if last is not None:
            last.let_go(look)


def make_pool_manager(sink: Sink | None, *arguments: Any, **keywords: Any) -> PoolManager:
    """Make a pool manager.

    Args:
        sink: Where it states its events; ``None`` where the probes see what it carries.
        arguments: Those of ``urllib3.PoolManager``.
        keywords: Those of ``urllib3.PoolManager``.
    """
    if sink is None:
        return PoolManager(*arguments, **keywords)
    known = Connections(sink)
    response = _derived(client.HTTPResponse, RecordingResponse, known=known)
    requested = _derived(client.HTTPConnection, RequestedConnection, response_class=response)
    http = _pool_class(HTTPConnectionPool, requested, known)
    https = _pool_class(HTTPSConnectionPool, requested, known)
    manager = _derived(PoolManager, PoolManager)
    owners = Urllib3Probe(sink)
    owners.install(_module(PoolManager=manager, HTTPConnectionPool=http, HTTPSConnectionPool=https))
    requests = HttpClientProbe(sink, owners.owner_of, known.pair_of)
    requests.install(_module(HTTPConnection=requested, HTTPResponse=response))
    made: PoolManager = manager(*arguments, **keywords)
    made.pool_classes_by_scheme = {"http": http, "https": https}
    return made


def _pool_class(base: Any, requested: Any, known: Connections) -> Any:
    connection = base.ConnectionCls
    if not issubclass(connection, HTTPConnection):
        # A Python without ssl has a stand-in there, which urllib3 knows by its identity.
        return base
    recording = _derived(connection, RecordingConnection, connection, requested, known=known)
    return _derived(base, base, ConnectionCls=recording)


def _derived(alike: Any, *bases: Any, **members: Any) -> Any:
    """Derive a class that looks like another (rule 2)."""
    looks = {name: getattr(alike, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(alike)(alike.__name__, bases, {**looks, **members})


def _module(**names: Any) -> ModuleType:
    module = ModuleType(__name__)
    vars(module).update(names)
    return module


def _nothing() -> None:
    """Stand for a reference to a socket that is not known yet."""


def _peer_of(sock: Any) -> object:
    try:
        return sock.getpeername()
    except OSError:
        # The peer has reset it already.
        return None
