"""Group B: the same client, but another pool key, or a pool that is there no more."""

from __future__ import annotations

from ipaddress import ip_address

from pytest_keepalive._diagnosis._case import Case
from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._closed import Closed
from pytest_keepalive._diagnosis._proof import Proof
from pytest_keepalive._diagnosis._words import at
from pytest_keepalive._events import Adopted, CloseTrigger

_PROXY = ("proxy",)
_TLS = ("ssl", "tls", "cert", "ca_", "assert_", "server_hostname", "key_file", "sni")
# The key of a pool has names of its own for what its user sets.
_SETTINGS = {"cert_reqs": "verify", "ca_certs": "verify", "ca_cert_dir": "verify"}


def redirected_elsewhere(case: Case) -> Proof | None:
    """A redirect led to this origin (RFC 9110, section 15.4)."""
    if case.redirect is None or not case.is_first_there:
        return None
    source, exchange = case.redirect
    evidence = (
        f"{exchange.method} {exchange.url} was answered {exchange.status}, Location: "
        f"{exchange.header('location')}"
    )
    story = f"a redirect from {source.origin} to {case.connection.origin}"
    return Proof(Cause.REDIRECTED_ELSEWHERE, source, (evidence,), story, exchange.call_site)


def host_alias(case: Case) -> Proof | None:
    """The client reaches one server under two names.

    Two names at one address may be two sites; an address and a name for it, or two names for
    this machine, are one server.
    """
    before, now = case.predecessor.origin, case.connection.origin
    if not case.is_first_there or not case.is_of_same_client or before.scheme != now.scheme:
        return None
    if case.predecessor.peer != case.connection.peer or _goes_through_a_proxy(case.now):
        return None
    host, port = case.connection.peer
    if host not in (before.host, now.host) and not _is_loopback(host):
        return None
    evidence = f"{before} and {now} both lead to {_shown(host)}:{port}"
    story = f"{now.host} beside {before.host}, two names of one server"
    return Proof(Cause.HOST_ALIAS, case.predecessor, (evidence,), story, case.now.call_site)


def other_key(case: Case) -> Proof | None:
    """The client keeps this connection apart, since a setting differs."""
    if case.is_of_same_pool or not case.is_of_same_client:
        return None
    differences = _differences(case.before, case.now)
    cause = _cause_of(differences)
    if cause is None:
        return None
    names = dict.fromkeys(_SETTINGS.get(name, name) for name in differences)
    story = f"another {', '.join(names)} than before"
    return Proof(cause, case.predecessor, told_apart(case), story, case.now.call_site)


def told_apart(case: Case) -> tuple[str, ...]:
    """Tell in what the client's own key for this connection differs from the one before."""
    if case.is_of_same_pool or not case.is_of_same_client:
        return ()
    return tuple(
        f"{_SETTINGS.get(name, name)}: {before} for #{case.predecessor.index}, {now} for "
        f"#{case.connection.index}"
        for name, (before, now) in _differences(case.before, case.now).items()
    )


def settings_changed(closed: Closed) -> Proof | None:
    """The client has one pool whatever the settings, and closed what was opened with others."""
    if closed.trigger is not CloseTrigger.SETTINGS_CHANGED:
        return None
    evidence = f"#{closed.connection.index} was closed since this request brought other settings"
    story = "another verify or cert than before"
    site = closed.case.now.call_site
    return closed.proof(Cause.TLS_SETTINGS_DIFFER, story, evidence, call_site=site)


def pool_evicted(case: Case) -> Proof | None:
    """The client dropped the whole pool of this origin to make room for another."""
    if not _lost_its_pool(case, CloseTrigger.POOL_DISPOSED):
        return None
    site = case.predecessor.closing.call_site if case.predecessor.closing else None
    evidence = f"the pool of #{case.predecessor.index} was dropped for another host's{at(site)}"
    story = "more hosts than the client keeps pools"
    return Proof(Cause.POOL_EVICTED, case.predecessor, (evidence,), story, site)


def reopened(case: Case) -> Proof | None:
    """The client was closed and used again, which makes it a new pool."""
    if not _lost_its_pool(case, CloseTrigger.CLIENT_CLOSED):
        return None
    site = case.predecessor.closing.call_site if case.predecessor.closing else None
    evidence = f"#{case.predecessor.index} was closed with its client{at(site)}"
    story = "a client is closed between two calls"
    return Proof(Cause.CLIENT_CLOSED, case.predecessor, (evidence,), story, site)


def _lost_its_pool(case: Case, trigger: CloseTrigger) -> bool:
    closing = case.predecessor.closing
    if case.is_of_same_pool or not case.is_of_same_client or case.is_first_there:
        return False
    return closing is not None and closing.trigger is trigger and closing.at <= case.at


def _differences(before: Adopted, now: Adopted) -> dict[str, tuple[str, str]]:
    then, here = dict(before.pool_key), dict(now.pool_key)
    return {
        name: (then.get(name, "not set"), here.get(name, "not set"))
        for name in sorted(then.keys() | here.keys())
        if then.get(name) != here.get(name)
    }


def _cause_of(names: dict[str, tuple[str, str]]) -> Cause | None:
    if any(part in name for name in names for part in _PROXY):
        return Cause.PROXY_DIFFERS
    if any(part in name for name in names for part in _TLS):
        return Cause.TLS_SETTINGS_DIFFER
    return None


def _goes_through_a_proxy(adopted: Adopted) -> bool:
    return any("proxy" in name for name, _ in adopted.pool_key)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
