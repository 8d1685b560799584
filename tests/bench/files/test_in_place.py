"""Devices, pipes and open files are written to; only regular files are replaced."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files.atomic import write_text
from bench.files.in_place import is_written_in_place

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="devices and /proc are those of Linux")


def test_a_named_pipe_gets_the_text_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "a" * 200_000, named_by_user=True)
    reader.join(timeout=10)
    assert read == ["a" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_an_error_and_stays(tmp_path: Path) -> None:
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(BenchError, match=r"cannot write to .*full: No space left on device\..*no regular file"):
        write_text(link, "text", named_by_user=True)
    assert stat.S_ISCHR(os.stat(link).st_mode)


def test_a_link_to_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    write_text(link, "text", named_by_user=True)
    assert link.is_symlink()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_link_to_a_file_stays_and_the_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to("deep/target.txt")
    write_text(link, "new", named_by_user=True)
    assert link.is_symlink()
    assert target.read_text() == "new"
    (tmp_path / "ahead").symlink_to("deep/absent.txt")
    write_text(tmp_path / "ahead", "made", named_by_user=True)
    assert (tmp_path / "deep" / "absent.txt").read_text() == "made"


def test_standard_output_keeps_what_it_holds(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from bench.files.atomic import write_text; print('first', flush=True); "
        "write_text(Path('/dev/stdout'), 'second\\n', named_by_user=True); print('third')"
    )
    out = tmp_path / "out.txt"
    before = os.readlink("/dev/stdout")
    with out.open("a") as stream:
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert out.read_text() == "first\nsecond\nthird\n"
    assert os.readlink("/dev/stdout") == before


def test_what_is_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    plain = [tmp_path, tmp_path / "file", tmp_path / "absent", tmp_path / "loop"]
    assert [is_written_in_place(path) for path in plain] == [False] * 4
    assert is_written_in_place(Path("/dev/null"))
    assert is_written_in_place(Path("/dev/stdout"))
