"""Options of the command line and their twins in the ini file, both made from one table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest


class Option(NamedTuple):
    """One option: ``--keepalive-NAME`` on the command line, ``keepalive_NAME`` in the ini file.

    Args:
        name: With hyphens.
        kind: ``flag``, ``number``, ``path``, ``watch`` or ``lines``.
        help: A phrase.
        command_line: Whether the command line has it, too.
    """

    name: str
    kind: str
    help: str
    command_line: bool = True

    @property
    def key(self) -> str:
        """The name in the ini file."""
        return f"keepalive_{self.name.replace('-', '_')}"


DEFAULT_BASELINE = ".keepalive.json"
WATCHES = ("python", "kernel")
OPTIONS = (
    Option("watch", "watch", "who watches: python (its sockets), or kernel (all of the process)"),
    Option("off", "flag", "patch nothing and hold no test to its markers"),
    Option("strict", "flag", "fail tests in which connections escaped the observers"),
    Option("at-most-per-origin", "number", "connections a test may use for each origin"),
    Option("summary", "flag", "tell at the end what the tests did with their connections"),
    Option("html", "path", "write a page that shows every connection"),
    Option("json", "path", "write everything that was seen"),
    Option("baseline", "path", f"hold tests to this baseline ({DEFAULT_BASELINE})"),
    Option("update", "flag", "write what this run sees into the baseline"),
    Option("junit", "flag", "give each test of a JUnit file its figures as properties"),
    Option("ignore", "lines", "destinations that never count, one a line", command_line=False),
)
# An older pytest knows no numbers, and has no TOML that would tell them from text either.
_NUMBER = "int" if pytest.version_tuple >= (8, 4) else "string"
_INI_TYPES: dict[str, Any] = {
    "flag": "bool",
    "number": _NUMBER,
    "path": "string",
    "watch": "string",
    "lines": "linelist",
}
_COMMAND_LINE: dict[str, dict[str, Any]] = {
    "flag": {"action": "store_true"},
    "number": {"metavar": "N"},
    "path": {"metavar": "PATH"},
    "watch": {"choices": WATCHES},
}


def add_options(parser: pytest.Parser) -> None:
    """Make the options known.

    Every default is ``None``: any other would hide the twin in the ini file.
    """
    group = parser.getgroup("keepalive", "connections and their reuse")
    for option in OPTIONS:
        unset: dict[str, Any] = {"default": None} if option.kind == "number" else {}
        parser.addini(option.key, option.help, type=_INI_TYPES[option.kind], **unset)
        if option.command_line:
            group.addoption(
                f"--keepalive-{option.name}",
                dest=option.key,
                default=None,
                help=option.help,
                **_COMMAND_LINE[option.kind],
            )


settings_key = pytest.StashKey["Settings"]()
measuring_key = pytest.StashKey[bool]()
# What the controller of pytest-xdist gives its workers of the baseline; see ``equip``.
BASELINE_INPUT = "keepalive_baseline"
# What a worker gives back of it: the tests that it found to be gone.
GONE_OUTPUT = "keepalive_gone"
# What pytest can be asked for instead of running tests.
_IDLE = ("collectonly", "showfixtures", "show_fixtures_per_test", "cacheshow")


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process runs tests for another one (pytest-xdist)."""
    return hasattr(config, "workerinput")


def given_baseline(config: pytest.Config) -> list[Any] | None:
    """Give the baseline that this process was handed by another one (pytest-xdist)."""
    given: list[Any] | None = handed_over(config, BASELINE_INPUT)
    return given


def handed_over(config: pytest.Config, name: str) -> Any:
    """Give what this process was handed by another one (pytest-xdist), ``None`` for nothing.

    Args:
        config: Of this process.
        name: Under which it was put into ``workerinput``.
    """
    return getattr(config, "workerinput", {}).get(name)


def hand_back(config: pytest.Config, name: str, value: Any) -> None:
    """Give something back to the process that started this worker.

    Args:
        config: Of this process, which must be a worker.
        name: Under which ``handed_back`` finds it.
        value: Plain data, as execnet carries it.
    """
    cast("Any", config).workeroutput[name] = value


