"""Runs the tests on a fresh machine, in an environment of their own.

``python3 .ci/run_tests.py [ARGUMENT ...]``: the arguments are those of pytest.
"""

from __future__ import annotations

import sys

import environment

if __name__ == "__main__":
    python = environment.make("tests", "-e", ".[test]")
    raise SystemExit(
        environment.run(python, "-m", "coverage", "run", "-m", "pytest", *sys.argv[1:])
    )
