"""A cause with the facts that prove it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Connection
from pytest_keepalive._diagnosis._case import Case
from pytest_keepalive._diagnosis._causes import Cause


class Proof(NamedTuple):
    """What a rule found.

    Args:
        cause: Proved by the evidence.
        predecessor: The connection that it could have been.
        evidence: The facts, a sentence each.
        story: What happened, as a phrase.
        call_site: The line of the user's code that it happened at.
    """

    cause: Cause
    predecessor: Connection
    evidence: tuple[str, ...]
    story: str
    call_site: CallSite | None


Rule = Callable[[Case], Proof | None]
