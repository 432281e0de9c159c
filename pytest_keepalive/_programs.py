"""Running a program of a test, and stating what it did to whoever measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from time import perf_counter

from pytest_keepalive._client_program import ClientProgram, Leftover, state_run
from pytest_keepalive._instruments import instruments
from pytest_keepalive._watch._client_run import ClientRun, ClientTimeout, WatchLost
from pytest_keepalive._watch._process_watch import current_watch
from pytest_keepalive._watch._run_watched import run_watched
from pytest_keepalive._watch._witness import children_figure


def run_client(
    argv: Sequence[str | PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | PathLike[str] | None = None,
    input: str | bytes | None = None,
    timeout: float | None = 30,
) -> ClientProgram:
    """Run a program in any language, and see the connections that it and its children open.

    They count for the markers of the test and for ``connection_counter`` too.

    Args:
        argv: The program and its arguments.
        env: Its whole environment; this process's by default.
        cwd: Its working directory; this process's by default.
        input: What it reads from standard input; text is given as UTF-8.
        timeout: What it is given, in seconds; ``None`` for as long as it takes.

    Raises:
        FileNotFoundError: There is no such program.
        PermissionError: It is not executable.
        ClientTimeout: It did not end in time; it was killed with all that it had started.
    """
    started_at, children = perf_counter(), children_figure()
    try:
        run = run_watched(argv, env=env, cwd=cwd, input=input, timeout=timeout)
    except (ClientTimeout, WatchLost) as error:
        _state(error.run, children)
        if isinstance(error, ClientTimeout):
            error.seen = ClientProgram(error.run, started_at).seen
        raise
    _state(run, children)
    return ClientProgram(run, started_at)


def _state(run: ClientRun, children: int) -> None:
    # A watch of this whole process has seen the program as well, and states it itself.
    if not instruments.measuring or current_watch() is not None:
        return
    state_run(run, instruments.recorder.sink)
    instruments.programs.opens += sum(connect.went_out for connect in run.connects)
    if run.left_running:
        instruments.programs.leftovers.append(Leftover(run, instruments.recorder.sink))
    elif run.exact:
        instruments.recorder.excuse_children(children, children_figure())
