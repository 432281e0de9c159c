"""One diagnosis: why a connection was opened though its origin had one."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Connection
from pytest_keepalive._diagnosis._causes import Cause


@dataclass(frozen=True, repr=False)
class Finding:
    """Why one connection beyond the first to its origin was opened.

    Args:
        cause: The id of the cause; ``unknown`` where nothing could be proved.
        connection: The connection that was opened.
        predecessor: The connection that it could have been, or ``None``.
        evidence: The facts that were seen, a sentence each, with figures and call sites.
        remedy: What to change, in the words of the client's API; empty where nothing is to be.
        story: What happened, as a phrase.
        call_site: The line of the user's code that it happened at.
        legitimate: Whether the connection was needed, so that nothing is wrong.
    """

    cause: Cause
    connection: Connection
    predecessor: Connection | None
    evidence: tuple[str, ...]
    remedy: str
    story: str = ""
    call_site: CallSite | None = None
    legitimate: bool = False

    def __repr__(self) -> str:
        return f"<Finding {self.cause} {self.connection!r}>"
