"""What watches one client library, and how it waits for that library."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Generic, Protocol, TypeVar


class Probe(Protocol):
    """What watches one client library.

    Attributes:
        client: The library's name, as users know it.
        module: The module that must have been imported before the probe can be installed.
        loses: What is lost without the probe, as a noun phrase.
    """

    client: str
    module: str
    loses: str

    def install(self, module: ModuleType) -> None:
        """Wrap the library's names; raises ``SeamGone`` when one is missing."""

    def uninstall(self) -> None:
        """Put back what was there."""

    def forget(self) -> None:
        """Start empty, as a forked child does."""


_P = TypeVar("_P", bound=Probe)


class AwaitedProbe(Generic[_P]):
    """A probe that is made when its client is there: most runs use one of those that we know.

    Args:
        client: The library's name, as users know it.
        module: The module whose import is awaited.
        make: Makes the probe, and imports what it is made of; it is called once.
        is_client: Tells whether the module is the client's, where another may have its name.
    """

    def __init__(
        self,
        client: str,
        module: str,
        make: Callable[[], _P],
        is_client: Callable[[ModuleType], bool] = lambda module: True,
    ) -> None:
        self.client = client
        self.module = module
        self.loses = f"the requests of {client}"
        self._make = make
        self._is_client = is_client
        self.made: _P | None = None

    def install(self, module: ModuleType) -> None:
        """Make the probe, and have it wrap the library's names.

        Raises:
            SeamGone: A name that the probe needs is gone.
        """
        if self._is_client(module):
            self.made = self._make()
            self.loses = self.made.loses
            self.made.install(module)

    def uninstall(self) -> None:
        """Put back what was there."""
        if self.made is not None:
            self.made.uninstall()

    def forget(self) -> None:
        """Start empty, as a forked child does."""
        if self.made is not None:
            self.made.forget()
