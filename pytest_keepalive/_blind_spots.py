"""Connections that were opened and that no observer saw.

Rules
1. The kernel's ``Tcp: ActiveOpens`` bounds what was opened: attributed is never above it.
2. What is above the attributed accuses this process only when it could have done it: a native
   client library is loaded, or a child process was started in the window. Else it is another
   process's noise, and no blind spot.
3. Where nothing is patched, every client without a recording transport could have done it.
4. Under the kernel watch only what hides from it could have done it, and only in the time in
   which it was there.
5. What is being connected while a reading is taken may be counted in it already, or not yet. With
   that much in doubt at either end there is a least and a most; only the least is certain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_keepalive._watch._count_table import Neighbours
    from pytest_keepalive._watch._facts import Suspicion

_UNRECORDED = "a client without a transport of connection_counter"


@dataclass(frozen=True)
class BlindSpot:
    """Connections that the kernel counted and no observer saw.

    Args:
        opens: How many, at least one.
        suspects: What in this process could have made them.
        remedy: How to see them.
        certain: Whether it was this process, and not another worker of the same run.
    """

    opens: int
    suspects: tuple[str, ...]
    remedy: str = "run with --keepalive-watch=kernel"
    certain: bool = True

    def __str__(self) -> str:
        one = self.opens == 1
        said = "connection was" if one else "connections were"
        text = f"{self.opens} {said} opened that no observer saw ({', '.join(self.suspects)})"
        if not self.certain:
            text = f"perhaps {text}, unless another worker opened {'it' if one else 'them'}"
        return f"{text}; {self.remedy}"

    def proved(self, opens: int) -> tuple[BlindSpot, ...]:
        """Give what is certain of it, and what is not, once some are known to be of this process.

        Args:
            opens: How many, at least one.
        """
        if opens >= self.opens:
            return (replace(self, certain=True),)
        return replace(self, opens=opens, certain=True), replace(self, opens=self.opens - opens)


_REFUSED_REMEDY = "run where the kernel watch is allowed"
_HIDDEN_REMEDY = "switch io_uring off there (for libuv, UV_USE_IO_URING=0)"


class Sight(NamedTuple):
    """A reading of what was opened, and of who could have opened what nobody saw.

    Args:
        witnessed: The kernel's count of active opens, ``None`` where there is none.
        attributed: How many of them the observers account for.
        natives: Native client libraries that are loaded.
        children: A figure that changes whenever a child process was started or reaped.
        patched: Whether the clients of this process are watched; else any of them is suspect.
        by_kernel: Whether the kernel watches, so that only what hides from it is suspect.
        refused: Whether the kernel was asked to, and does not.
        at: When the reading was taken, in seconds.
        hiding: What hides or hid from the kernel watch.
        doubtful: How many of the attributed the kernel may not have counted yet.
        neighbours: What could be told of the other workers of the run, ``None`` without any.
    """

    witnessed: int | None
    attributed: int
    natives: tuple[str, ...]
    children: int
    patched: bool = True
    by_kernel: bool = False
    refused: bool = False
    at: float = 0.0
    hiding: tuple[Suspicion, ...] = ()
    doubtful: int = 0
    neighbours: Neighbours | None = None

    def blind_spots_since(self, start: Sight) -> tuple[BlindSpot, ...]:
        """Tell what escaped the observers between an earlier reading and this one."""
        if self.witnessed is None or start.witnessed is None:
            return ()
        seen = self.attributed - start.attributed - self.doubtful
        most = self.witnessed - start.witnessed - seen
        least = most - self.doubtful - start.doubtful
        unseen, certain = (least, True) if least > 0 else (most, False)
        suspects = (*self.natives, *self._hidden_since(start.at))
        if self.children != start.children:
            suspects = (*suspects, "a child process")
        if unseen > 0 and not self.patched:
            suspects = (_UNRECORDED, *suspects)
            return (BlindSpot(unseen, suspects, "run without --keepalive-off", certain),)
        if unseen <= 0 or not suspects:
            return ()
        remedy = _REFUSED_REMEDY if self.refused else BlindSpot.remedy
        remedy = _HIDDEN_REMEDY if self.by_kernel else remedy
        return (BlindSpot(unseen, suspects, remedy, certain),)

    def _hidden_since(self, moment: float) -> dict[str, None]:
        """Name what hid from the kernel watch since some moment, each once."""
        overlapping = (
            each.who for each in self.hiding if each.until is None or each.until >= moment
        )
        return dict.fromkeys(overlapping)
