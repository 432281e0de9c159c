"""The JSON report: everything that was seen, as ``keepalive.schema.json`` describes it.

Rules
1. A process writes down the details of its tests itself, and hands on a text: whoever collects
   the tests of a run never holds their connections as objects, and packs the texts.
2. What is written is ASCII without ``<``, ``>`` and ``&``: it can stand in a page as it is.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_keepalive._summary import Figures, RunSummary, TestSummary

SCHEMA_VERSION = 1
SCHEMA = "keepalive.schema.json"
_UNSAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}
# A level that packs what repeats, and hardly costs anything.
_LEVEL = 1
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def dumps(data: Any) -> str:
    """Write plain data as JSON (rule 2)."""
    return _ENCODER.encode(data).translate(_UNSAFE)


def pack(details: str) -> str:
    """Pack details that were written down, into text that can stand in a page (rule 1)."""
    return b64encode(zlib.compress(details.encode("ascii"), _LEVEL)).decode("ascii")


def unpack(packed: str) -> str:
    """Give the JSON text of what was packed."""
    return zlib.decompress(b64decode(packed)).decode("ascii")


def figures_as_dict(figures: Figures) -> dict[str, int]:
    """Give figures by their names."""
    return figures._asdict()


def test_head(node: str, summary: TestSummary) -> dict[str, Any]:
    """Give what a test did, without its connections."""
    return {
        "node": node,
        "test": summary.test,
        "outcome": summary.outcome,
        "exact": summary.exact,
        "avoidable": summary.avoidable,
        "total": figures_as_dict(summary.total),
        "origins": {origin: figures_as_dict(each) for origin, each in summary.origins.items()},
        "broken": [each._asdict() for each in summary.broken],
        "wasted": [each._asdict() for each in summary.wasted],
        "causes": dict(summary.causes),
    }


def run_head(summary: RunSummary, version: str) -> dict[str, Any]:
    """Give what a run did, without its tests."""
    return {
        "schema_version": SCHEMA_VERSION,
        "pytest_keepalive": version,
        "total": figures_as_dict(summary.total),
        "origins": {origin: figures_as_dict(each) for origin, each in summary.origins.items()},
        "wasted": [each._asdict() for each in summary.wasted],
    }


def json_report(summary: RunSummary, details: Mapping[str, str], version: str) -> Iterator[str]:
    """Write the report, in parts.

    Args:
        summary: Of the run.
        details: What ``pack`` gave for each test, by node id.
        version: Of this package.
    """
    yield f'{dumps(run_head(summary, version))[:-1]},"tests":['
    separator = "\n"
    for node, each in summary.tests.items():
        head = dumps(test_head(node, each))
        more = unpack(details[node])[1:-1] if node in details else ""
        yield f"{separator}{head[:-1]},{more}}}" if more else f"{separator}{head}"
        separator = ",\n"
    yield "\n]}\n"
