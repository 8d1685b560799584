from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker per core: each computes on one thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest

from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session and all its workers, so that generated data are built once."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("cache")
    shared = tmp_path_factory.getbasetemp().parent / "cache"  # beside the workers' own folders
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(scope="session")
def toy_plugin() -> Path:
    return PLUGINS / "toy.py"


@pytest.fixture(scope="session")
def brightness_plugin() -> Path:
    return PLUGINS / "brightness.py"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files for checks, which is not part of the project."""
    named = os.environ.get("BENCH_REAL_DATA")
    if not named:
        pytest.skip("BENCH_REAL_DATA is unset: it names a folder of real tables and MR files that the project lacks")
    return Path(named)


@pytest.fixture(scope="session")
def fill_store() -> Callable[..., None]:
    """What `make_store` calls, for fixtures of a wider scope."""
    return _fill_store


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Path]:
    """A store of made-up results; see `_fill_store` for what can be asked for."""

    def make(sharpness: Mapping[str, float], **options: Any) -> Path:
        store = tmp_path / "runs"
        _fill_store(store, sharpness, **options)
        return store

    return make


def _fill_store(
    store: Path,
    sharpness: Mapping[str, float],
    *,
    dataset: str = "phantom:small",
    studies: int = 40,
    folds: int = 4,
    seeds: Sequence[int] = (0,),
    floor: float | None = 0.3,
    preset: str = "quick",
    train_fraction: float = 1.0,
    data_hash: str = "d" * 64,
    missing: Collection[tuple[str, int, int]] = (),
    failed: Collection[tuple[str, int, int]] = (),
) -> None:
    """Fill a store with finished jobs.

    Args:
        store: the folder.
        sharpness: approach -> how clearly it sees the true grades (0: not at all).
        missing: (approach, seed, fold) of jobs that were never started.
        failed: the same of jobs that failed.
    """
    from bench.approach import Predictions
    from bench.data.folds import fold_csv, fold_hash, make_folds
    from bench.jobs.folder import JobFolder
    from bench.jobs.job import Job
    from bench.jobs.predictions import predictions_frame, write_predictions
    from bench.jobs.result import Failure, JobRecord, Result, SplitRecord
    from bench.targets import SEVERITIES, TARGET_NAMES

    caveat = "phantom; ranks approaches on this phantom, not on patients" if dataset.startswith("phantom") else None
    random = np.random.default_rng(7)
    study_ids = 4_000_000_000 + 11 * np.arange(studies)
    grades = random.choice([0, 1, 2], p=[0.7, 0.2, 0.1], size=(studies, 25)).astype(np.int8)
    split = make_folds(study_ids, grades, folds)
    labels = pd.DataFrame(np.array(SEVERITIES)[grades], columns=list(TARGET_NAMES), index=study_ids)
    for number, (approach, sharp) in enumerate(sharpness.items()):
        for seed, fold in itertools.product(seeds, range(folds)):
            if (approach, seed, fold) in missing:
                continue
            job = Job(
                approach, preset, "{}", dataset, "data", data_hash, folds, fold_hash(split), fold, seed, train_fraction
            )
            files = JobFolder(job.folder_in(store))
            contents = {
                files.split.folds.name: fold_csv(split),
                files.split.labels.name: labels.to_csv(index_label="study_id"),
            }
            if floor is not None:  # every part is the floor: the true grade gets exp(-floor), one wrong grade the rest
                best = np.exp(-floor) * np.eye(3)[grades] + (1 - np.exp(-floor)) * np.eye(3)[2 - 2 * (grades // 2)]
                floor_table = predictions_frame(Predictions(study_ids, best)).to_csv(index=False)
                contents[files.split.floor.name] = floor_table
            files.split.write(
                contents, SplitRecord(excluded={77: "no readable series"}, data_hash=data_hash, caveat=caveat)
            )
            JobRecord(job=job, fingerprint={"source of bench.training": "a"}, threads=2).write(files.job)
            if (approach, seed, fold) in failed:
                Failure(reason="out of memory").write(files.failed)
                continue
            held_out = split["fold"].to_numpy() == fold
            noise = np.random.default_rng([number, seed, fold]).standard_normal((int(held_out.sum()), 25, 3))
            said = np.exp(noise + sharp * np.eye(3)[grades[held_out]]) * [1, 2, 4]
            said /= said.sum(axis=-1, keepdims=True)
            write_predictions(files, Predictions(study_ids[held_out], said))
            cost = {"fit_seconds": 10.0, "predict_seconds": 2.0, "peak_memory_mb": 500.0 + fold}
            made = {"threads": 2, "hardware": {"device": "cpu"}, "command": f"bench run --approach {approach}"}
            Result(**cost, **made).write(files.result)
            files.finish()


SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def make_series(
    series_id: int,
    description: str,
    *,
    count: int = 11,
    shape: tuple[int, int] = (100, 80),
    spacing: float = 2.0,
    gap: float = 4.0,
    directions: tuple | None = None,
    position: tuple[float, float, float] | None = None,
) -> Series:
    """Parallel slices around the origin: sagittal ones step to the patient's left, axial ones to the feet."""
    axial = description == AXIAL_T2
    directions = directions or (AXIAL if axial else SAGITTAL)
    step = np.array([0.0, 0.0, -gap]) if axial else np.array([gap, 0.0, 0.0])
    across, down = (np.array(one) for one in directions)
    corner = -(shape[1] - 1) / 2 * spacing * across - (shape[0] - 1) / 2 * spacing * down
    first = corner - (count - 1) / 2 * step if position is None else np.array(position)
    return Series(
        study_id=1,
        series_id=series_id,
        description=description,
        instance_numbers=np.arange(count, 0, -1),
        positions=first + np.arange(count)[:, None] * step,
        orientations=np.tile(np.array(directions), (count, 1, 1)),
        spacings=np.full((count, 2), spacing),
        shapes=np.tile(shape, (count, 1)),
        thickness_mm=gap,
    )


@pytest.fixture
def series_of() -> Callable[..., Series]:
    return make_series


@pytest.fixture
def study() -> Study:
    """Sagittal T2 (20), Sagittal T1 (30) and one axial series (10) with a common centre at the origin."""
    return Study(
        1,
        (
            make_series(10, AXIAL_T2, count=41, shape=(90, 90)),
            make_series(20, SAGITTAL_T2),
            make_series(30, SAGITTAL_T1),
        ),
    )
