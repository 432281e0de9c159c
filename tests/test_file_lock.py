from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_keepalive import _file_lock
from pytest_keepalive._file_lock import LOCK_NAME, held_lock
from pytest_keepalive._report_file import UnusableFile

HOLD = """
import sys
from pathlib import Path
from pytest_keepalive._file_lock import held_lock
with held_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def another_process_that_holds(path: Path) -> subprocess.Popen[str]:
    command = (sys.executable, "-c", HOLD, str(path))
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_only_one_holds_the_lock_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "new" / "b.json", [0], [0]
    changed = threading.Condition()

    def hold() -> None:
        for _ in range(5):
            with held_lock(path), changed:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                changed.notify_all()
                # Whoever could come in has the time to.
                changed.wait_for(lambda: inside[0] > 1, timeout=0.02)
                inside[0] -= 1

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert list(path.parent.iterdir()) == []


def test_who_hangs_with_the_lock_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    with another_process_that_holds(path) as process:
        said = f"{path}: another run has held {tmp_path / LOCK_NAME} for 0 seconds"
        with pytest.raises(UnusableFile, match=re.escape(said)), held_lock(path, patience=0.2):
            pass
        assert (tmp_path / LOCK_NAME).exists()
        process.communicate()
    with held_lock(path, patience=0):
        pass


def test_the_lock_of_a_process_that_crashed_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    with another_process_that_holds(path) as process:
        process.kill()
        process.communicate()
    assert (tmp_path / LOCK_NAME).exists()
    with held_lock(path, patience=0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_lets_the_lock_go(tmp_path: Path) -> None:
    with pytest.raises(KeyError), held_lock(tmp_path / "b.json"):
        raise KeyError
    with held_lock(tmp_path / "b.json", patience=0):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_two_links_to_one_file_share_its_lock(tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "b.json")
    refused = pytest.raises(UnusableFile, match="another run has held")
    with held_lock(tmp_path / "b.json"), refused, held_lock(link, patience=0):
        pass


def test_where_no_lock_can_be_made_the_file_and_the_reason_are_named(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).mkdir()
    said = f"{tmp_path / 'b.json'}: {tmp_path / LOCK_NAME} cannot be locked: "
    with pytest.raises(UnusableFile, match=re.escape(said)), held_lock(tmp_path / "b.json"):
        pass


def test_the_file_of_the_lock_is_no_file_to_guard(tmp_path: Path) -> None:
    path = tmp_path / LOCK_NAME
    path.write_text("text")
    with pytest.raises(UnusableFile, match="has the name of the lock"), held_lock(path):
        pass
    assert path.read_text() == "text"


def test_a_file_system_without_locks_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(_file_lock, "_lock", refuse)
    with held_lock(tmp_path / "b.json", patience=0):
        pass
