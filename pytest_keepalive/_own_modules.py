"""Our own modules, imported as they were compiled when they were installed.

Rules
1. pytest rewrites the assertions of a plugin's modules (``pytest.register_assert_rewrite``), and
   does so in each process of each run where it may not write down what comes of it, as with
   ``PYTHONDONTWRITEBYTECODE``: for a hundred modules that takes longer than all that they do at
   the start. None of ours has an assertion that a user is to read.
2. No other module is found in another way, and nothing stays behind: in a run that uses us it
   lasts as long as the run, elsewhere as long as an import of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_OURS = f"{__name__.partition('.')[0]}."


class OwnModules:
    """A finder on ``sys.meta_path`` that finds the modules of this package, and no others."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of ours where Python would (importlib's protocol)."""
        return PathFinder.find_spec(name, path, target) if name.startswith(_OURS) else None


_finder = OwnModules()


@contextmanager
def as_compiled() -> Iterator[None]:
    """Leave pytest's rewriting out of what is imported of ours meanwhile."""
    begins_here = _begin()
    try:
        yield
    finally:
        if begins_here:
            _end()


def import_as_compiled(add_cleanup: Callable[[Callable[[], None]], object]) -> None:
    """Leave it out from now on.

    Args:
        add_cleanup: Takes what is to be called at the end of the run.
    """
    if _begin():
        add_cleanup(_end)


def _begin() -> bool:
    begins_here = _finder not in sys.meta_path
    if begins_here:
        sys.meta_path.insert(0, _finder)
    return begins_here


def _end() -> None:
    # Who keeps a copy of the list to put back may have put back one without it.
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
