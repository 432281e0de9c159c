"""Runs the main job on a fresh machine: the examples, in an environment of their own.

``python3 .ci/run_examples.py [NAME ...]``: see ``examples/__main__.py`` for what it takes.
"""

from __future__ import annotations

import sys

import environment

if __name__ == "__main__":
    python = environment.make("examples", "-e", ".[examples]")
    raise SystemExit(environment.run(python, "-m", "examples", *sys.argv[1:]))
