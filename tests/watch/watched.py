"""A whole process under watch, each a process of its own, since no filter can be removed."""

from __future__ import annotations

from typing import Any

from tests.watch import elsewhere
from tests.watch.counting_server import CountingServer

WATCH = """
    from pytest_keepalive._watch._process_watch import current_watch, watch_this_process
    from pytest_keepalive._watch._run_watched import run_watched

    def run(*argv):
        done = subprocess.run([str(argument) for argument in argv], capture_output=True)
        assert done.returncode == 0, done.stderr

    def connections(trace):
        assert trace.lost == 0
        return [connect for connect in trace.connects if connect.is_connection]

    watch = watch_this_process()
"""


def watched(script: str, counting: CountingServer, *arguments: object) -> Any:
    return elsewhere.run([WATCH, script], counting.port, *arguments)
