"""`bench run` where a file system is full or read-only: on real ones, mounted in a namespace of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
MOUNT = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
BENCH = f"{sys.executable} -c 'from bench.cli import main; main()'"


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*MOUNT, "mount -t tmpfs x /mnt"], capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _may_mount(), reason="this system lets no user mount in a namespace of his own"),
]


def run(mounts: str, *, out: Path, cache: Path, approach: str = "brightness") -> tuple[int, str]:
    """`bench run` of one fold of the toy data after these mounts; exit code and all that it said."""
    plugins = " ".join(f"--plugin {PLUGINS / name}.py" for name in ("toy", "brightness", "talker"))
    if approach == "temporary":
        plugins += f" --plugin {out.parent / 'temporary.py'}"
    words = f"run --approach {approach} --dataset toy {plugins} --folds 2 --fold 0 --out {out} --cache-dir {cache}"
    done = subprocess.run(
        [*MOUNT, f"{mounts} && {BENCH} {words}"], capture_output=True, text=True, check=False, timeout=300
    )
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    return done.returncode, told


def full(place: Path, size: str) -> str:
    return f"mount -t tmpfs -o size={size} x {place}"


def read_only(place: Path) -> str:
    return f"mount --bind {place} {place} && mount -o remount,ro,bind {place}"


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("store", "cache"):
        (tmp_path / name).mkdir()
    return tmp_path / "store", tmp_path / "cache"


@pytest.mark.parametrize("size", ["16k", "96k"])
def test_a_full_store(places: tuple[Path, Path], session_cache: Path, size: str) -> None:
    store, _ = places
    code, told = run(full(store, size), out=store, cache=session_cache)
    assert code == 1
    assert f"The file system at {store} is full. Free some space there" in told


@pytest.mark.parametrize("size", ["64k", "256k"])
def test_a_full_cache(places: tuple[Path, Path], size: str) -> None:
    store, cache = places
    code, told = run(full(cache, size), out=store, cache=cache)
    assert code == 1
    assert f"The file system at {cache} is full. Free some space there" in told or "No space left" in told


def test_a_log_that_fills_the_disk(places: tuple[Path, Path], session_cache: Path) -> None:
    store, _ = places
    code, told = run(full(store, "1m"), out=store, cache=session_cache, approach="talker")
    assert code == 1
    assert f"The file system at {store} is full. Free some space there" in told


def test_read_only_places(places: tuple[Path, Path], session_cache: Path) -> None:
    store, _ = places
    code, told = run(read_only(store), out=store, cache=session_cache)
    assert code == 2
    assert f"The file system at {store} is read-only. Choose another place" in told
    assert "Free some space" not in told


def test_a_complete_cache_on_a_read_only_disk_is_used(places: tuple[Path, Path]) -> None:
    store, cache = places
    assert run("true", out=store, cache=cache)[0] == 0
    for file in (cache / "configurations").iterdir():
        file.unlink()
    code, told = run(read_only(cache), out=store / "second", cache=cache)
    assert code == 0, told
    shutil.rmtree(cache / "volumes")
    code, told = run(read_only(cache), out=store / "third", cache=cache)
    assert code == 1
    assert f"The file system at {cache} is read-only" in told
    assert "Free some space" not in told


FILLS_TEMPORARY = '''"""Writes a temporary file."""
import tempfile
from bench.approaches.prior.approach import Prior
class Temporary(Prior):
    """Writes a temporary file in `fit`."""
    def fit(self, train, context):
        with tempfile.TemporaryFile() as file:
            file.write(bytes(5_000_000))
'''


def test_a_full_folder_for_temporary_files(places: tuple[Path, Path], session_cache: Path, tmp_path: Path) -> None:
    store, _ = places
    (tmp_path / "temporary.py").write_text(FILLS_TEMPORARY)
    (tmp_path / "few").mkdir()
    mounts = f"{full(tmp_path / 'few', '64k')} && export TMPDIR={tmp_path / 'few'}"
    code, told = run(mounts, out=store, cache=session_cache, approach="temporary")
    assert code == 1
    assert f"The file system at {tmp_path / 'few'} is full." in told
    assert "TMPDIR names another folder" in told
