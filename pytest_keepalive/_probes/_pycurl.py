"""pycurl: the requests of its handles, each on the connection that carried it.

Rules
1. pycurl's types cannot be changed, so that subclasses stand in their place. Handles that were
   there before go unseen, and so do names that were taken from the module before.
2. Which connections there are is the kernel watch's to say: libcurl tells of one only when a
   request is put on it. Without that watch this probe is not installed.
3. No handle is kept alive: the end of one may be what closes its connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import get_ident
from time import perf_counter
from types import ModuleType
from typing import Any, NamedTuple

from pytest_keepalive._call_site import find_call_site
from pytest_keepalive._events import (
    Adopted,
    Answered,
    Ended,
    Ending,
    Requested,
    Sink,
    discard,
    new_number,
)
from pytest_keepalive._origin import origin_of
from pytest_keepalive._probes._identity import Identities
from pytest_keepalive._probes._patch import Patches, observing
from pytest_keepalive._probes._pycurl_transfer import (
    TRACKED,
    Hop,
    Told,
    Transfer,
    told_by,
)
from pytest_keepalive._probes._seam import Done, ignore, observed, seam_of

_NEEDED = ("PREREQFUNCTION", "PREREQFUNC_OK", "EFFECTIVE_URL", "NUM_CONNECTS")
_TRANSFER = "_keepalive_transfer"
_WORKING = ("perform", "perform_rb", "perform_rs")


class Call(NamedTuple):
    """A call of a method.

    Args:
        subject: Whose.
        arguments: Those of interest, by position.
    """

    subject: Any
    arguments: tuple[Any, ...]


class PycurlProbe:
    """Watches pycurl.

    Args:
        sink: Where it states its events.
    """

    client = "pycurl"
    module = "pycurl"
    loses = "requests"

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._patches = Patches()
        self._pools = Identities()
        self._pycurl: Any = None
        self._plain: Any = None
        self._names: dict[int, str] = {}

    def install(self, module: ModuleType) -> None:
        """Put subclasses in the place of pycurl's types.

        Raises:
            SeamGone: libcurl is older than 7.80, or a name that this needs is gone.
        """
        for name in _NEEDED:
            seam_of(module, name)
        self._pycurl, self._plain = module, seam_of(module, "Curl")
        self._names = {getattr(module, name): name for name in TRACKED if hasattr(module, name)}
        self._patches.wrap(module, "Curl", self._handles)
        self._patches.wrap(module, "CurlMulti", self._multis)

    def uninstall(self) -> None:
        """Put back what was there; handles that were made since only pass calls on."""
        self._patches.restore()
        self.sink = discard

    def forget(self) -> None:
        """Start empty, as a forked child does: what there is belongs to handles."""

    # The types.

    def _handles(self, original: Any) -> Any:
        """Make the type that stands in the place of ``pycurl.Curl``."""
        after: dict[str, Done] = {
            # A subclass would take any arguments, where pycurl takes none.
            "__init__": ignore,
            "duphandle": self._copied,
            "reset": self._reset,
            **dict.fromkeys(("setopt", "setopt_string", "unsetopt"), self._was_set),
        }
        working = observed(self._works, self._is_over, self._failed)
        wrappers = {name: observed(_call, done) for name, done in after.items()}
        return _subclass(original, wrappers | dict.fromkeys(_WORKING, working))

    def _multis(self, original: Any) -> Any:
        """Make the type that stands in the place of ``pycurl.CurlMulti``."""
        after = {
            "add_handle": self._was_added,
            "remove_handle": self._was_removed,
            "info_read": self._was_read,
        }
        return _subclass(original, {name: observed(_call, done) for name, done in after.items()})

    # What happens to a handle.

    @observing
    def _copied(self, call: Call, copy: Any) -> None:
        before, transfer = self._of(call.subject), self._of(copy)
        transfer.users_own = before.users_own
        transfer.options |= before.options

    def _of(self, handle: Any) -> Transfer:
        """Give what is known of a handle of ours, from its first use on."""
        transfer: Transfer | None = _transfer_of(handle)
        if transfer is None:
            transfer = vars(handle)[_TRANSFER] = Transfer(self._pycurl.PREREQFUNC_OK)
            self._heed(handle, transfer)
        return transfer

    def _heed(self, handle: Any, transfer: Transfer) -> None:
        """Have libcurl tell of each request."""
        self._plain.setopt(handle, self._pycurl.PREREQFUNCTION, transfer.before_request)

    @observing
    def _reset(self, call: Call, result: Any) -> None:
        transfer = self._of(call.subject)
        transfer.users_own = None
        transfer.options.clear()
        self._heed(call.subject, transfer)

    @observing
    def _was_set(self, call: Call, result: Any) -> None:
        option, *values = call.arguments
        transfer, value = self._of(call.subject), values[0] if values else None
        if option == self._pycurl.PREREQFUNCTION:
            transfer.users_own = value
            self._heed(call.subject, transfer)
        elif option in self._names:
            transfer.options[self._names[option]] = value

    # What it does, by itself or among others.

    def _works(self, handle: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._note_caller(handle)
        return handle

    @observing
    def _note_caller(self, handle: Any) -> None:
        transfer = self._of(handle)
        transfer.call_site, transfer.thread = find_call_site(), get_ident()

    def _is_over(self, handle: Any, result: Any) -> None:
        self._state(handle, None)

    def _failed(self, handle: Any, error: BaseException) -> None:
        self._state(handle, type(error).__name__)

    @observing
    def _was_added(self, call: Call, result: Any) -> None:
        handle, transfer = call.arguments[0], _transfer_of(call.arguments[0])
        if transfer is not None:
            self._note_caller(handle)
            transfer.pool = self._pools.number_of(call.subject)
            transfer.pool_name = "pycurl.CurlMulti"

    @observing
    def _was_removed(self, call: Call, result: Any) -> None:
        handle, transfer = call.arguments[0], _transfer_of(call.arguments[0])
        if transfer is not None:
            self._state(handle, None)
            transfer.keep_to_itself()

    @observing
    def _was_read(self, call: Call, result: Any) -> None:
        _, complete, failed = result
        for handle in complete:
            self._state(handle, None)
        for handle, *_ in failed:
            self._state(handle, "error")

    # What is said of it.

    @observing
    def _state(self, handle: Any, error: str | None) -> None:
        transfer = _transfer_of(handle)
        hops = transfer.take_hops() if transfer is not None else []
        if not hops:
            return
        told = told_by(handle, self._pycurl, transfer.options)
        if told.is_http:
            self._state_hops(transfer, hops, told, error)

    def _state_hops(
        self, transfer: Transfer, hops: list[Hop], told: Told, error: str | None
    ) -> None:
        last, now = len(hops) - 1, perf_counter()
        for index, hop in enumerate(hops):
            url, method = transfer.request_at(index, last, told, hop)
            self._adopt(transfer, hop, url, told.connects)
            exchange = new_number()
            worker, site = transfer.thread, transfer.call_site
            asked = Requested(exchange, hop.pair, hop.at, method, url, site, worker=worker)
            self.sink(asked)
            if index < last:
                self.sink(Ended(exchange, hops[index + 1].at, Ending.COMPLETE))
            else:
                self._end(exchange, now, told, error)

    def _adopt(self, transfer: Transfer, hop: Hop, url: str, connects: int) -> None:
        """Say whose a connection is, at its first exchange."""
        origin = origin_of(url)
        if origin is None or (hop.pair in transfer.known and not connects):
            return
        transfer.known.add(hop.pair)
        self.sink(
            Adopted(
                hop.pair,
                hop.at,
                self.client,
                origin,
                transfer.pool,
                transfer.pool_name,
                thread=transfer.thread,
                call_site=transfer.call_site,
            )
        )

    def _end(self, exchange: int, now: float, told: Told, error: str | None) -> None:
        if told.status:
            self.sink(Answered(exchange, now, told.status, told.version))
        complete = Ending.COMPLETE if told.status else Ending.ABANDONED
        ending = complete if error is None else Ending.FAILED
        self.sink(Ended(exchange, now, ending, error))


def _subclass(original: Any, wrappers: Mapping[str, Callable[[Any], Any]]) -> Any:
    """Make a type that is another one but for some methods."""
    namespace: dict[str, Any] = {"__doc__": original.__doc__, "__module__": original.__module__}
    for name, wrapped in wrappers.items():
        if hasattr(original, name):
            namespace[name] = wrapped(getattr(original, name))
    return type(original.__name__, (original,), namespace)


def _call(subject: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    named = (kwargs[name] for name in ("option", "value") if name in kwargs)
    return Call(subject, (*args, *named))


def _transfer_of(handle: Any) -> Any:
    """Give what is known of a handle, ``None`` for one that was there before."""
    return (getattr(handle, "__dict__", None) or {}).get(_TRANSFER)
