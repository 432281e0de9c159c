"""Sockets told by where they went, where nothing better tells them (pure).

Rules
1. As many sockets as connects, or fewer, are taken for them, in the order of their time; more
   are others' too, and then none is taken for any.
2. A socket that was in TIME-WAIT before the first of these connects is an older one.
"""

from __future__ import annotations

import _socket
from collections.abc import Iterable

from pytest_keepalive._origin import Address, address_of
from pytest_keepalive._watch._record import Record
from pytest_keepalive._watch._sock_diag import Socket

# A connect to nowhere in particular goes to this machine.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def destination_of(record: Record) -> Address:
    """Give the address that a connect goes to; a port of 0 where it could not be read."""
    if record.family == _socket.AF_INET:
        host = _socket.inet_ntop(_socket.AF_INET, record.address[:4])
    elif record.family == _socket.AF_INET6:
        host = _socket.inet_ntop(_socket.AF_INET6, record.address)
    else:
        return "", 0
    address = address_of((_ANY.get(host, host), record.port))
    assert address is not None
    return address


def match(records: Iterable[Record], entries: Iterable[Socket]) -> dict[int, Socket]:
    """Give which socket each connect is taken for, by the record's sequence number.

    Args:
        records: Connects of which nothing else tells.
        entries: Sockets that are closed, and taken for no other connect.
    """
    connects: dict[Address, list[Record]] = {}
    for record in records:
        connects.setdefault(destination_of(record), []).append(record)
    matched: dict[int, Socket] = {}
    known = list(entries)
    for destination, made in connects.items():
        first = min(record.at for record in made)
        there = [entry for entry in known if entry.peer == destination and _is_since(entry, first)]
        if len(there) <= len(made):
            pairs = zip(made, sorted(there, key=_when), strict=False)
            matched |= {record.sequence: entry for record, entry in pairs}
    return matched


def _is_since(entry: Socket, moment: float) -> bool:
    return entry.waits_since == 0.0 or entry.waits_since >= moment


def _when(entry: Socket) -> float:
    return entry.waits_since
