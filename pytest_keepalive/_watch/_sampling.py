"""Open sockets, looked at now and then: what is left where no watch can be had.

Rules
1. Connections that come and go between two looks are missed: a sample says "at least", and no
   upper bound or zero follows from it.
2. Who connected is not told. A socket whose port its own processes listen on was accepted, and
   does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_keepalive._events import Outcome
from pytest_keepalive._origin import Address, Pair, pair_of
from pytest_keepalive._watch._facts import KernelConnect, SeenBy

if TYPE_CHECKING:
    from psutil import Process

SAMPLED = "the open sockets were sampled, which misses connections that come and go in between"

_PENDING = "SYN_SENT"
_ACCEPTED = frozenset(("LISTEN", "SYN_RECV"))
_OVER = frozenset(("TIME_WAIT", "CLOSE", "DELETE_TCB", "NONE"))


class Sampler:
    """Looks at the sockets of a process and its descendants.

    Args:
        pid: The process.

    Raises:
        ModuleNotFoundError: psutil is not installed.
        OSError: There is no such process, or it may not be looked at.
    """

    def __init__(self, pid: int) -> None:
        import psutil

        self._failures = (psutil.Error, OSError)
        self._seen: dict[Pair, KernelConnect] = {}
        try:
            self._root = psutil.Process(pid)
        except psutil.Error as error:
            raise OSError(str(error)) from error

    @property
    def connects(self) -> tuple[KernelConnect, ...]:
        """What was open at one of the looks."""
        return tuple(self._seen.values())

    def sample(self) -> None:
        """Look now."""
        found = [(process, self._sockets_of(process)) for process in self._processes()]
        listening = {entry.laddr[1] for _, entries in found for entry in _listening(entries)}
        for process, entries in found:
            for entry in entries:
                if entry.status not in _ACCEPTED and entry.status not in _OVER:
                    self._note(process, entry, listening)

    def kill(self) -> None:
        """Kill the process and its descendants."""
        for process in reversed(self._processes()):
            with suppress(*self._failures):
                process.kill()

    def _processes(self) -> list[Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except self._failures:
            return []

    def _sockets_of(self, process: Process) -> list[Any]:
        # psutil 6 gave the method its present name.
        ask = getattr(process, "net_connections", None) or process.connections
        try:
            return list(ask("tcp"))
        except self._failures:
            return []

    def _note(self, process: Process, entry: Any, listening: set[int]) -> None:
        pair = pair_of(entry.laddr, entry.raddr)
        if pair is None or pair.local[1] in listening:
            return
        outcome = Outcome.PENDING if entry.status == _PENDING else Outcome.ESTABLISHED
        known = self._seen.get(pair)
        if known is not None:
            self._seen[pair] = known._replace(outcome=outcome)
        else:
            self._seen[pair] = self._connect(process, pair.local, pair.peer, outcome)

    def _connect(
        self, process: Process, local: Address, peer: Address, outcome: Outcome
    ) -> KernelConnect:
        try:
            name = process.name()
        except self._failures:
            name = ""
        return KernelConnect(
            number=len(self._seen),
            at=time.perf_counter(),
            process=process.pid,
            process_name=name,
            thread=0,
            thread_name="",
            peer=peer,
            local=local,
            outcome=outcome,
            seen_by=SeenBy.SAMPLE,
            is_open=True,
        )


def _listening(entries: Iterable[Any]) -> Iterable[Any]:
    return (entry for entry in entries if entry.status == "LISTEN" and entry.laddr)
