"""The house: who may know whom, and what is public."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import pytest_keepalive

PACKAGE = Path(pytest_keepalive.__file__).parent
TESTS = Path(__file__).parent
MOST_LINES = 400

# Facts: what every observer may know, besides its own package.
FACTS = {"_events", "_origin", "_call_site", "_opens", "_own_connects", "_unfolding"}
OBSERVERS = {"_probes", "_watch", "_tap", "_server", "_transports"}
# Modules of an observer that are shared with another one.
SHARED = {("_transports", "_probes")}
FACING_PYTEST = {
    "plugin",
    "_collected",
    "_workers",
    "_fixtures",
    "_hooks",
    "_latecomers",
    "_markers",
    "_options",
    "_run",
    "_run_report",
    "_session",
    "_test_id",
}
# Judgement: no clock, no input or output, no pytest.
JUDGES = {
    "_limits",
    "_diagnosis",
    "_summary",
    "_baseline",
    "_baseline_entry",
    "_baseline_text",
    "_ledger",
    "_recording",
    "_connection",
}
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "socket", "subprocess", "threading", "time"}
CLIENTS = {
    "aiohttp",
    "botocore",
    "gevent",
    "h2",
    "http.client",
    "httpcore",
    "httpcore2",
    "httpx",
    "niquests",
    "requests",
    "trio",
    "urllib.request",
    "urllib3",
    "urllib3_future",
    "uvloop",
}


class Module(NamedTuple):
    """A module of the package.

    Args:
        name: Relative to the package, with dots; empty for the package itself.
        path: Its file.
        tree: Its syntax.
    """

    name: str
    path: Path
    tree: ast.Module

    @property
    def house(self) -> str:
        """The package or module right below ours that it belongs to."""
        return self.name.partition(".")[0]


class Import(NamedTuple):
    """One imported module, absolute, and whether it is imported when the importer is."""

    target: str
    at_once: bool


def modules() -> Iterator[Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        yield Module(".".join(parts), path, ast.parse(path.read_text(encoding="utf-8")))


MODULES = {module.name: module for module in modules()}


@cache
def imports_of(module: Module) -> tuple[Import, ...]:
    """Give what a module imports, those inside functions too, but not for type checkers."""
    return tuple(_imports_in(module.tree.body, at_once=True))


def _imports_in(body: Iterable[ast.AST], at_once: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imports_from(node, at_once)
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports_in(ast.iter_child_nodes(node), at_once and not inside)


def _imports_from(node: ast.ImportFrom, at_once: bool) -> Iterator[Import]:
    assert node.level == 0, f"a relative import of {node.module}"
    assert node.module is not None
    for alias in node.names:
        submodule = f"{node.module}.{alias.name}"
        found = submodule.removeprefix("pytest_keepalive.") in MODULES
        yield Import(submodule if found else node.module, at_once)


def ours(module: Module, at_once: bool = False) -> set[str]:
    """Give the modules of the package that a module imports, relative to the package."""
    return {
        each.target.removeprefix("pytest_keepalive").removeprefix(".")
        for each in imports_of(module)
        if each.target.partition(".")[0] == "pytest_keepalive" and (each.at_once or not at_once)
    }


def foreign(module: Module) -> set[str]:
    return {
        each.target
        for each in imports_of(module)
        if each.target.partition(".")[0] != "pytest_keepalive"
    }


def is_in(target: str, names: set[str]) -> bool:
    return any(target == name or target.startswith(f"{name}.") for name in names)


def is_in_any(targets: set[str], names: set[str]) -> set[str]:
    return {target for target in targets if is_in(target, names)}


def offenders(offence: Callable[[Module], object]) -> dict[str, object]:
    """Give the modules that break a rule, each with what breaks it."""
    found = {name: offence(module) for name, module in MODULES.items()}
    return {name: what for name, what in found.items() if what}


def test_the_package_was_read() -> None:
    assert {"", "plugin", "_events", "_probes._socket"} <= MODULES.keys()
    assert "_events" in ours(MODULES["_ledger"])
    assert "psutil" in foreign(MODULES["_left_open"])
    assert "pytest" in foreign(MODULES["plugin"])
    assert "_limits" in ours(MODULES["_markers"]) - ours(MODULES["_markers"], at_once=True)


def test_only_the_pytest_facing_modules_import_pytest() -> None:
    def offence(module: Module) -> object:
        used = is_in_any(foreign(module), {"pytest", "_pytest", "pluggy", "xdist"})
        return used if module.name not in FACING_PYTEST else None

    assert offenders(offence) == {}


def test_observers_know_only_the_facts_and_themselves() -> None:
    def offence(module: Module) -> object:
        neighbours = {house for observer, house in SHARED if observer == module.house}
        allowed = FACTS | {module.house} | neighbours
        others = {each for each in ours(module) if not is_in(each, allowed)}
        return others if module.house in OBSERVERS else None

    assert offenders(offence) == {}


def test_facts_know_nobody_but_facts() -> None:
    assert offenders(lambda module: module.name in FACTS and ours(module) - FACTS) == {}


def test_judgement_is_pure() -> None:
    def offence(module: Module) -> object:
        impure = is_in_any(foreign(module), IMPURE)
        outside = is_in_any(ours(module), OBSERVERS | FACING_PYTEST | {"_reports"})
        return impure | outside if module.house in JUDGES else None

    assert offenders(offence) == {}


def test_words_come_after_judgement() -> None:
    def offence(module: Module) -> object:
        outside = is_in_any(ours(module), OBSERVERS | FACING_PYTEST)
        return outside if module.house == "_reports" else None

    assert offenders(offence) == {}


def test_client_libraries_are_imported_by_what_watches_or_is_one() -> None:
    def offence(module: Module) -> object:
        used = is_in_any(foreign(module), CLIENTS)
        return used if module.house not in ("_probes", "_transports", "_server") else None

    assert offenders(offence) == {}


def test_no_client_library_is_imported_by_a_probe_at_once() -> None:
    def offence(module: Module) -> object:
        at_once = {each.target for each in imports_of(module) if each.at_once}
        return is_in_any(at_once, CLIENTS) if module.house == "_probes" else None

    assert offenders(offence) == {}


def test_each_client_library_is_imported_in_one_probe_at_most() -> None:
    importers: dict[str, set[str]] = {}
    for module in MODULES.values():
        if module.house == "_probes":
            for target in is_in_any(foreign(module), CLIENTS):
                importers.setdefault(target.partition(".")[0], set()).add(module.name)
    assert {client: names for client, names in importers.items() if len(names) > 1} == {}


def test_there_are_no_cycles() -> None:
    graph = {name: ours(module, at_once=True) & MODULES.keys() for name, module in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for target in graph[name] - {""}:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_a_module_is_short_enough_to_read() -> None:
    def offence(module: Module) -> object:
        lines = module.path.read_text(encoding="utf-8").count("\n")
        return lines if lines > MOST_LINES else None

    assert offenders(offence) == {}


def test_a_test_module_is_short_enough_to_read() -> None:
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in TESTS.rglob("*.py")}
    assert {path for path, count in lines.items() if count > MOST_LINES} == set()


def test_a_module_says_what_it_is() -> None:
    assert offenders(lambda module: not ast.get_docstring(module.tree)) == {}


def test_nothing_is_called_utils_or_helpers() -> None:
    unwanted = ("utils", "helpers", "common", "misc")
    assert offenders(lambda module: module.name.rpartition(".")[2].strip("_") in unwanted) == {}


# Public names


def test_the_public_names_are_sorted_and_are_all_that_is_shown() -> None:
    assert sorted(pytest_keepalive.__all__) == pytest_keepalive.__all__
    assert dir(pytest_keepalive) == pytest_keepalive.__all__


@pytest.mark.parametrize("name", pytest_keepalive.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(pytest_keepalive, name)
    assert value.__doc__
    assert value.__module__.partition(".")[0] == "pytest_keepalive"


def test_another_name_is_not_there() -> None:
    assert not hasattr(pytest_keepalive, "nonsense")
