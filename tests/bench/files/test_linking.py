"""One file under two names."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bench.files.atomic import write_text
from bench.files.linking import link_or_copy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_text("first")
    return path


def test_a_linked_file_takes_its_place_once(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "job" / "location" / "weights"
    assert link_or_copy(source, target)
    assert source.samefile(target)


def test_writing_one_anew_leaves_the_other(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "other"
    link_or_copy(source, target)
    write_text(source, "second")
    assert target.read_text() == "first"


def test_it_is_copied_where_there_are_no_links(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another device")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "other"
    target.write_text("old")
    assert not link_or_copy(source, target)
    assert target.read_text() == "first"
    assert not source.samefile(target)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        link_or_copy(tmp_path / "nothing", tmp_path / "other")
