"""What reading costs beside the bare decoder, on the same phantom files, in one run, serial.

``pytest tests/performance/test_reading.py --benchmark-enable -s`` prints the figures and holds them to their limits;
without ``--benchmark-enable`` they are not measured.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from bench.data.tables import read_tables
from bench.datasets.phantom import build
from bench.imaging.build import build_series
from bench.imaging.dicom.header import read_header
from bench.imaging.held import SAMPLE, SAMPLE_BYTES
from bench.imaging.layout import SeriesFiles, scan
from bench.imaging.preparation import prepare
from bench.imaging.volumes import Volumes
from bench.imaging.workers import keep_freed_memory

# The competition's images, by its own tables.
COMPETITION_SLICES = 147_218
ROUNDS = 7
STUDIES = 3

pytestmark = pytest.mark.benchmark(group="reading")


@pytest.fixture(scope="module")
def tasks(measured, tmp_path_factory) -> list[SeriesFiles]:
    """Series of 320 to 512 pixels a side, as most of the competition's are, RLE encoded."""
    root = tmp_path_factory.mktemp("full")
    build(root, preset="full", studies=STUDIES, seed=101, jobs=2)
    kinds = read_tables(root).series.set_index("series_id")["series_description"]
    found = [SeriesFiles(*key, kinds[key[1]], str(root), files) for key, files in scan(root).files.items()]
    return [task for task in found if all(320 <= side <= 512 for side in matrix(task))]


def matrix(task: SeriesFiles) -> tuple[int, int]:
    """Rows and columns of a series."""
    frame = read_header(Path(task.root) / task.files[0]).frames[0]
    return frame.rows, frame.columns


@pytest.fixture(scope="module")
def files(tasks) -> list[Path]:
    return [Path(task.root) / path for task in tasks for path in task.files]


@pytest.fixture
def say(capsys, files) -> Callable[[str], None]:
    """Print a figure past pytest's capture."""
    areas = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    sizes = sorted({f"{ds.Rows}x{ds.Columns}" for ds in areas})

    def show(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}  [n = {len(files)} slices of {', '.join(sizes)}]")

    return show


def fastest(*works: Callable[[], object]) -> list[float]:
    """CPU seconds of each, the shortest of several rounds taken in turns, with memory as the workers have it."""
    keep_freed_memory()
    seconds = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, taken in zip(works, seconds, strict=True):
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
    return [min(taken) for taken in seconds]


