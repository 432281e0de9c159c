"""Tells, for the environment that runs it, whether the project brought more than it needs.

``python .ci/installed.py NAME ...``: the dependencies that the project must have, neither more nor
fewer; whatever else is installed must be a dependency of these.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import distribution, distributions

from packaging.requirements import Requirement

PROJECT = "pytest-keepalive"
_OF_THE_ENVIRONMENT = {"pip", "setuptools", "wheel"}


def needed_by(name: str) -> set[str]:
    """Give the names of what a distribution needs here, without its extras."""
    requirements = map(Requirement, distribution(name).requires or ())
    return {
        _normal(requirement.name)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


def everything_needed_by(name: str) -> set[str]:
    """Give the same, and what these need in turn."""
    found: set[str] = set()
    pending = {name}
    while pending:
        new = needed_by(pending.pop()) - found
        found |= new
        pending |= new
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(wanted: set[str]) -> None:
    """Compare; raises ``SystemExit`` with a text that says what is wrong."""
    direct = needed_by(PROJECT)
    if direct != wanted:
        raise SystemExit(f"{PROJECT} needs {sorted(direct)}, not {sorted(wanted)}")
    installed = {_normal(each.metadata["Name"]) for each in distributions()}
    beyond = installed - everything_needed_by(PROJECT) - {PROJECT} - _OF_THE_ENVIRONMENT
    if beyond:
        raise SystemExit(f"{PROJECT} brought {sorted(beyond)}")
    print(f"installed: {' '.join(sorted(installed))}")


if __name__ == "__main__":
    main(set(sys.argv[1:]))
