from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files import atomic
from bench.files.atomic import DamagedError, explained, mount_point, read_json, write_json, write_text


def test_round_trip_and_absent_file(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "x.json", {"a": [1, None, "ü"]})
    assert read_json(tmp_path / "deep" / "x.json") == {"a": [1, None, "ü"]}
    assert read_json(tmp_path / "absent.json") is None


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    texts = {"a" * 100_000, "b" * 100_000}
    write_text(path, min(texts))
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        for text in texts:
            write_text(path, text)
    stop.set()
    reader.join()
    assert seen <= texts


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "is full. Free some space there"),
        (errno.EDQUOT, "quota on the file system at .* is used up. Delete files"),
        (errno.EROFS, "is read-only. Choose another place"),
        (errno.EACCES, "no right to write .* mend its rights"),
        (errno.EFBIG, "ulimit -f"),
        (errno.ENOTCONN, "Choose another place"),
    ],
)
def test_what_the_system_refuses_is_named_with_its_file_system_and_a_cure_that_fits(
    tmp_path: Path, number: int, cure: str
) -> None:
    with pytest.raises(BenchError, match=cure) as caught, explained(tmp_path / "absent" / "x"):
        raise OSError(number, os.strerror(number))
    assert f"file system at {mount_point(tmp_path)}" in str(caught.value) or number == errno.EFBIG
    assert os.path.ismount(mount_point(tmp_path))
    assert ("Free some space" in str(caught.value)) == (number == errno.ENOSPC)


def test_data_are_on_the_disk_before_the_name_and_the_name_before_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_sync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "data")
        fsync(handle)

    def note_rename(*paths: Path) -> None:
        done.append("name")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_rename)
    write_text(tmp_path / "x.txt", "new")
    assert done == ["data", "name", "folder"]


@pytest.mark.parametrize("text", ["[" * 100_000, "\x00", "1" * 5000, ""])
def test_any_damage_is_the_same_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DamagedError, match="is damaged") as caught:
        read_json(tmp_path / "x.json")
    assert caught.value.path == tmp_path / "x.json"


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "x.txt", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BenchError, match=r"x\.txt: No space left on device\. The file system at .* Free some space"):
        write_text(tmp_path / "x.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "old"


def test_missing_right_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(atomic.tempfile, "mkstemp", refuse)
    with pytest.raises(BenchError, match=r"no right to write .* Choose another place"):
        write_text(tmp_path / "x.txt", "new")


def test_damaged_document_says_to_delete_it(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(BenchError, match=r"is damaged .* Delete it"):
        read_json(tmp_path / "x.json")
