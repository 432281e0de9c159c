"""Whether this system allows the kernel watch, and what is missing, in words.

Rules
1. Asking changes nothing: the filter is not installed to find out.
2. What can only be known by trying (a second watch, a profile that forbids some operations) is
   told from the error that the trial gave.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import NamedTuple

_SUBJECT = "the kernel watch"
_LISTENER = "anon_inode:seccomp notify"
_OURS = "pytest-keepalive for process "
_CAP_SYS_ADMIN = 21
# A call that was notified may go on since 5.5, descriptors may be duplicated since 5.6, and a
# listener hears that nobody is left since 5.9; without the last, supervisors would stay.
_NEEDED = (5, 9)


class WatchRefused(RuntimeError):
    """The kernel watch cannot be had here; the text says what is missing."""


class Support(NamedTuple):
    """What this system offers.

    Args:
        missing: What the kernel watch lacks here, each a clause; empty where it can be had.
        notes: What it can do only in part.
    """

    missing: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        """Whether the watch can be had, as far as asking tells."""
        return not self.missing


def look_for_support() -> Support:
    """Ask this system whether it allows the kernel watch."""
    if sys.platform != "linux":
        return Support((f"the kernel watch needs Linux, and this is {sys.platform}",))
    missing = _missing()
    return Support(missing, () if missing else _notes())


def _missing() -> tuple[str, ...]:
    from pytest_keepalive._watch._seccomp import notifies, this_machine

    if this_machine() is None:
        return (f"the system calls of {os.uname().machine} are not known to the watch",)
    if _release() < _NEEDED:
        wanted = ".".join(map(str, _NEEDED))
        return (f"the kernel watch needs Linux {wanted}, and this is {os.uname().release}",)
    if not hasattr(os, "memfd_create") or not hasattr(os, "pidfd_open"):
        return ("this Python was built for a Linux without memfd_create or pidfd_open",)
    if not sys.executable:
        return ("sys.executable is empty: no supervisor can be started",)
    try:
        known = notifies()
    except OSError as error:
        return (explain(error.errno or 0),)
    return () if known else ("this kernel was built without notification of system calls",)


def _release() -> tuple[int, ...]:
    parts = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _notes() -> tuple[str, ...]:
    from pytest_keepalive._watch._system_calls import Duplicator

    pidfd = os.pidfd_open(os.getpid())
    try:
        os.close(Duplicator().duplicate(pidfd, pidfd))
    except OSError as error:
        return (
            f"pidfd_getfd is refused here ({_name(error.errno)}): sockets are told by the name of "
            "their protocol, and connects repeated on one socket by its inode",
        )
    finally:
        os.close(pidfd)
    return ()


def refusal(why: str) -> str:
    """Say that the watch cannot be had.

    Args:
        why: What is missing, a clause.
    """
    return why if why.startswith(_SUBJECT) else f"{_SUBJECT} is refused: {why}"


def explain(number: int) -> str:
    """Say what it means that the installation failed.

    Args:
        number: The error number of seccomp(2).
    """
    if number == errno.EBUSY:
        return f"a watch is installed already in this tree of processes{_held_by()}"
    if number in (errno.EPERM, errno.EACCES):
        return (
            f"seccomp(2) is forbidden here ({_name(number)}), as by the profile of a container; "
            "allow it there, as docker run --security-opt seccomp=unconfined does"
        )
    if number == errno.ESRCH:
        return "a thread of this process is under a filter that the others are not under"
    return f"seccomp(2) failed: {_name(number)}, {os.strerror(number)}"


def privileges_are_lost() -> bool:
    """Tell whether programs cannot gain privileges under a watch.

    An unprivileged process may install a filter only under PR_SET_NO_NEW_PRIVS (seccomp(2)).
    """
    status = _status()
    capabilities = int(status.get("CapEff", "0"), 16)
    return status.get("NoNewPrivs") == "1" or not capabilities >> _CAP_SYS_ADMIN & 1


def _held_by() -> str:
    holders = _holders()
    ancestors = set(_ancestors(os.getpid()))
    nearer = [holder for holder in holders if _serves(holder[1]) in ancestors]
    texts = dict.fromkeys(f"{name} (process {pid})" for pid, name in nearer or holders)
    return f", held by {' and '.join(texts)}" if texts else ", held by another user's process"


def _holders() -> list[tuple[int, str]]:
    """Find the processes that have a listener open, as far as this user may see them."""
    numbers = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return [(pid, _describe(pid)) for pid in numbers if _has_listener(pid)]


def _serves(description: str) -> int:
    """Give the process that a helper of ours serves, 0 for other programs."""
    number = description.removeprefix(_OURS)
    return int(number) if number.isdigit() else 0


def _ancestors(pid: int) -> list[int]:
    found = []
    while pid > 0:
        found.append(pid)
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return found


def _has_listener(pid: int) -> bool:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
        return any(_link(f"/proc/{pid}/fd/{name}") == _LISTENER for name in names)
    except OSError:
        return False


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _describe(pid: int) -> str:
    """Give the last argument of a helper of ours, which says whom it serves, or a name."""
    arguments = _read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0")
    if arguments[-1].startswith(_OURS):
        return arguments[-1]
    return _read(f"/proc/{pid}/comm").strip() or "unknown"


def _status() -> dict[str, str]:
    lines = (line.partition(":") for line in _read("/proc/self/status").splitlines())
    return {name: value.strip() for name, _, value in lines}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _name(number: int | None) -> str:
    return errno.errorcode.get(number or 0, str(number))
