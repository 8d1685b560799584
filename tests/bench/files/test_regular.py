"""Links, pipes and devices in a folder that others may write to: nothing is written through one, none is waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files.atomic import read_json, temporary_beside, write_json, write_text
from bench.files.regular import NotAFileError, open_unlinked, read_bytes
from bench.imaging.cache import locked
from bench.jobs.history import Notes

APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def _lock(path: Path) -> None:
    with locked(path):
        pass


WRITERS: dict[str, Callable[[Path], object]] = {
    "write_text": lambda path: write_text(path, "new"),
    "write_json": lambda path: write_json(path, {}),
    "open_unlinked": lambda path: os.close(open_unlinked(path, APPEND)),
    "lock of the cache": _lock,
    "notes": lambda path: Notes(path).add(1, "text"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").write_text("kept")
    link, ahead = tmp_path / "link", tmp_path / "ahead"
    link.symlink_to("precious")
    ahead.symlink_to("absent")
    for path in (link, ahead):
        with pytest.raises(BenchError, match=r"is a symbolic link, where .* Remove it"):
            WRITERS[name](path)
        assert path.is_symlink()
    assert (tmp_path / "precious").read_text() == "kept"
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("name", ["write_text", "open_unlinked", "lock of the cache"])
def test_no_pipe_is_waited_for_and_no_folder_replaced(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotAFileError, match="is a named pipe, where"):
        WRITERS[name](tmp_path / "pipe")
    with pytest.raises(NotAFileError, match="is a folder, where"):
        WRITERS[name](tmp_path / "folder")


def test_a_lock_keeps_what_the_file_holds(tmp_path: Path) -> None:
    """Another user's file may be linked there by a hard link, which cannot be told from a file."""
    (tmp_path / "precious").write_text("kept")
    os.link(tmp_path / "precious", tmp_path / "lock")
    _lock(tmp_path / "lock")
    assert (tmp_path / "precious").read_text() == "kept"


def test_reading_follows_links_and_waits_for_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text("[1]")
    (tmp_path / "link").symlink_to("file.json")
    assert read_json(tmp_path / "link") == [1]
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a named pipe"), (tmp_path, "a folder"), (Path("/dev/null"), "a device")):
        with pytest.raises(NotAFileError, match=f"is {kind}, where"):
            read_bytes(path)


def test_temporary_names_differ_and_files_have_the_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    names = {temporary_beside(path).name for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith(".xxx") and name.endswith(".tmp") for name in names)
    write_text(path, "long names have room for a temporary one")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