def handed_back(node: Any, name: str) -> Any:
    """Give what a worker that has ended gave back, ``None`` for nothing, as where it crashed.

    Args:
        node: The worker, as pytest-xdist gives it to ``pytest_testnodedown``.
        name: Under which it was given.
    """
    return getattr(node, "workeroutput", {}).get(name)


def measures_everything(config: pytest.Config) -> bool:
    """Tell whether every test is measured, with a marker or without."""
    hook = config.hook
    told = hook.pytest_keepalive_report.get_hookimpls() or (
        hook.pytest_keepalive_test_measured.get_hookimpls()
    )
    asked = config.stash[settings_key].measures_everything
    return asked or bool(told) or given_baseline(config) is not None


def runs_no_test(config: pytest.Config) -> bool:
    """Tell whether this run only shows something."""
    return any(config.getoption(name, None) for name in _IDLE)


class Settings:
    """What this run was asked for; the command line beats the ini file.

    Args:
        config: Of the run.

    Raises:
        pytest.UsageError: A value is not of its kind.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.watch = self._read("watch", _watch) or WATCHES[0]
        self.off = bool(self._value("off"))
        self.strict = bool(self._value("strict"))
        self.at_most_per_origin = self._read("at-most-per-origin", _whole_number)
        self.ignore = self._read("ignore", _destinations) or ()
        self.summary = bool(self._value("summary"))
        self.junit = bool(self._value("junit"))
        self.html, self.json = self._path("html"), self._path("json")
        self.update = self._may_update()
        self.baseline = self._baseline()

    @property
    def measures_everything(self) -> bool:
        """Whether this process was asked for something that takes every test."""
        return self.summary or self.junit or self.details or self.baseline is not None

    @property
    def details(self) -> bool:
        """Whether a report shows each connection."""
        return self.html is not None or self.json is not None

    def _may_update(self) -> bool:
        return bool(self._value("update")) and (not in_ci() or self._typed("--keepalive-update"))

    def _typed(self, option: str) -> bool:
        # The ini file may hold options of the command line, too (addopts).
        words = os.environ.get("PYTEST_ADDOPTS", "").split()
        return option in (*map(str, self._config.invocation_params.args), *words)

    def _baseline(self) -> Path | None:
        named = self._path("baseline")
        if named is not None:
            return named
        usual = self._config.rootpath / DEFAULT_BASELINE
        return usual if self.update or usual.exists() else None

    def _path(self, name: str) -> Path | None:
        value = self._value(name)
        if not value:
            return None
        # A path of the command line begins where the user is, one of the ini file beside it.
        if self._config.getoption(f"keepalive_{name}", None) is not None:
            return Path(self._config.invocation_params.dir, value)
        inipath = self._config.inipath
        return Path(inipath.parent if inipath else self._config.rootpath, value)

    def _value(self, name: str) -> Any:
        key = f"keepalive_{name.replace('-', '_')}"
        given = self._config.getoption(key, None)
        if given is not None:
            return given
        try:
            return self._config.getini(key)
        except (TypeError, ValueError, pytest.UsageError) as error:
            raise pytest.UsageError(f"{key}: {error}") from None

    def _read(self, name: str, read: Callable[[Any], Any]) -> Any:
        value = self._value(name)
        try:
            return None if value in (None, "", []) else read(value)
        except ValueError as error:
            raise pytest.UsageError(f"keepalive_{name.replace('-', '_')}: {error}") from None


def in_ci() -> bool:
    """Tell whether this is a run of continuous integration, by the variable that all of it sets."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _watch(text: str) -> str:
    if text not in WATCHES:
        raise ValueError(f"{text!r} is none of {', '.join(WATCHES)}")
    return text


def _whole_number(value: str | int) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def _destinations(lines: list[str]) -> tuple[Any, ...]:
    from pytest_keepalive._destination import parse_destination

    return tuple(parse_destination(line.strip()) for line in lines if line.strip())
