from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import UsageError
from bench.files.mounts import mount_point
from bench.files.places import require_folder, require_usable, require_writable


def test_a_folder_that_is_there(tmp_path: Path) -> None:
    assert require_folder(tmp_path, "--data", "") == tmp_path


def test_nothing_and_a_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"^--data .*absent: no such folder\. Name one\.$"):
        require_folder(tmp_path / "absent", "--data", "Name one.")
    with pytest.raises(UsageError, match=r"file: that is a file, and a folder is needed\. Name one\.$"):
        require_folder(tmp_path / "file", "", "Name one.")


def test_what_can_be_made_is_writable_and_is_not_made(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b", "--out")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["/proc/x", "/sys/x/y"])
def test_where_the_kernel_shows_its_state(place: str) -> None:
    with pytest.raises(UsageError, match=f"--out {place}: no folder can be written in /(proc|sys)"):
        require_writable(Path(place), "--out")


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is a file"):
        require_writable(tmp_path / "file" / "runs", "--out")
    with pytest.raises(UsageError, match="that is a file"):
        require_writable(tmp_path / "file", "--out")


def test_a_read_only_file_system_is_named_and_a_cache_there_is_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda place: SimpleNamespace(f_flag=os.ST_RDONLY))
    monkeypatch.setattr(os, "access", lambda place, right: not right & os.W_OK)
    with pytest.raises(UsageError, match=r"The file system at .* is read-only\. Choose another place") as caught:
        require_writable(tmp_path / "runs", "--out")
    assert str(mount_point(tmp_path)) in str(caught.value)
    require_usable(tmp_path, "--cache-dir")
    with pytest.raises(UsageError, match="is read-only"):
        require_usable(tmp_path / "absent", "--cache-dir")
