from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench.files.checksums import MANIFEST, check_manifest, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "stage"
    (folder / "deep").mkdir(parents=True)
    (folder / "resume").mkdir()
    (folder / "weights.bin").write_bytes(b"0123456789")
    (folder / "deep" / "x.json").write_text("{}")
    (folder / "resume" / "state").write_text("changes")
    write_manifest(folder, ignore=("resume",))
    assert check_manifest(folder, ignore=("resume",)) == []
    return folder


def test_every_kind_of_damage_is_named(folder: Path) -> None:
    def wrong() -> str:
        return ", ".join(check_manifest(folder, ignore=("resume",)))

    weights = folder / "weights.bin"
    weights.write_bytes(b"0123")
    assert wrong() == "weights.bin has 4 bytes instead of 10"
    weights.write_bytes(b"0123456788")
    assert wrong() == "weights.bin has changed (its sha256 differs)"
    weights.unlink()
    assert wrong() == "weights.bin is missing"
    weights.write_bytes(b"0123456789")
    assert wrong() == ""
    (folder / "deep" / "more.json").write_text("{}")
    assert wrong() == "deep/more.json is not among its checksums"


def test_what_does_not_count_may_change(folder: Path) -> None:
    (folder / "resume" / "state").write_text("changed")
    (folder / ".DS_Store").write_text("left by a file browser")
    assert check_manifest(folder, ignore=("resume",)) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema_version": 1}', '{"schema_version": 1, "files": [1]}']
)
def test_a_damaged_manifest_vouches_for_nothing(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    (fault,) = check_manifest(folder, ignore=("resume",))
    assert fault.startswith(MANIFEST)


def test_another_version_and_an_absent_folder_are_named(folder: Path) -> None:
    document = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**document, "schema_version": 9}))
    assert check_manifest(folder) == [f"{MANIFEST} has schema version 9, this is 1"]
    (folder / MANIFEST).unlink()
    assert check_manifest(folder) == [f"{MANIFEST} is missing"]
    assert check_manifest(folder / "absent") == ["the folder absent is missing"]


def test_names_in_any_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.bin"
    with open(path, "wb") as stream:
        stream.write(b"x")
    write_manifest(tmp_path)
    assert check_manifest(tmp_path) == []
    with open(path, "wb") as stream:
        stream.write(b"y")
    assert check_manifest(tmp_path) == ["caf\\xe9.bin has changed (its sha256 differs)"]
