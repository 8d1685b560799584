"""Features of every slice of a study: computed once for all folds, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.approach import Context, SharedContext
from bench.data.cohort import Cohort
from bench.errors import BenchError
from bench.files.atomic import written_whole
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes
from bench.imaging.workers import Failure, run_isolated

from .config import FeatureConfig
from .texture import slice_features

StudyFeatures = dict[int, NDArray[np.float32]]
"""By series id: (S, F) features of its slices in anatomical order."""
_START_S, _SLICE_S = 60.0, 1.0


class FeatureTable:
    """Reads what `build_features` wrote."""

    def __init__(self, studies: Sequence[Study], context: Context, config: FeatureConfig) -> None:
        everyone = context.all_studies
        if not {_stacks(study) for study in studies} <= {_stacks(study) for study in everyone.studies}:
            everyone = Cohort(tuple(sorted(studies, key=lambda study: study.study_id)))
        self.folder = context.shared("slice-features", config, everyone, build_features)

    def of(self, study: Study) -> StudyFeatures:
        """The features of a study's series."""
        rows = np.load(_file(self.folder, study), allow_pickle=False)
        ends = np.cumsum([len(series) for series in study.series])
        return {series.series_id: rows[end - len(series) : end] for series, end in zip(study.series, ends, strict=True)}


def build_features(studies: tuple[Study, ...], context: SharedContext, config: FeatureConfig) -> None:
    """Write one file of features per study; those that an earlier attempt wrote are kept.

    With several threads in as many processes, since scikit-image computes on one.
    """
    missing = [study for study in studies if not _file(context.folder, study).exists()]
    done = len(studies) - len(missing)
    if context.threads < 2 or len(missing) < 2 * context.threads:
        for study in missing:
            write_features(context.folder, context.volumes, study, config)
            done += 1
            context.progress(done, len(studies))
        return
    tasks = [(context.folder, context.volumes, study, config) for study in missing]
    limits = [_START_S + _SLICE_S * sum(len(series) for series in study.series) for study in missing]
    for index, outcome in run_isolated(write_features, tasks, jobs=context.threads, limit_s=lambda task: limits[task]):
        if isinstance(outcome, Failure):
            raise BenchError(
                f"study {missing[index].study_id}: its features could not be computed ({outcome.what}). "
                "Check it with `bench data check`, or leave it out."
            )
        done += 1
        context.progress(done, len(studies))


def write_features(folder: Path, volumes: Volumes, study: Study, config: FeatureConfig) -> None:
    """Compute and write the features of one study, the slices of its series one after the other."""
    rows = [
        slice_features(_normalised(image, window), config)
        for series in study.series
        for image, window in _slices(volumes, series.series_id, series.shapes)
    ]
    with written_whole(_file(folder, study)) as temporary, temporary.open("wb") as file:
        np.save(file, np.array(rows, dtype=np.float32))


def _stacks(study: Study) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Id of a study, and id and number of slices of each of its series: what the rows of its file stand for."""
    return study.study_id, tuple((series.series_id, len(series)) for series in study.series)


def _slices(volumes: Volumes, series_id: int, shapes: NDArray[np.int64]) -> list[tuple[NDArray, NDArray[np.float32]]]:
    """Every slice without its padding, with the percentiles that it is normalised by."""
    pixels, windows = volumes.array(series_id), volumes.window(series_id)
    return [
        (image[:rows, :columns], window) for image, window, (rows, columns) in zip(pixels, windows, shapes, strict=True)
    ]


def _normalised(image: NDArray, window: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = window
    return np.clip((image.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)


def _file(folder: Path, study: Study) -> Path:
    return folder / f"{study.study_id}.npy"
