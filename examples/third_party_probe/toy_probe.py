"""A pytest plugin that teaches pytest-keepalive to see the exchanges of the toy client.

A library ships such a module and names it in its ``pytest11`` entry points; here the test names
it in ``pytest_plugins``. The last hook is a reporter: it is given what the whole run did.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest

if TYPE_CHECKING:
    from toy_client import ToyClient

    from pytest_keepalive.probing import Probe, Sink


class ToyProbe:
    """Watches the toy client.

    Args:
        sink: Takes the facts.
    """

    client = "toy"
    module = "toy_client"
    loses = "exchanges and their reuse"

    def __init__(self, sink: Sink) -> None:
        from pytest_keepalive.probing import Patches

        self.sink = sink
        self._patches = Patches()
        self._adopted: WeakSet[ToyClient] = WeakSet()

    def install(self, module: ModuleType) -> None:
        """Wrap what makes a request."""
        self._patches.wrap(module.ToyClient, "get", self._watched)

    def uninstall(self) -> None:
        """Put back what was there."""
        self._patches.restore()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        self._adopted = WeakSet()

    def _watched(self, get: Any) -> Any:
        def watched(client: ToyClient, path: str) -> int:
            number = self.begun(client, path)
            status: int = get(client, path)
            self.answered(number, status)
            return status

        return watched

    def begun(self, client: ToyClient, path: str) -> int:
        """State that a request begins, and who uses the connection when it is the first."""
        from pytest_keepalive.probing import (
            Adopted,
            Origin,
            Requested,
            find_call_site,
            new_number,
            pair_of,
            without_secrets,
        )

        pair = pair_of(client.socket.getsockname(), client.socket.getpeername())
        number, now, site = new_number(), _now(), find_call_site(3)
        if pair is not None:
            origin = Origin("http", client.host, client.port)
            if client not in self._adopted:
                self._adopted.add(client)
                self.sink(Adopted(pair, now, self.client, origin, owner=id(client), call_site=site))
            url = without_secrets(f"{origin}{path}")
            self.sink(Requested(number, pair, now, "GET", url, site))
        return number

    def answered(self, number: int, status: int) -> None:
        """State that a response came and was read to its end."""
        from pytest_keepalive.probing import Answered, Ended, Ending

        self.sink(Answered(number, _now(), status, "HTTP/1.1"))
        self.sink(Ended(number, _now(), Ending.COMPLETE))


def pytest_keepalive_make_probe(sink: Sink) -> Probe:
    """Add the probe."""
    return ToyProbe(sink)


def pytest_keepalive_report(config: pytest.Config, summary: dict[str, Any]) -> None:
    """Tell the run in a line of our own."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        total = summary["total"]
        terminal.ensure_newline()
        terminal.write_line(f"toy report: {total['reused']} of {total['exchanges']} reused")


def _now() -> float:
    from time import perf_counter

    return perf_counter()
