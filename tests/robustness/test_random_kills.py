"""Kills at random moments of `mil` `smoke` on the smallest phantom, and several runs in one store at once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="kills process groups")]
COMPARED = ("predictions.csv", "notes.csv", "label_coordinates.csv", "evidence.csv")
KILLS = int(os.environ.get("BENCH_KILLS", "2"))  # more for a longer look
MOST_S = 1500


def start(out: Path, cache: Path) -> subprocess.Popen[str]:
    job = ["--approach", "mil", "--preset", "smoke", "--dataset", "phantom:tiny", "--folds", "2", "--fold", "0"]
    places = ["--jobs", "1", "--out", str(out), "--cache-dir", str(cache)]
    return subprocess.Popen(
        [sys.executable, "-c", "from bench.cli import main; main()", "run", *job, *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    told = process.communicate(timeout=MOST_S)[0]
    assert process.returncode == 0, told
    assert "Traceback" not in told
    return told


def outcome(out: Path) -> dict[str, bytes]:
    (job,) = out.glob("*/*/mil-*/seed0/fold0")
    found = {name: (job / name).read_bytes() for name in COMPARED if (job / name).exists()}
    assert {"predictions.csv", "notes.csv", "label_coordinates.csv"} <= found.keys()
    return found


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], float]:
    """A cache with the phantom alone, the outcome of an uninterrupted run, and how long that took."""
    root = tmp_path_factory.mktemp("reference")
    finish(start(root / "warm", root / "cache"))
    shutil.rmtree(root / "cache" / "shared", ignore_errors=True)
    started = time.monotonic()
    finish(start(root / "runs", root / "cache"))
    return root / "cache", outcome(root / "runs"), time.monotonic() - started


@pytest.mark.parametrize("seed", range(KILLS))
def test_kills_at_random_moments(reference: tuple[Path, dict[str, bytes], float], tmp_path: Path, seed: int) -> None:
    cache, expected, seconds = reference
    shutil.rmtree(cache / "shared", ignore_errors=True)
    moments = random.Random(seed)
    for _ in range(3):
        process = start(tmp_path / "runs", cache)
        with suppress(subprocess.TimeoutExpired):  # it may be done sooner than the reference was
            process.communicate(timeout=moments.uniform(0.1, 0.9) * seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(start(tmp_path / "runs", cache))
    assert outcome(tmp_path / "runs") == expected


@pytest.mark.parametrize("count", [2, 3])
def test_several_runs_at_once(reference: tuple[Path, dict[str, bytes], float], tmp_path: Path, count: int) -> None:
    cache, expected, _ = reference
    shutil.rmtree(cache / "shared", ignore_errors=True)
    told = [finish(one) for one in [start(tmp_path / "runs", cache) for _ in range(count)]]
    assert outcome(tmp_path / "runs") == expected
    assert sum(": done in " in text for text in told) == 1, "one run does the job, the others wait for it"
