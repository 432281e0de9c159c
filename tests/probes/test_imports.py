from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pytest_keepalive._probes._imports import ImportWatch


@pytest.fixture
def watch() -> Iterator[ImportWatch]:
    watch = ImportWatch()
    yield watch
    watch.stop()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of its own that has not been imported."""
    name = "late_package_of_a_test"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("value = 'package'\n")
    (tmp_path / name / "client.py").write_text("value = 'client'\n")
    (tmp_path / name / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield name
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[module]


def test_a_module_that_is_there_is_told_at_once(watch: ImportWatch) -> None:
    told: list[ModuleType] = []
    watch.watch("sys", told.append)
    assert told == [sys]
    assert watch not in sys.meta_path


def test_a_module_is_told_once_its_code_has_run(watch: ImportWatch, package: str) -> None:
    told: list[str] = []
    watch.watch(f"{package}.client", lambda module: told.append(module.value))
    importlib.import_module(package)
    assert told == []
    module = importlib.import_module(f"{package}.client")
    assert told == ["client"]
    assert importlib.reload(module) is module
    assert told == ["client"]


def test_nothing_is_imported_for_the_user(watch: ImportWatch, package: str) -> None:
    watch.watch(f"{package}.client", lambda module: None)
    importlib.import_module(package)
    assert f"{package}.client" not in sys.modules


def test_the_module_is_as_it_would_have_been(package: str) -> None:
    importlib.import_module(package)
    plain = importlib.import_module(f"{package}.client")
    kinds = type(plain.__loader__), type(plain.__spec__.loader) if plain.__spec__ else None
    del sys.modules[f"{package}.client"]
    watch = ImportWatch()
    watch.watch(f"{package}.client", lambda module: None)
    watched = importlib.import_module(f"{package}.client")
    watch.stop()
    assert watched.__spec__ is not None
    assert (type(watched.__loader__), type(watched.__spec__.loader)) == kinds
    assert watched.__file__ == plain.__file__
    assert vars(watched).keys() == vars(plain).keys()


def test_a_finder_of_the_user_sees_a_loader_that_can_do_what_its_own_can(
    watch: ImportWatch, package: str
) -> None:
    watch.watch(package, lambda module: None)
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.loader is not None
    assert spec.loader.get_source(package) == "value = 'package'\n"  # type: ignore[attr-defined] # of the loader behind
    assert package not in sys.modules


def test_a_module_that_fails_to_import_fails_as_it_would(watch: ImportWatch, package: str) -> None:
    told: list[ModuleType] = []
    watch.watch(f"{package}.broken", told.append)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            importlib.import_module(f"{package}.broken")
    assert told == []


def test_a_module_that_does_not_exist_is_not_found(watch: ImportWatch, package: str) -> None:
    watch.watch(f"{package}.gone", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match=r"\.gone"):
        importlib.import_module(f"{package}.gone")


def test_other_modules_are_none_of_its_business(watch: ImportWatch, package: str) -> None:
    watch.watch(f"{package}.client", lambda module: None)
    assert watch.find_spec("json") is None


def test_a_watch_that_was_stopped_tells_nothing(package: str) -> None:
    told: list[ModuleType] = []
    watch = ImportWatch()
    watch.watch(f"{package}.client", told.append)
    assert sys.meta_path[0] is watch
    spec = importlib.util.find_spec(f"{package}.client")
    watch.stop()
    watch.stop()
    assert watch not in sys.meta_path
    importlib.import_module(f"{package}.client")
    assert told == []
    # A loader that was handed out before tells nobody any more.
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.value == "client"
    assert told == []