def test_building_the_cache_beside_the_bare_decoder(benchmark, tasks, files, tmp_path, say):
    sitk = pytest.importorskip("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    plain = []
    for index, path in enumerate(files):
        ds = pydicom.dcmread(path)
        ds.decompress()
        plain.append(tmp_path / f"{index}.dcm")
        ds.save_as(plain[-1])

    def bare() -> None:
        for path in files:
            ds = pydicom.dcmread(path)
            ds.pixel_array_options(decoding_plugin="pylibjpeg")
            _ = ds.pixel_array

    def ours() -> None:
        # As on first use: a file system takes longer to replace a file than to add one.
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        for task in tasks:
            build_series(task, str(folder))

    def uncompressed_simpleitk() -> None:
        for path in plain:
            sitk.GetArrayFromImage(sitk.ReadImage(str(path)))

    bare_s, ours_s, itk_s = fastest(bare, ours, uncompressed_simpleitk)
    benchmark.pedantic(ours, rounds=1)
    each_ms = 1000 * ours_s / len(files)
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*.npy")) / (ROUNDS + 1)
    beside = f"{ours_s / bare_s:.2f} of the bare decoder, {ours_s / itk_s:.2f} of SimpleITK on uncompressed copies"
    say(f"cache {each_ms:.2f} ms a slice: {beside}")
    minutes, gigabytes = each_ms * COMPETITION_SLICES / 60e3, size / len(files) * COMPETITION_SLICES / 1e9
    say(f"whole competition ({COMPETITION_SLICES:,} slices): {minutes:.1f} min on one core, {gigabytes:.0f} GB")
    assert ours_s <= 1.5 * bare_s
    assert ours_s < itk_s


def test_header_pass_beside_pydicom(benchmark, files, say):
    def bare() -> None:
        for path in files:
            pydicom.dcmread(path, stop_before_pixels=True)

    def ours() -> None:
        for path in files:
            read_header(path)

    bare_s, ours_s = fastest(bare, ours)
    benchmark.pedantic(ours, rounds=1)
    say(f"header {1000 * ours_s / len(files):.2f} ms a slice, {ours_s / bare_s:.2f} of dcmread(stop_before_pixels)")
    assert ours_s <= 1.5 * bare_s


def test_random_slice_beside_a_bare_memory_map(benchmark, tasks, tmp_path, say):
    for task in tasks:
        build_series(task, str(tmp_path))
    chance = np.random.default_rng(0)
    wanted = [(task, int(chance.integers(len(task.files)))) for task in tasks for _ in range(40)]
    chance.shuffle(wanted)

    def bare() -> None:
        for task, index in wanted:
            np.array(np.load(tmp_path / f"{task.series_id}.npy", mmap_mode="r")[index])

    def ours() -> None:
        volumes = Volumes(tmp_path)
        for task, index in wanted:
            np.array(volumes.array(task.series_id)[index])

    bare_s, ours_s = fastest(bare, ours)
    benchmark.pedantic(ours, rounds=1)
    say(f"random slice {1e6 * ours_s / len(wanted):.0f} us, {ours_s / bare_s:.2f} of numpy.load(mmap) and copy")
    assert ours_s <= 2 * bare_s


def test_second_opening_is_quick(benchmark, tasks, tmp_path, say, monkeypatch):
    root = Path(tasks[0].root)
    table = read_tables(root).series

    def opening() -> None:
        prepare(root, table, cache=tmp_path, jobs=1, progress=lambda *_: None)

    opening()
    (with_sample,) = fastest(opening)
    monkeypatch.setattr("bench.imaging.held._sample", lambda *_: [])  # its cost does not grow with the studies
    (seconds,) = fastest(opening)
    benchmark.pedantic(opening, rounds=1)
    sample_ms = 1000 * (with_sample - seconds)
    say(
        f"second opening {1000 * seconds / STUDIES:.2f} ms per study: {100 * seconds / STUDIES:.2f} s for 100, and "
        f"{sample_ms:.0f} ms for the checksums of {SAMPLE} series or {SAMPLE_BYTES >> 20} MiB"
    )
    assert 100 * seconds / STUDIES < 1


MEMORY = """
import resource, sys
from pathlib import Path
import pandas as pd
from bench.imaging.preparation import prepare

if __name__ == "__main__":
    root, cache, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    table = pd.read_csv(root / "train_series_descriptions.csv")
    table = table[table["study_id"].isin(sorted(table["study_id"].unique())[:count])]
    prepare(root, table, cache=cache, jobs=1, progress=lambda *_: None)
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        print(resource.getrusage(who).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_studies(benchmark, tmp_path, say, files):
    """Peak memory of the parent and of its worker, for 4 studies and for 40 of the same size."""
    root = tmp_path / "data"
    build(root, preset="tiny", studies=40, seed=102, jobs=2)
    script = tmp_path / "script.py"
    script.write_text(MEMORY)

    def peak(count: int) -> list[float]:
        command = [sys.executable, str(script), str(root), str(tmp_path / f"cache{count}"), str(count)]
        return [
            float(word) for word in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        ]

    few, many = peak(4), peak(40)
    benchmark.pedantic(lambda: None, rounds=1)
    figures = "{:.0f} + {:.0f} for 4 studies, {:.0f} + {:.0f} for 40".format(*few, *many)
    say(f"peak memory of parent + worker in MB: {figures}")
    assert many[0] < few[0] + 10
    assert many[1] < few[1] + 10
