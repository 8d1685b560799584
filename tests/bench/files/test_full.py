"""An error of a full disk that names no file is laid at the door of the file system that is full."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import BenchError
from bench.files.atomic import explanation, write_text
from bench.files.full import blamed_place, temporary_folder

ROOM = SimpleNamespace(f_bavail=1 << 20, f_frsize=4096, f_files=100, f_favail=50)
FULL = SimpleNamespace(f_bavail=3, f_frsize=4096, f_files=100, f_favail=50)
NO_INODES = SimpleNamespace(f_bavail=1 << 20, f_frsize=4096, f_files=100, f_favail=0)
STORE, TEMPORARY = Path("/store"), Path("/temporary")


@pytest.mark.parametrize(
    ("store", "temporary", "number", "blamed"),
    [
        (ROOM, FULL, errno.ENOSPC, TEMPORARY),
        (ROOM, NO_INODES, errno.ENOSPC, TEMPORARY),
        (FULL, FULL, errno.ENOSPC, STORE),
        (ROOM, ROOM, errno.ENOSPC, STORE),
        (ROOM, FULL, errno.EROFS, STORE),
    ],
)
def test_the_full_one_is_blamed(monkeypatch, store, temporary, number, blamed):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(TEMPORARY))
    monkeypatch.setattr(os, "statvfs", lambda path: {STORE: store, TEMPORARY: temporary}.get(path, ROOM))
    error = OSError(number, os.strerror(number))
    assert blamed_place(error, STORE) == blamed
    assert ("TMPDIR" in str(explanation(error, blamed_place(error, STORE)))) == (blamed == TEMPORARY)


def test_what_the_error_names_is_believed():
    for name in ("/elsewhere/x", b"/elsewhere/x"):
        assert blamed_place(OSError(errno.ENOSPC, "full", name), STORE) == Path("/elsewhere/x")


def test_without_a_writable_folder_the_one_that_was_told_is_named(monkeypatch):
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/a', '/b']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setenv("TMPDIR", "/told")
    assert temporary_folder() == Path("/told")


def test_a_pipe_is_written_by_way_of_a_temporary_file(monkeypatch):
    def refuses(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuses)
    with pytest.raises(BenchError, match="TMPDIR names another folder") as caught:
        write_text(Path(os.devnull), "x", named_by_user=True)
    assert f"cannot write {tempfile.gettempdir()}: No space left" in str(caught.value)
