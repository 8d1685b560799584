from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from bench.files.sharing import make_private, shared_with

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")


def test_a_new_cache_is_for_its_owner_alone_and_an_old_one_keeps_its_rights(tmp_path: Path) -> None:
    make_private(tmp_path / "deep" / "cache")
    assert stat.S_IMODE((tmp_path / "deep" / "cache").stat().st_mode) == 0o700
    (tmp_path / "team").mkdir()
    (tmp_path / "team").chmod(0o770)
    make_private(tmp_path / "team")
    assert stat.S_IMODE((tmp_path / "team").stat().st_mode) == 0o770


def test_who_else_may_write(tmp_path: Path) -> None:
    assert shared_with(tmp_path / "absent") is None
    tmp_path.chmod(0o755)
    assert shared_with(tmp_path) is None
    tmp_path.chmod(0o777)
    assert shared_with(tmp_path) == "every user of this machine"


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root may give folders away")
def test_groups_and_other_owners_are_named(tmp_path: Path) -> None:
    os.chown(tmp_path, 0, 12345)
    tmp_path.chmod(0o775)
    assert shared_with(tmp_path) == "the group 12345"
    os.chown(tmp_path, 12345, 0)
    tmp_path.chmod(0o755)
    assert shared_with(tmp_path) == "its owner, the user 12345"
