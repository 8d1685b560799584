"""Time and memory of the main job, `bench run --approach mil --folds 5`, with the phantom generated anew.

``pytest tests/performance/test_main_job.py --benchmark-enable -s`` prints the figures, and takes as long as the job.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

MOST_GB, EVERY_S = 4.7, 1.0
GB = 1e9
COMMAND = [sys.executable, "-c", "from bench.cli import main; main()", "run", "--approach", "mil", "--folds", "5"]

pytestmark = [pytest.mark.benchmark(group="main job"), pytest.mark.usefixtures("measured")]


def memory_of_tree(root: psutil.Process) -> int:
    """Proportional set size of a process and of all that descend from it, bytes: shared pages count once."""
    total = 0
    for process in (root, *root.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # it has ended meanwhile
            continue
    return total


def disk_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_main_job_needs_no_more_memory_than_said(
    benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("proportional set size is Linux's")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    started, peak = time.perf_counter(), 0
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(COMMAND, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, memory_of_tree(watched))
            time.sleep(EVERY_S)
    seconds = time.perf_counter() - started
    assert process.returncode == 0, (tmp_path / "log").read_text()[-2000:]
    benchmark.pedantic(lambda: None, rounds=1)
    cache, runs = disk_of(tmp_path / "cache") / GB, disk_of(tmp_path / "runs") / GB
    print(
        f"\n{seconds / 60:.1f} min, {peak / GB:.2f} GB for all processes together; "
        f"on disk {cache:.2f} GB of phantom and cache, {runs:.3f} GB of results"
    )
    assert peak <= MOST_GB * GB
    shutil.rmtree(tmp_path / "cache")
