"""A test that opens very many connections: what each weighs, and when the failure is reported.

``python -m tests.benchmark.crowd PORT CONNECTIONS`` prints the bytes that each weighs.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

from pytest_keepalive import measure

# Closing with a reset leaves no port in TIME_WAIT (RFC 9293, 3.6.1), of which there are too few.
_LINGER = struct.pack("ii", 1, 0)
_SUITE = """
import time
import pytest
from tests.benchmark.crowd import open_and_close

@pytest.mark.single_connection
def test_crowd():
    open_and_close({port}, {connections})
    with open("called", "w") as file:
        file.write(repr(time.monotonic()))
"""


def open_and_close(port: int, connections: int) -> None:
    """Open connections one after the other, each from a line of this file."""
    for _ in range(connections):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)


def seconds_to_report(folder: Path, port: int, connections: int) -> float:
    """Run a test that fails for its connections, and time it from its last line to its report.

    Args:
        folder: An empty one, for the test.
        port: Of the server.
        connections: How many the test opens.

    Raises:
        RuntimeError: The report is not the one that was to come.
    """
    (folder / "test_crowd.py").write_text(_SUITE.format(port=port, connections=connections))
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = (sys.executable, "-m", "pytest", "-q", "-p", "keepalive", "-p", "no:cacheprovider")
    ours = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, **ours, "PYTHONPATH": os.getcwd()}
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith(f"opened {connections} connections"):
                return time.monotonic() - float((folder / "called").read_text())
    raise RuntimeError("the report is another one:\n" + "".join(lines))


def bytes_each(port: int, connections: int) -> float:
    """Record connections in a process of its own, and give what each weighs."""
    command = (sys.executable, "-m", __name__, str(port), str(connections))
    return float(subprocess.check_output(command))


def _weigh(port: int, connections: int) -> float:
    with measure() as seen:
        open_and_close(port, 10)
        tracemalloc.start()
        open_and_close(port, connections)
        weight, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seen.count == connections + 10
    return weight / connections


if __name__ == "__main__":
    print(_weigh(int(sys.argv[1]), int(sys.argv[2])))
