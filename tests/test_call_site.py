from __future__ import annotations

import _thread
import os
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from pytest_keepalive import _call_site
from pytest_keepalive._call_site import (
    CallSite,
    CallSiteFinder,
    client_in_sight,
    find_call_site,
)

HERE = os.path.relpath(__file__)


def here() -> CallSite | None:
    return find_call_site()


def module_at(path: Path, source: str, name: str = "sdk") -> dict[str, Any]:
    """Run source as if it were the module at a path."""
    namespace: dict[str, Any] = {"__name__": name, "find": find_call_site, "sight": client_in_sight}
    exec(compile(source, str(path), "exec"), namespace)
    return namespace


CALLING = "def call(function, *args):\n    return function(*args)\n"
FINDING = "def send():\n    return find(1)\n"


def installed(package: str, source: str) -> dict[str, Any]:
    """Run source as if it were a module of an installed package."""
    return module_at(Path("/env/lib/site-packages") / package / "api.py", source, f"{package}.api")


def line_of(function: Callable[..., Any], offset: int) -> int:
    return function.__code__.co_firstlineno + offset


def test_the_call_site_is_the_line_that_calls() -> None:
    site = here()
    assert site is not None
    assert site == f"{HERE}:{line_of(test_the_call_site_is_the_line_that_calls, 1)}"
    assert site.source == "site = here()"
    assert site.function == "test_the_call_site_is_the_line_that_calls"
    assert repr(site) == f"<CallSite {site} in {site.function}>"


def test_two_lines_of_one_function_are_two_call_sites() -> None:
    first = here()
    second = here()
    assert first is not None
    assert second is not None
    assert second.line == first.line + 1


def test_a_line_that_runs_again_is_the_same_object() -> None:
    first, second = (here() for _ in range(2))
    assert first is second


def test_installed_packages_are_passed_over() -> None:
    send = installed("some_sdk", FINDING)["send"]
    site = send()
    assert site.path == HERE


def test_the_standard_library_is_passed_over() -> None:
    found: list[CallSite | None] = []
    timer = threading.Timer(0, lambda: found.append(here()))
    timer.start()
    timer.join()
    assert found[0] is not None
    assert found[0].path == HERE


def test_without_a_line_of_the_user_it_is_the_first_installed_one() -> None:
    found: list[CallSite] = []
    source = f"{FINDING}def work(found):\n    found.append(send())\n"
    outer = installed("some_sdk", source)
    thread = threading.Thread(target=outer["work"], args=(found,))
    thread.start()
    thread.join()
    assert found == ["/env/lib/site-packages/some_sdk/api.py:2"]


def test_client_libraries_are_passed_over_even_then() -> None:
    found: list[CallSite] = []
    client = installed("urllib3", FINDING)
    sdk = installed("some_sdk", "def work(found, send):\n    found.append(send())\n")
    thread = threading.Thread(target=sdk["work"], args=(found, client["send"]))
    thread.start()
    thread.join()
    assert found == ["/env/lib/site-packages/some_sdk/api.py:2"]


def test_with_client_libraries_alone_there_is_none() -> None:
    found: list[CallSite | None] = []
    client = installed("urllib3", f"{FINDING}def work(found):\n    found.append(send())\n")
    thread = threading.Thread(target=client["work"], args=(found,))
    thread.start()
    thread.join()
    assert found == [None]


@pytest.mark.parametrize("filename", ["<attrs generated init x>", "<frozen runpy>", "<template>"])
def test_generated_code_is_passed_over(filename: str) -> None:
    call = module_at(Path(filename), CALLING)["call"]
    site = call(here)
    assert site is not None
    assert site.path == HERE


@pytest.mark.parametrize(
    "filename",
    [
        "<stdin>",
        "<string>",
        "<ipython-input-3-0123456789ab>",
        "<input>",
        "<python-input-7>",
        "<doctest README.md[0]>",
    ],
)
def test_code_that_was_typed_is_the_users(filename: str) -> None:
    send = module_at(Path(filename), FINDING)["send"]
    assert send() == f"{filename}:2"


def test_code_that_was_typed_again_is_not_taken_for_the_first() -> None:
    sites = []
    for blank_lines in ("", "\n\n"):
        namespace: dict[str, Any] = {"find": find_call_site}
        exec(f"{blank_lines}site = find(1)", namespace)
        sites.append(namespace["site"])
    assert sites == ["<string>:1", "<string>:3"]


def test_windows_paths_of_installed_packages_are_known() -> None:
    path = "C:\\env\\Lib\\site-packages\\some_sdk\\api.py"
    assert _call_site._kind_of(path) == _call_site._INSTALLED
    assert _call_site._kind_of("C:\\work\\tests\\test_api.py") == _call_site._USER


def test_a_module_of_one_file_may_be_a_client_library() -> None:
    assert _call_site._kind_of("/env/dist-packages/httpx.py") == _call_site._PLUMBING
    assert _call_site._kind_of("/env/dist-packages/my_httpx.py") == _call_site._INSTALLED


def test_the_script_that_started_the_run_is_nobodys() -> None:
    script = os.path.join(os.path.dirname(sys.executable), "pytest")
    assert _call_site._kind_of(script) == _call_site._PLUMBING
    assert _call_site._kind_of("/env/site-packages/pytest/__main__.py") == _call_site._PLUMBING


def test_a_program_without_an_interpreter_of_its_own_has_no_such_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", None)
    assert _call_site._kind_of("/opt/app/bin/pytest") == _call_site._USER


