"""The clients that we know by name, each with its probe.

Rules
1. A client's probe is made, and what it is made of imported, once the client was imported: to
   import all of them takes longer than all else at the start of a run.
2. The probe of TLS is made at once: those of the clients ask it.
3. urllib3-future, on which niquests stands, may have taken the place of ``urllib3``, or live
   beside it; it stands on nothing of http.client.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_keepalive._events import Sink
from pytest_keepalive._origin import Pair
from pytest_keepalive._probes._probe import AwaitedProbe, Probe
from pytest_keepalive._probes._tls import TlsProbe

if TYPE_CHECKING:
    from pytest_keepalive._probes._aiohttp import AiohttpProbe
    from pytest_keepalive._probes._http_client import HttpClientProbe, Owner
    from pytest_keepalive._probes._httpcore import HttpcoreProbe
    from pytest_keepalive._probes._niquests import NiquestsProbe
    from pytest_keepalive._probes._pycurl import PycurlProbe
    from pytest_keepalive._probes._pyreqwest import PyreqwestProbe
    from pytest_keepalive._probes._requests import Join, RequestsProbe
    from pytest_keepalive._probes._urllib3 import Urllib3Probe


class ClientProbes:
    """Makes the probes of the clients.

    Args:
        sink: Where they state their events.
        pair_of: Gives both ends of a socket that was seen to connect, or ``None``.
    """

    def __init__(self, sink: Sink, pair_of: Callable[[Any], Pair | None]) -> None:
        self._sink = sink
        self._pair_of = pair_of
        self._tls = TlsProbe(sink)
        self._pools = AwaitedProbe("urllib3", "urllib3.poolmanager", self._urllib3, is_urllib3)
        # One of the two packages is the one that niquests stands on.
        self._futures = self._of_future("urllib3_future"), self._of_future("urllib3")

    def all(self) -> list[Probe]:
        """Give them in the order in which they wrap what several of them wrap."""
        return [
            self._tls,
            self._pools,
            self._of_requests("requests", self._join),
            self._of_requests("niquests", self._join_futures),
            AwaitedProbe("http.client", "http.client", self._http_client),
            AwaitedProbe("aiohttp", "aiohttp", self._aiohttp),
            self._of_httpcore("httpcore"),
            self._of_httpcore("httpcore2"),
            *self._futures,
        ]

    def natives(self) -> list[Probe]:
        """Give those that tell of requests alone: the kernel watch states the connections."""
        return [
            AwaitedProbe("pycurl", "pycurl", self._pycurl),
            AwaitedProbe("pyreqwest", "pyreqwest", self._pyreqwest),
        ]

    def _of_requests(self, package: str, join: Join) -> AwaitedProbe[RequestsProbe]:
        make = partial(self._requests, join, package)
        return AwaitedProbe(package, f"{package}.adapters", make)

    def _of_httpcore(self, package: str) -> AwaitedProbe[HttpcoreProbe]:
        return AwaitedProbe(package, package, partial(self._httpcore, package))

    def _of_future(self, package: str) -> AwaitedProbe[NiquestsProbe]:
        make = partial(self._niquests, package)
        return AwaitedProbe("urllib3-future", package, make, is_urllib3_future)

    def _owner_of(self, connection: Any) -> Owner | None:
        pools = self._pools.made
        return None if pools is None else pools.owner_of(connection)

    def _join(self, manager: Any, head: Any) -> None:
        if self._pools.made is not None:
            self._pools.made.join(manager, head)

    def _join_futures(self, manager: Any, head: Any) -> None:
        for future in self._futures:
            if future.made is not None:
                future.made.join(manager, head)

    def _urllib3(self) -> Urllib3Probe:
        from pytest_keepalive._probes._urllib3 import Urllib3Probe

        return Urllib3Probe(self._sink)

    def _requests(self, join: Join, package: str) -> RequestsProbe:
        from pytest_keepalive._probes._requests import RequestsProbe

        return RequestsProbe(self._sink, join, package)

    def _http_client(self) -> HttpClientProbe:
        from pytest_keepalive._probes._http_client import HttpClientProbe

        return HttpClientProbe(self._sink, self._owner_of, self._pair_of)

    def _aiohttp(self) -> AiohttpProbe:
        from pytest_keepalive._probes._aiohttp import AiohttpProbe

        return AiohttpProbe(self._sink, self._tls.handshake_of)

    def _httpcore(self, package: str) -> HttpcoreProbe:
        from pytest_keepalive._probes._httpcore import HttpcoreProbe

        return HttpcoreProbe(self._sink, self._tls.handshake_of, self._pair_of, package)

    def _niquests(self, package: str) -> NiquestsProbe:
        from pytest_keepalive._probes._niquests import NiquestsProbe

        return NiquestsProbe(self._sink, self._tls.handshake_of, package)

    def _pycurl(self) -> PycurlProbe:
        from pytest_keepalive._probes._pycurl import PycurlProbe

        return PycurlProbe(self._sink)

    def _pyreqwest(self) -> PyreqwestProbe:
        from pytest_keepalive._probes._pyreqwest import PyreqwestProbe

        return PyreqwestProbe(self._sink)


def is_urllib3_future(module: ModuleType) -> bool:
    """Tell whether a module of one of the two packages is urllib3-future's."""
    package = module.__name__.partition(".")[0]
    try:
        return find_spec(f"{package}._async") is not None
    except (ImportError, ValueError):
        # Somebody's stand-in for the package, which is no package at all.
        return False


def is_urllib3(module: ModuleType) -> bool:
    """Tell whether it is urllib3's own."""
    return not is_urllib3_future(module)
