"""One transfer of a pycurl handle: the requests that it made, put together when it is over.

Rules
1. libcurl names both ends of the connection just before each request of a transfer: those that
   it makes for redirects and for authentication, too. A handle that works can be asked nothing,
   so that everything else is asked for behind the transfer.
2. The last request has the URL, the status and the method that libcurl tells. The first has
   those that were set. What is between two redirects is known by its connection alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._events import new_number
from pytest_keepalive._origin import Origin, Pair, pair_of, without_secrets

# Any of these makes a request a POST.
_POSTS = ("POST", "POSTFIELDS", "COPYPOSTFIELDS", "HTTPPOST", "MIMEPOST")
# The options that are kept.
TRACKED = ("URL", "CUSTOMREQUEST", "NOBODY", "UPLOAD", *_POSTS)
_VERSIONS = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2"}


class Hop(NamedTuple):
    """One request of a transfer.

    Args:
        pair: The connection that it was put on.
        at: When, in seconds.
    """

    pair: Pair
    at: float


class Transfer:
    """What is known of a handle, and of what it is doing.

    Args:
        go_on: What a function that libcurl calls before a request returns to let it be made.

    Attributes:
        number: The handle's own.
        pool: That of the object whose connections it uses.
        pool_name: What that object is.
        call_site: The user's line that makes it work.
        thread: ``threading.get_ident()`` there.
        users_own: What the user wants called before each request.
        known: The connections that it is known to have used.
    """

    def __init__(self, go_on: int) -> None:
        self.number = new_number()
        self.keep_to_itself()
        self.call_site: CallSite | None = None
        self.thread = 0
        self.users_own: Callable[..., Any] | None = None
        self.known: set[Pair] = set()
        self.options: dict[str, Any] = {}
        self._go_on = go_on
        self._hops: list[Hop] = []

    def keep_to_itself(self) -> None:
        """Note that it uses connections of its own."""
        self.pool, self.pool_name = self.number, "pycurl.Curl"

    def before_request(self, peer: Any, local: Any, peer_port: Any, local_port: Any) -> Any:
        """Take note of a request; libcurl calls this (CURLOPT_PREREQFUNCTION)."""
        pair = pair_of((local, local_port), (peer, peer_port))
        if pair is not None and pair.local[1]:
            self._hops.append(Hop(pair, perf_counter()))
        if self.users_own is None:
            return self._go_on
        return self.users_own(peer, local, peer_port, local_port)

    def request_at(self, index: int, last: int, told: Told, hop: Hop) -> tuple[str, str]:
        """Give the URL and the method of one of its requests (rule 2).

        Args:
            index: Which.
            last: The index of the last.
            told: What libcurl tells of the last.
            hop: The request.
        """
        if index == last:
            return without_secrets(told.url), told.method
        set_url = text_of(self.options.get("URL"))
        if index == 0 and "://" in set_url:
            return without_secrets(set_url), first_method(self.options)
        scheme = told.url.partition("://")[0]
        return f"{Origin(scheme, *hop.pair.peer)}/...", told.method

    def take_hops(self) -> list[Hop]:
        """Give the requests since this was asked last."""
        hops, self._hops = self._hops, []
        return hops


class Told(NamedTuple):
    """What libcurl tells of a transfer that is over.

    Args:
        url: Of the last request, as text.
        status: Of the last response, 0 without one.
        version: ``HTTP/1.1`` and so on; empty for what is no TCP, or unknown.
        method: Of the last request.
        connects: How many connections it opened.
    """

    url: str
    status: int
    version: str
    method: str
    connects: int

    @property
    def is_http(self) -> bool:
        """Whether these were requests of HTTP over TCP."""
        return bool(self.version) and self.url.lower().startswith(("http://", "https://"))


def told_by(handle: Any, module: Any, options: Mapping[str, Any]) -> Told:
    """Ask a handle that does not work what it did.

    Args:
        handle: The handle.
        module: pycurl.
        options: What was set on it, by the options' names.
    """
    method = _ask(handle, module, "EFFECTIVE_METHOD") or first_method(options)
    status = int(_ask(handle, module, "RESPONSE_CODE") or 0)
    # Without a response there is no version yet, and HTTP/3 has no connection of TCP.
    version = _VERSIONS.get(_ask(handle, module, "INFO_HTTP_VERSION"), "")
    return Told(
        text_of(_ask(handle, module, "EFFECTIVE_URL")),
        status,
        version or ("" if status else "HTTP/1.1"),
        text_of(method),
        int(_ask(handle, module, "NUM_CONNECTS") or 0),
    )


def _ask(handle: Any, module: Any, name: str) -> Any:
    return handle.getinfo(getattr(module, name)) if hasattr(module, name) else None


def first_method(options: Mapping[str, Any]) -> str:
    """Give the method that was set."""
    if options.get("CUSTOMREQUEST"):
        return text_of(options["CUSTOMREQUEST"])
    if options.get("NOBODY"):
        return "HEAD"
    if options.get("UPLOAD"):
        return "PUT"
    return "POST" if any(options.get(name) not in (None, 0) for name in _POSTS) else "GET"


def text_of(value: Any) -> str:
    """Give what libcurl takes as text, or gives."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
