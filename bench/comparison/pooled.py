"""An approach's out-of-fold predictions put together again: every study once a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.cohort import grades_of
from bench.jobs.predictions import read_predictions
from bench.jobs.result import SplitRecord
from bench.jobs.split import CURE, SplitFolder
from bench.jobs.store import StoredJob
from bench.metric import StudyTerms, prior, study_terms
from bench.metric.terms import class_weights
from bench.targets import TARGETS


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The studies of one data set, their labels and their folds, as they lie in the store.

    Attributes:
        study_ids: (N,) ascending.
        fold: (N,) the fold in which each is held out.
        grades: (N, 25) its labels.
        floor: (N,) terms of predictions that nobody can be expected to beat; None where they are not known.
        about: what else is known of data and split.
    """

    study_ids: NDArray[np.int64]
    fold: NDArray[np.int64]
    grades: NDArray[np.int8]
    floor: StudyTerms | None
    about: SplitRecord

    def __len__(self) -> int:
        return len(self.study_ids)

    @property
    def weights(self) -> NDArray[np.float64]:
        """(N, 25) the metric's weight of each label: 1, 2, 4 by grade, 0 where there is none."""
        return class_weights(self.grades)


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """One approach in one configuration, put together from its jobs.

    Attributes:
        jobs: those that are counted.
        left_out: jobs of seeds that lack a fold which others have.
        folds: the folds that every counted seed has finished, ascending.
        held_out: (N,) bool, the studies of these folds.
        terms: seed -> terms (N,) of the whole split; zeros outside `held_out`.
        probabilities: seed -> (N, 25, 3) predictions; NaN outside `held_out`.
        true_points: seed -> terms of the true-point pass; None unless every job has it.
    """

    jobs: tuple[StoredJob, ...]
    left_out: tuple[StoredJob, ...]
    folds: tuple[int, ...]
    held_out: NDArray[np.bool_]
    terms: Mapping[int, StudyTerms]
    probabilities: Mapping[int, NDArray[np.float64]]
    true_points: Mapping[int, StudyTerms] | None


def read_split(folder: SplitFolder) -> Split:
    """The split in whose folder runs lie. Raises DataError if its files are gone or were changed."""
    fold = folder.read_folds()
    study_ids = fold.index.to_numpy(np.int64)
    grades = grades_of(folder.read_labels(study_ids.tolist()))
    floor = None
    if folder.floor.is_file():
        floor = study_terms(grades, read_predictions(folder.checked(folder.floor.name), study_ids, cure=CURE))
    return Split(study_ids, fold.to_numpy(np.int64), grades, floor, folder.record())


def out_of_fold_prior(split: Split) -> NDArray[np.float64]:
    """(N, 25, 3) the class prior, each study's taken from the labels of the other folds."""
    return np.asarray(prior.out_of_fold_prior(split.grades, split.fold))


def prior_terms(split: Split) -> StudyTerms:
    """Terms of the class prior, each study's taken from the labels of the other folds."""
    return study_terms(split.grades, out_of_fold_prior(split))


def pool(jobs: Sequence[StoredJob], split: Split) -> Pooled:
    """Put the finished jobs of one approach together.

    Seeds are comparable only on the same folds: the largest set of folds that one seed has finished counts, and seeds
    that lack one of these are left out.
    """
    finished: dict[int, dict[int, StoredJob]] = {}
    for job in jobs:
        finished.setdefault(job.seed, {})[job.fold] = job
    folds = max((set(by_fold) for _, by_fold in sorted(finished.items())), key=len)
    counted = {seed: by_fold for seed, by_fold in sorted(finished.items()) if folds <= by_fold.keys()}
    used = tuple(by_fold[fold] for by_fold in counted.values() for fold in sorted(folds))
    true_tables = [job.files.true_point_predictions for job in used]
    has_true_points = all(table.is_file() for table in true_tables)
    held_out = np.isin(split.fold, list(folds))
    probabilities = _read(used, split, [job.files.predictions for job in used])
    return Pooled(
        jobs=used,
        left_out=tuple(job for job in jobs if job not in used),
        folds=tuple(sorted(folds)),
        held_out=held_out,
        terms=_terms(probabilities, split, held_out),
        probabilities=probabilities,
        true_points=_terms(_read(used, split, true_tables), split, held_out) if has_true_points else None,
    )


def _read(jobs: Sequence[StoredJob], split: Split, tables: Sequence[Path]) -> dict[int, NDArray[np.float64]]:
    """(N, 25, 3) predictions by seed, of one table per job; NaN where no job has predicted."""
    found: dict[int, NDArray[np.float64]] = {}
    for job, table in zip(jobs, tables, strict=True):
        whole = found.setdefault(job.seed, np.full((len(split), len(TARGETS), 3), np.nan))
        rows = np.flatnonzero(split.fold == job.fold)
        whole[rows] = read_predictions(table, split.study_ids[rows])
    return found


def _terms(
    predictions: Mapping[int, NDArray[np.float64]], split: Split, held_out: NDArray[np.bool_]
) -> dict[int, StudyTerms]:
    """Terms by seed; zeros outside `held_out`."""
    terms: dict[int, StudyTerms] = {}
    for seed, values in predictions.items():
        whole = StudyTerms(np.zeros((len(split), 4)), np.zeros((len(split), 4)))
        judged = study_terms(split.grades[held_out], values[held_out])
        whole.numerators[held_out], whole.denominators[held_out] = judged.numerators, judged.denominators
        terms[seed] = whole
    return terms
