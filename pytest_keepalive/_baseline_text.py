"""A baseline as text: JSON, written so that branches merge and read so that nothing is guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pytest_keepalive._baseline import Baseline
from pytest_keepalive._baseline_entry import FIELDS, Entry, Span, line_of

SCHEMA_VERSION = 1
_KEY = r'"(?:[^"\\]|\\.)*"'
# An object, what it begins with, and whether that is an object, too.
_KEYS = re.compile(rf"\s*({_KEY}): \{{(?:({_KEY}): (\{{)?)?")
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)


def parse_baseline(text: str, name: str) -> Baseline:
    """Read a baseline.

    Args:
        text: Of the file.
        name: Of the file, as it is shown.

    Raises:
        ValueError: It is none, or a newer one; the text says which.
    """
    conflict = _CONFLICT.search(text)
    if conflict:
        number = text.count("\n", 0, conflict.start()) + 1
        raise ValueError(
            f"line {number} is a conflict marker; resolve the merge first: "
            "keep what each side added"
        )
    try:
        data = json.loads(text, object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is not JSON: {error.msg.lower()}") from None
    except RecursionError:
        raise ValueError("it is no baseline: it is nested without end") from None
    return Baseline(_tests_of(data), name, _lines_of(text))


def render_baseline(baseline: Baseline) -> str:
    """Write a baseline down (rule 1)."""
    blocks = [_block(test, entries) for test, entries in sorted(baseline.tests.items()) if entries]
    inside = "{\n" + ",\n".join(blocks) + "\n  }" if blocks else "{}"
    return f'{{\n  "schema_version": {SCHEMA_VERSION},\n  "tests": {inside}\n}}\n'


def _block(test: str, entries: Mapping[str, Entry]) -> str:
    lines = [line_of(origin, entries[origin]) for origin in sorted(entries)]
    if len(lines) == 1:
        return f"    {json.dumps(test)}: {{{lines[0]}}}"
    return f"    {json.dumps(test)}: {{\n      " + ",\n      ".join(lines) + "\n    }"


def _lines_of(text: str) -> dict[tuple[str, str], int]:
    """Find the keys; a file that was formatted otherwise has them elsewhere, or not at all."""
    lines: dict[tuple[str, str], int] = {}
    test = ""
    # Only these end a line for an editor, whatever else a name may hold.
    for number, line in enumerate(text.split("\n"), 1):
        keys = _KEYS.match(line)
        if keys is None:
            continue
        outer, inner, nested = keys.groups()
        if inner is not None and nested is None:
            lines[test, json.loads(outer)] = number
            continue
        test = json.loads(outer)
        lines[test, ""] = number
        if inner is not None:
            lines[test, json.loads(inner)] = number
    return lines


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice; resolve the merge first")
    return found


def _tests_of(data: Any) -> dict[str, dict[str, Entry]]:
    if not isinstance(data, dict) or not isinstance(data.get("tests"), dict):
        raise ValueError('it is no baseline: an object with "schema_version" and "tests"')
    version = data.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"schema_version is {version!r}, not a number")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"schema_version is {version}, but this pytest-keepalive knows only "
            f"{SCHEMA_VERSION}; a newer one wrote it"
        )
    return {test: _origins_of(test, entries) for test, entries in data["tests"].items()}


def _origins_of(test: str, entries: Any) -> dict[str, Entry]:
    if not isinstance(entries, dict):
        raise ValueError(f"the entry of {test} is no object")
    return {origin: _entry_of(f"{test}, {origin}", entry) for origin, entry in entries.items()}


def _entry_of(where: str, entry: Any) -> Entry:
    if not isinstance(entry, dict) or not all(name in entry for name in FIELDS):
        raise ValueError(f"the entry of {where} has not all of {', '.join(FIELDS)}")
    return Entry(*(_span_of(f"{where}, {name}", entry[name]) for name in FIELDS))


def _span_of(where: str, value: Any) -> Span:
    pair = value if isinstance(value, list) else [value, value]
    numbers = all(isinstance(each, int) and not isinstance(each, bool) for each in pair)
    if len(pair) != 2 or not numbers or not 0 <= pair[0] <= pair[1]:
        raise ValueError(f"the entry of {where} is neither a number nor a range: {value!r}")
    return Span(*pair)
