from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files import atomic
from bench.files.atomic import read_json, write_json, write_text


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


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "x.txt", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BenchError, match=r"x\.txt: No space left on device\. Free some space"):
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
