from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from pytest_keepalive._baseline_file import BaselineFile
from pytest_keepalive._report_file import UnusableFile
from pytest_keepalive._summary import Figures, RunSummary, TestSummary

ORIGIN = "http://127.0.0.1:*"


def file_at(path: Path) -> BaselineFile:
    file = BaselineFile(path, path.name, "pytest --keepalive-update")
    file.load(updating=True)
    return file


def run_of(*tests: str) -> RunSummary:
    run = RunSummary()
    for test in tests:
        run.add(test, TestSummary(test, {ORIGIN: Figures(1, 1, 0, 1)}))
    return run


def entries(path: Path) -> set[str]:
    return set(json.loads(path.read_text("utf-8"))["tests"])


def test_two_updates_at_the_same_time_keep_the_entries_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    file_at(path).save(run_of("a.py::test_gone"), set())
    one, two = file_at(path), file_at(path)
    one.save(run_of("a.py::test_one"), {"a.py::test_gone"})
    said = two.save(run_of("a.py::test_two"), {"a.py::test_gone"})
    assert entries(path) == {"a.py::test_one", "a.py::test_two"}
    assert not any("test_one" in line for line in said)


def test_a_file_that_was_deleted_meanwhile_loses_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    file_at(path).save(run_of("a.py::test_old"), set())
    file = file_at(path)
    path.unlink()
    file.save(run_of("a.py::test_new"), set())
    assert entries(path) == {"a.py::test_old", "a.py::test_new"}


def test_a_file_that_was_broken_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    file = file_at(path)
    path.write_text("<<<<<<< ours\n")
    with pytest.raises(UnusableFile, match="line 1 is a conflict marker"):
        file.save(run_of("a.py::test_one"), set())
    assert path.read_text() == "<<<<<<< ours\n"


def test_a_run_of_no_test_makes_no_baseline(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    assert file_at(path).save(run_of(), set()) == ["no test ran, and b.json was not made"]
    assert not path.exists()


def test_a_test_that_makes_no_connection_is_reason_enough_for_a_baseline(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    run = RunSummary()
    run.add("a.py::test_idle", TestSummary("a.py::test_idle"))
    assert file_at(path).save(run, set()) == ["b.json was written: no test used a connection"]
    assert entries(path) == set()


def test_a_full_disk_and_a_read_only_folder_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    path = folder / "b.json"
    file_at(path).save(run_of("a.py::test_old"), set())
    before, file = path.read_bytes(), file_at(path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnusableFile, match=r"b\.json: no space left on device"):
        file.save(run_of("a.py::test_new"), set())
    if sys.platform != "win32":
        folder.chmod(0o555)
        with pytest.raises(UnusableFile, match=r"b\.json: .*(is read-only|permission denied)"):
            file.save(run_of("a.py::test_new"), set())
    assert path.read_bytes() == before
    assert list(folder.iterdir()) == [path]


def test_the_disk_has_the_whole_baseline_before_its_name_leads_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "b.json", []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append((path.exists(), os.fstat(descriptor).st_size > 0))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    file_at(path).save(run_of("a.py::test_one"), set())
    assert synced[0] == (False, True)