def test_a_file_outside_the_working_directory_is_shown_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = module_at(tmp_path / "inside.py", FINDING)
    outside = module_at(tmp_path.parent / "outside.py", FINDING)
    assert inside["send"]() == "inside.py:2"
    assert outside["send"]() == f"{tmp_path.parent / 'outside.py'}:2"


@pytest.mark.skipif(sys.platform == "win32", reason="a working directory cannot be removed there")
def test_a_working_directory_that_is_gone_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    send = module_at(tmp_path / "sdk.py", FINDING)["send"]
    assert send() == f"{tmp_path / 'sdk.py'}:2"


def test_a_stack_that_ends_early_has_no_call_site() -> None:
    assert find_call_site(10_000) is None
    assert client_in_sight(frozenset(["requests"]), 10_000) is None


def test_a_function_at_the_bottom_of_a_thread_has_no_caller() -> None:
    found: list[CallSite | None] = []
    done = threading.Event()
    source = "def work(found, done):\n    found.append(find(2))\n    done.set()\n"
    _thread.start_new_thread(module_at(Path("bottom.py"), source)["work"], (found, done))
    assert done.wait(5)
    assert found == [None]


def test_a_call_site_survives_pickling() -> None:
    site = CallSite("tests/test_api.py", 41, "Test.test_api", "/work/tests/test_api.py")
    twin = pickle.loads(pickle.dumps(site))
    assert twin == site == "tests/test_api.py:41"
    assert vars_of(twin) == vars_of(site)


def vars_of(site: CallSite) -> tuple[str, int, str, str]:
    return site.path, site.line, site.function, site.filename


def test_the_source_of_a_file_that_is_gone_is_empty() -> None:
    assert CallSite("gone.py", 3, "f").source == ""


def test_a_frame_without_a_line_is_shown_as_line_zero() -> None:
    code: CodeType = compile(FINDING, "lineless.py", "exec")
    function = next(const for const in code.co_consts if isinstance(const, CodeType))
    lineless = FunctionType(function.replace(co_linetable=b""), {"find": find_call_site})
    site = lineless()
    assert isinstance(site, CallSite)
    assert site.path == "lineless.py"


def watched(finder: CallSiteFinder) -> CallSite | None:
    """Stand for what is watched: its caller is the one to find."""
    return finder.find()


def test_a_finder_finds_what_a_walk_finds() -> None:
    finder = CallSiteFinder()
    sites = [(watched(finder), find_call_site(1)) for _ in range(3)]
    assert sites[0][0] == sites[0][1]
    assert len(set(sites)) == 1


def test_a_finder_notices_another_line_at_the_same_depth() -> None:
    finder = CallSiteFinder()
    first = watched(finder)
    second = watched(finder)
    assert first is not None
    assert second is not None
    assert second.line == first.line + 1


def test_a_finder_notices_another_function_at_the_same_depth() -> None:
    finder = CallSiteFinder()
    calls = [module_at(Path(f"{name}.py"), CALLING)["call"] for name in "ab"]
    assert [call(watched, finder) for call in calls] == ["a.py:2", "b.py:2"]


def test_a_finder_notices_a_stack_that_is_not_as_deep() -> None:
    finder = CallSiteFinder()
    call = installed("some_sdk", CALLING)["call"]
    sites = [call(call, call, watched, finder), watched(finder), call(watched, finder)]
    assert [site.path for site in sites] == [HERE] * 3
    assert [site.line - sites[0].line for site in sites] == [0, 0, 0]


def test_a_finder_notices_another_way_to_the_same_line() -> None:
    finder = CallSiteFinder()
    first = installed("some_sdk", CALLING)["call"]
    second = module_at(Path("hook.py"), CALLING)["call"]
    sites = [call(watched, finder) for call in (first, second, first)]
    assert [site.path for site in sites] == [HERE, "hook.py", HERE]


def test_a_finder_may_be_at_the_bottom_of_a_thread() -> None:
    found: list[CallSite | None] = []
    finder, done = CallSiteFinder(), threading.Event()
    source = "def work(finder, found, done):\n    found.append(finder.find())\n    done.set()\n"
    bottom = module_at(Path("bottom.py"), source)["work"]
    _thread.start_new_thread(bottom, (finder, found, done))
    assert done.wait(5)
    assert found == [None]


def test_the_outermost_client_is_the_one_the_user_called() -> None:
    http = installed("http", "def send(known):\n    return sight(known, 1)\n")
    urllib3 = installed("urllib3", CALLING)
    requests = installed("requests", CALLING)
    known = frozenset(["http", "requests", "urllib3"])
    assert http["send"](known) == "http"
    assert urllib3["call"](http["send"], known) == "urllib3"
    assert requests["call"](urllib3["call"], http["send"], known) == "requests"


def test_a_client_beyond_a_line_of_the_user_is_not_the_one_called() -> None:
    urllib3 = installed("urllib3", "def send(known):\n    return sight(known, 1)\n")
    requests = installed("requests", CALLING)
    known = frozenset(["requests", "urllib3"])

    def hook() -> object:
        return urllib3["send"](known)

    assert requests["call"](hook) == "urllib3"


def test_an_installed_package_between_is_looked_through() -> None:
    urllib3 = installed("urllib3", "def send(known):\n    return sight(known, 1)\n")
    glue = installed("some_sdk", CALLING)
    requests = installed("requests", CALLING)
    known = frozenset(["requests", "urllib3"])
    assert requests["call"](glue["call"], urllib3["send"], known) == "requests"


def test_no_client_is_in_sight_where_there_is_none() -> None:
    assert client_in_sight(frozenset(["requests"])) is None
