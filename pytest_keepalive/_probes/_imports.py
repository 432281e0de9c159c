"""Telling when the user's code has imported a client library.

Rules
1. Nothing is imported for the user: a probe is called once its library's module has run.
2. A module imported already is told at once; a later one the moment its code has run, before
   the import statement returns.
3. The module that results is as it would have been: its loader is put back before it runs.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Told = Callable[[ModuleType], None]


class ImportWatch:
    """A finder on ``sys.meta_path`` that finds nothing itself and tells of some imports."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}
        self._busy: set[str] = set()

    def watch(self, name: str, told: Told) -> None:
        """Have a function called with a module, now or as soon as it is imported.

        Args:
            name: The module's full name.
            told: Called once.
        """
        module = sys.modules.get(name)
        if module is not None:
            told(module)
            return
        self._told[name] = told
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Tell of no further import."""
        self._told.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a watched module through the other finders (importlib's protocol)."""
        if name not in self._told or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _TellingLoader(spec.loader, self._tell)  # type: ignore[assignment]
        return spec

    def _tell(self, module: ModuleType) -> None:
        told = self._told.pop(module.__name__, None)
        if told is not None:
            told(module)


class _TellingLoader:
    """Runs a module through its own loader, then tells."""

    def __init__(self, loader: Any, told: Told) -> None:
        self._loader = loader
        self._told = told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._told(module)
