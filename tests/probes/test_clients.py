"""The clients that we know by name: when a probe is made, and that it is the one that was named."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from pytest_keepalive._events import discard
from pytest_keepalive._probes._clients import ClientProbes, is_urllib3, is_urllib3_future
from pytest_keepalive._probes._probe import AwaitedProbe, Probe

_OURS = "pytest_keepalive._probes."


def _probes() -> list[Probe]:
    clients = ClientProbes(discard, lambda sock: None)
    return [*clients.all(), *clients.natives()]


def _imported_with(client: str) -> set[str]:
    """Give the clients whose probes a run imports in which a test has imported one of them."""
    code = (
        "import sys, pytest_keepalive\n"
        "with pytest_keepalive.measure():\n"
        f"    import {client}\n"
        f"print(*(name.removeprefix({_OURS!r}) for name in sys.modules if {_OURS!r} in name))"
    )
    names = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    return {
        "_aiohttp",
        "_http_client",
        "_httpcore",
        "_niquests",
        "_requests",
        "_urllib3",
    }.intersection(names)


@pytest.mark.parametrize(
    ("client", "probes"),
    [
        ("json", set()),
        ("http.client", {"_http_client"}),
        ("urllib3", {"_http_client", "_urllib3"}),
        ("requests", {"_http_client", "_urllib3", "_requests"}),
        ("httpcore", {"_httpcore"}),
        ("aiohttp", {"_aiohttp", "_http_client"}),
    ],
)
def test_a_probe_is_imported_when_its_client_is_there(client: str, probes: set[str]) -> None:
    assert _imported_with(client) == probes


def test_a_probe_is_made_for_the_client_and_the_module_that_it_was_named_for() -> None:
    awaited = [probe for probe in _probes() if isinstance(probe, AwaitedProbe)]
    made: list[Probe] = [each._make() for each in awaited]
    assert len(made) == len(_probes()) - 1
    assert [(each.client, each.module) for each in made] == [
        (each.client, each.module) for each in awaited
    ]


def test_what_was_never_made_is_taken_away_and_forgotten_all_the_same() -> None:
    for probe in _probes():
        probe.forget()
        probe.uninstall()


def test_urllib3_and_what_may_take_its_place_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = importlib.import_module("urllib3.poolmanager")
    assert (is_urllib3(module), is_urllib3_future(module)) == (True, False)
    monkeypatch.setitem(sys.modules, "urllib3._async", ModuleType("urllib3._async"))
    sys.modules["urllib3._async"].__spec__ = module.__spec__
    assert (is_urllib3(module), is_urllib3_future(module)) == (False, True)


def test_a_stand_in_for_a_package_is_not_urllib3_future() -> None:
    assert not is_urllib3_future(ModuleType("no_package_of_a_test"))
