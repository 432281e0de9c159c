"""What a probe of another client is made of; ``pytest_keepalive_make_probe`` gives it to us.

A probe states facts and judges nothing: ``Adopted`` once for each connection that its client
uses, then ``Requested``, ``Answered`` and ``Ended`` for each exchange, and ``ClosedBy`` where the
client's own code shows why it closes. That a connection was made and closed need not be stated
for Python's sockets: they are watched already.
"""

from __future__ import annotations

from pytest_keepalive._call_site import CallSite, find_call_site
from pytest_keepalive._events import (
    Adopted,
    Answered,
    ClosedBy,
    CloseTrigger,
    Ended,
    Ending,
    Requested,
    Sink,
    Trouble,
    new_number,
)
from pytest_keepalive._origin import Origin, Pair, origin_of, pair_of, without_secrets
from pytest_keepalive._probes._patch import Patches, SeamGone, observing
from pytest_keepalive._probes._probe import Probe

__all__ = [
    "Adopted",
    "Answered",
    "CallSite",
    "CloseTrigger",
    "ClosedBy",
    "Ended",
    "Ending",
    "Origin",
    "Pair",
    "Patches",
    "Probe",
    "Requested",
    "SeamGone",
    "Sink",
    "Trouble",
    "find_call_site",
    "new_number",
    "observing",
    "origin_of",
    "pair_of",
    "without_secrets",
]
