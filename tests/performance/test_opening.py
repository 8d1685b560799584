"""What opening the data costs a job, beside a scan of all images, on many small files and a made-up cache.

``pytest tests/performance/test_opening.py --benchmark-enable -s`` prints the figures and holds them to their limit.
The scale is the competition's number of studies and 60,000 files; ``BENCH_OPENING_STUDIES`` sets another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.load import open_dataset
from bench.data.tables import LABELS, POINTS, SERIES
from bench.dataset import DataSet
from bench.imaging.cache import checksum, record_of, write_index
from bench.imaging.held import volume_folder
from bench.imaging.layout import scan
from bench.imaging.study import Series
from bench.jobs.execute import open_job_data
from bench.jobs.job import Job
from bench.jobs.order import Order
from bench.jobs.plan import Request, prepare
from bench.targets import SERIES_DESCRIPTIONS, SEVERITIES, TARGET_NAMES, TARGETS

STUDIES = int(os.environ.get("BENCH_OPENING_STUDIES", "1975"))
SLICES = 10  # of each of a study's three series: 59,250 files in all
ROUNDS = 3
LIMIT = 1 / 5

pytestmark = pytest.mark.benchmark(group="opening")


class Many(DataSet):
    """A folder that lies there already."""

    def locate(self, *, data: Path | None, **_: object) -> Path:
        assert data is not None
        return data


@pytest.fixture
def request_(measured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    data, cache = tmp_path / "data", tmp_path / "cache"
    write_data(data)
    write_cache(data, cache)
    monkeypatch.setattr("bench.jobs.plan.resolve_dataset", lambda *_: ("many", None, Many()))
    return Request(approaches=["prior"], dataset="many", data=data, out=tmp_path / "runs", cache=cache)


def write_data(root: Path) -> None:
    """Three series a study, of empty files, and tables with a label and a point for every target."""
    for study in range(1, STUDIES + 1):
        for series in series_ids(study):
            folder = root / "train_images" / str(study) / str(series)
            folder.mkdir(parents=True)
            for instance in range(1, SLICES + 1):
                os.close(os.open(folder / f"{instance}.dcm", os.O_CREAT | os.O_WRONLY))
    ids = np.arange(1, STUDIES + 1)
    grades = np.random.default_rng(0).choice(3, p=[0.7, 0.2, 0.1], size=(STUDIES, 25))
    labels = pd.DataFrame(np.array(SEVERITIES)[grades], columns=list(TARGET_NAMES), index=ids)
    labels.to_csv(root / LABELS, index_label="study_id")
    kinds = dict(enumerate(SERIES_DESCRIPTIONS))
    rows = [(study, series, kinds[number]) for study in ids for number, series in enumerate(series_ids(int(study)))]
    pd.DataFrame(rows, columns=["study_id", "series_id", "series_description"]).to_csv(root / SERIES, index=False)
    number_of = {kind: number for number, kind in kinds.items()}
    points = [
        (study, series_ids(int(study))[number_of[target.point_series]], 5, target.condition_words, target.level_words)
        for study in ids
        for target in TARGETS
    ]
    table = pd.DataFrame(points, columns=["study_id", "series_id", "instance_number", "condition", "level"])
    table[["x", "y"]] = np.random.default_rng(1).uniform(0, 512, (len(table), 2))
    table.to_csv(root / POINTS, index=False)


def series_ids(study: int) -> list[int]:
    return [study * 10 + number for number in range(3)]


def write_cache(root: Path, cache: Path) -> None:
    """Records as the reader makes them, without pixels."""
    target = volume_folder(cache, scan(root))
    target.mkdir(parents=True)
    records, pixels = {}, np.zeros((SLICES, 2, 2), dtype=np.uint16)
    for study in range(1, STUDIES + 1):
        for number, series_id in enumerate(series_ids(study)):
            volume = target / f"{series_id}.npy"
            np.save(volume, pixels)
            record = record_of(made_up(study, series_id, SERIES_DESCRIPTIONS[number]))
            files = [f"train_images/{study}/{series_id}/{instance}.dcm" for instance in range(1, SLICES + 1)]
            record |= {"faults": [], "files": files, "mapping": [1.0, 0.0]}
            record |= {"bytes": volume.stat().st_size, "checksum": checksum(pixels), "dtype": pixels.dtype.name}
            record |= {"window": [[12.0, 871.0]] * SLICES}
            records[series_id] = record
    write_index(target, records)


def made_up(study: int, series_id: int, description: str) -> Series:
    random = np.random.default_rng(series_id)
    return Series(
        study_id=study,
        series_id=series_id,
        description=description,
        instance_numbers=np.arange(1, SLICES + 1),
        positions=random.normal(0, 80, (SLICES, 3)),
        orientations=random.normal(0, 1, (SLICES, 2, 3)),
        spacings=np.full((SLICES, 2), 0.546875),
        shapes=np.full((SLICES, 2), 2),
        thickness_mm=4.0,
    )


def seconds(*works: Callable[[], object]) -> list[float]:
    """Wall seconds of each, the shortest of several rounds taken in turns."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, times in zip(works, taken, strict=True):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return [min(times) for times in taken]


def test_opening_in_a_job_beside_a_scan(benchmark, request_: Request, capsys) -> None:
    job: Job = prepare(request_, lambda *_: None).jobs[0]
    order = Order(job, request_.out, request_.cache, "cpu", "fp32", 1, 1, "bench run")

    def before() -> None:
        open_dataset(Many(), Path(job.data), request_.cache, 1, lambda *_: None)

    def now() -> None:
        open_job_data(order)

    scan_s, index_s = seconds(before, now)
    benchmark.pedantic(now, rounds=1)
    with capsys.disabled():
        print(f"\n  opening {STUDIES} studies, {STUDIES * 3 * SLICES} files: {index_s:.2f} s by the index, ", end="")
        print(f"{scan_s:.2f} s by a scan: {index_s / scan_s:.3f}, with a true-point pass {index_s / scan_s / 2:.3f}")
    assert index_s <= LIMIT * scan_s
