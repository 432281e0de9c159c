from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_keepalive._report_file import (
    UnusableFile,
    append_to,
    check_replaceable,
    check_writable,
    read_file,
    replace_file,
)

on_linux = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


def refusal(path: Path) -> str:
    with pytest.raises(UnusableFile, match=re.escape(str(path))) as caught:
        check_writable(path)
    return caught.value.reason


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "a.json"
    check_writable(path)
    assert not path.parent.exists()
    replace_file(path, ["one ", "two\n"])
    assert path.read_bytes() == b"one two\n"
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


def test_what_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    def chunks() -> Iterator[str]:
        yield "half"
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(UnusableFile, match="no space left on device"):
        replace_file(path, chunks())
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_an_error_of_another_kind_leaves_nothing_behind_either(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "a.json", (_ for _ in iter(_interrupt, None)))
    assert list(tmp_path.iterdir()) == []


def _interrupt() -> str:
    raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o640)
    replace_file(path, ["new"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    replace_file(link, ["new"])
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
@pytest.mark.parametrize("name", ["there", "new"])
def test_a_link_that_leads_into_a_read_only_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    (folder / "there").write_text("old")
    link.symlink_to(folder / name)
    check_writable(link)
    folder.chmod(0o555)
    assert refusal(link) == f"the folder {folder} is read-only"


def test_a_file_with_the_longest_of_names_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    replace_file(path, ["text"])
    assert path.read_text() == "text"


@on_linux
def test_a_device_is_never_read_and_never_replaced() -> None:
    # Which of them ends, nobody can know: /dev/full never does.
    for device in ("/dev/full", "/dev/null"):
        with pytest.raises(UnusableFile, match=f"{device}: is a device"):
            read_file(Path(device))
        with pytest.raises(UnusableFile, match=f"{device}: is no file that could be replaced"):
            check_replaceable(Path(device))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for_where_it_could_not_be_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnusableFile, match="is no file that could be replaced"):
        check_replaceable(tmp_path / "pipe")


@on_linux
def test_a_device_that_is_full_is_an_error_and_stays_a_device() -> None:
    path = Path("/dev/full")
    check_writable(path)
    with pytest.raises(UnusableFile, match="/dev/full: no space left on device"):
        replace_file(path, ["text"])
    assert path.is_char_device()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is a folder"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_a_read_only_file_is_not_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o444)
    assert refusal(path) == "is read-only"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_nothing_can_be_written_in_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o555)
    assert refusal(folder / "new" / "a.json") == f"the folder {folder} is read-only"


def test_nothing_can_be_written_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file" / "a.json") in (
        f"{tmp_path / 'file'} is not a folder",
        "not a directory",
    )


def test_a_missing_file_reads_as_none(tmp_path: Path) -> None:
    assert read_file(tmp_path / "a.json") is None


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UnusableFile, match="is not UTF-8 text"):
        read_file(tmp_path / "a.json")
    with pytest.raises(UnusableFile):
        read_file(tmp_path)


def test_text_is_added_behind_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# Other\n")
    append_to(path, "more\n")
    assert path.read_bytes().replace(os.linesep.encode(), b"\n") == b"# Other\nmore\n"
    with pytest.raises(UnusableFile):
        append_to(tmp_path, "more")
