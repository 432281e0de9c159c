"""The observers of this process, installed together and taken away together.

Rules
1. They are installed while somebody measures, and not otherwise; the first to come installs,
   the last to leave puts everything back.
2. A probe whose client has changed beyond recognition is left out with one warning that says
   what is lost; the counts of connections stay right, since the socket probe gives them.
3. A forked child starts empty.
4. Who measures without patches has a recorder all the same, for the transports that record by
   themselves.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from threading import RLock
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_keepalive._blind_spots import Sight
from pytest_keepalive._events import Doubted, Sink, Trouble
from pytest_keepalive._opens import LIBUV, RELAYS, SOCKETS, Counting
from pytest_keepalive._own_connects import own_connects
from pytest_keepalive._probes._imports import ImportWatch
from pytest_keepalive._probes._patch import SeamGone
from pytest_keepalive._probes._probe import Probe
from pytest_keepalive._recorder import Recorder, Window

if TYPE_CHECKING:
    from pytest_keepalive._probes._socket import SocketProbe
    from pytest_keepalive._watch._count_table import Row
    from pytest_keepalive._watch._observer import KernelObserver

_UNPATCHED = Trouble(
    "--keepalive-off", "nothing is patched, so only the transports of connection_counter are seen"
)
_UNWATCHED = Trouble(
    "--keepalive-watch=kernel", "leave it out here, and limits hold for Python's sockets"
)


class KeepaliveWarning(UserWarning):
    """Something could not be measured as well as usual."""


@runtime_checkable
class Opener(Protocol):
    """What sees connections being made."""

    @property
    def opens(self) -> int:
        """How many connects it knows of, those that the kernel counts as active opens."""

    def settle(self) -> None:
        """State what became of that which was pending when last seen."""


class Leftover(Protocol):
    """The processes that a program of a test left behind."""

    def state(self) -> int:
        """State what they did since this was asked last, and give how often they connected."""

    @property
    def is_over(self) -> bool:
        """Whether none of them is there any more."""


class ProgramOpens:
    """The connects of programs that tests ran: stated when these end, or by what outlives them."""

    def __init__(self) -> None:
        self.opens = 0
        self.leftovers: list[Leftover] = []

    def settle(self) -> None:
        """State what the processes did that programs left behind."""
        self.opens += sum(each.state() for each in self.leftovers)
        self.leftovers = [each for each in self.leftovers if not each.is_over]


class Instruments:
    """The observers of this process; ``instruments`` is the one object of this class."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._users = 0
        self._patching = 0
        self._sockets: SocketProbe | None = None
        self._probes: list[Probe] = []
        self._fork_handled = False
        self._row: Row | None = None
        self._crowded = False
        self._wants_kernel = False
        self._kernel: KernelObserver | None = None
        self._refusal: Doubted | None = None
        self._warned: set[str] = set()
        # Makes the probes of others, which come behind ours.
        self.make_more: Callable[[Sink], Iterable[Probe]] = lambda sink: ()

    @property
    def installed(self) -> bool:
        """Whether anything is patched now."""
        return self._patching > 0

    @property
    def measuring(self) -> bool:
        """Whether anybody measures now."""
        return self._users > 0

    @property
    def unpatched(self) -> bool:
        """Whether somebody measures, and nobody with patches."""
        return self._users > 0 and not self.installed

    def acquire(self, patch: bool = True) -> None:
        """Begin to record, and install the observers, unless they are; ``release`` must follow.

        Args:
            patch: Whether to install them; ``release`` must be told the same.
        """
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._begin()
            if patch:
                self._patching += 1
                if self._patching == 1:
                    self._install()
            elif not self.installed:
                self.recorder.sink(_UNPATCHED)

    def release(self, patch: bool = True) -> None:
        """Put everything back, when nobody else measures."""
        with self._lock:
            if patch:
                self._patching -= 1
                if self._patching == 0:
                    self._uninstall()
            self._users -= 1
            if self._users == 0:
                self.transports.close()
                self._readings.close()

    def open_window(self) -> Window:
        """Begin a window, for somebody who has called ``acquire``."""
        if self._sockets is not None:
            self._sockets.install()
        window = self.recorder.open_window()
        if self._refusal is not None:
            self.recorder.sink(self._refusal)
            self.recorder.sink(_UNWATCHED)
        return window

    def _begin(self) -> None:
        from pytest_keepalive._readings import Readings
        from pytest_keepalive._transports._sink import TransportSink

        self._readings = readings = Readings(self._see, self._row, self._crowded)
        self.recorder = Recorder(self._settle, readings.look, readings.blind_spots_since)
        self.transports = TransportSink(self.recorder.sink, lambda: self.installed)
        self.programs = ProgramOpens()
        self._openers: list[Opener] = [self.transports, self.programs]
        self._kernel = self._refusal = None
        if self._wants_kernel:
            self._begin_kernel()
        self._handle_forks()

    def _install(self) -> None:
        from pytest_keepalive._probes._accepting import AcceptProbe
        from pytest_keepalive._probes._clients import ClientProbes
        from pytest_keepalive._probes._socket import SocketProbe
        from pytest_keepalive._probes._uvloop import UvloopProbe

        sink = self._kernel.pass_on if self._kernel else self.recorder.sink
        row = self._row
        self._sockets = SocketProbe(sink, row.counts(SOCKETS) if row else None)
        self._sockets.install()
        clients = ClientProbes(sink, self._sockets.pair_of)
        natives = clients.natives() if self._kernel else []
        # Behind the others, since it wraps what they have wrapped, and is taken away first.
        libuv = UvloopProbe(sink, row.counts(LIBUV) if row else None)
        accepting = [AcceptProbe()] if row or self._crowded else []
        ours = *clients.all(), libuv, *accepting
        self._probes = [*ours, *natives, *self.make_more(sink)]
        self._openers += [self._sockets, *(p for p in self._probes if isinstance(p, Opener))]
        self._imports = ImportWatch()
        for probe in self._probes:
            self._imports.watch(probe.module, self._installer(probe, sink))

    def watch_kernel(self) -> None:
        """Watch this process and what it starts through the kernel, before ``acquire``.

        The watch cannot be taken away again; it lasts as long as the process.
        """
        self._wants_kernel = True

    def join(self, row: Row | None) -> None:
        """Count the connects of this process for other workers of its run, before ``acquire``.

        Args:
            row: Where; ``None`` when nothing can be told of them.
        """
        self._row, self._crowded = row, row is None
        if row is not None:
            own_connects.count_in(row.counts(RELAYS))

    def _begin_kernel(self) -> None:
        from pytest_keepalive._watch._observer import OBSERVER, KernelObserver
        from pytest_keepalive._watch._process_watch import watch_this_process
        from pytest_keepalive._watch._support import WatchRefused, refusal

        try:
            watch = watch_this_process()
        except WatchRefused as refused:
            self._refusal = Doubted(OBSERVER, refusal(str(refused)), True)
            return
        self._kernel = KernelObserver(watch, self.recorder.sink)

    def _uninstall(self) -> None:
        assert self._sockets is not None
        self.transports.opens, self._openers = self._opens(), [self.transports]
        if self._row is not None:
            self._row.tell(suspect=True)
        self._imports.stop()
        for probe in reversed(self._probes):
            probe.uninstall()
        self._sockets.uninstall()
        self._sockets, self._probes = None, []

    def _installer(self, probe: Probe, sink: Sink) -> Callable[[ModuleType], None]:
        def install(module: ModuleType) -> None:
            try:
                probe.install(module)
            except SeamGone as gone:
                probe.uninstall()
                self._warn(probe, f"has no {gone.seam} any more", sink)
            except Exception as error:
                # The user's import must not fail for what the observers do not understand.
                probe.uninstall()
                self._warn(probe, f"is not as it was ({error!r})", sink)

        return install

    def _warn(self, probe: Probe, change: str, sink: Sink) -> None:
        what = (
            f"{probe.client} {_version_of(probe.client)} {change}, so "
            f"{probe.loses} cannot be seen; connections are counted all the same"
        )
        sink(Trouble(probe.client, what))
        if probe.client in self._warned:
            return
        self._warned.add(probe.client)
        # Where warnings are errors the user's import must not fail for ours; the report carries
        # the same sentence.
        with contextlib.suppress(KeepaliveWarning):
            warnings.warn(what, KeepaliveWarning, stacklevel=2)

    def _settle(self) -> None:
        for opener in self._openers:
            opener.settle()
        if self._kernel is not None:
            self._kernel.settle()

    def _see(self, witnessed: int | None) -> Sight:
        from pytest_keepalive._watch._witness import children_figure, native_clients

        if self._kernel is not None:
            # Native clients and children are watched too, and no suspects.
            kernel = self._kernel
            opens, hiding = kernel.opens, kernel.suspicions
            return Sight(witnessed, opens, (), 0, by_kernel=True, at=perf_counter(), hiding=hiding)
        figures = self._opens() + own_connects.opens, native_clients(), children_figure()
        return Sight(witnessed, *figures, self.installed, refused=self._refusal is not None)

    def _opens(self) -> int:
        return sum(opener.opens for opener in self._openers)

    def _handle_forks(self) -> None:
        if not self._fork_handled and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_afresh)
            self._fork_handled = True

    def _start_afresh(self) -> None:
        self._lock = RLock()
        self._row, self._crowded = None, self._crowded or self._row is not None
        own_connects.count_alone()
        if self._users:
            self._readings.go_alone()
            for opener in self._openers:
                if isinstance(opener, Counting):
                    opener.count_alone()
            if self._sockets is not None:
                self._sockets.forget()
            for probe in self._probes:
                probe.forget()
            self.programs.leftovers.clear()
            self.recorder.start_afresh()


def _version_of(client: str) -> str:
    if client.partition(".")[0] in sys.stdlib_module_names:
        return "of Python " + sys.version.split()[0]
    try:
        return version(client)
    except PackageNotFoundError:
        return "(unknown version)"


instruments = Instruments()
