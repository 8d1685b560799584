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
from bench.metric import StudyTerms, study_terms
from bench.metric.prior import prior_probabilities


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


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """One approach in one configuration, put together from its jobs.

    Attributes:
        jobs: those that are counted.
        left_out: jobs of seeds that lack a fold which others have.
        folds: the folds that every counted seed has finished, ascending.
        held_out: (N,) bool, the studies of these folds.
        terms: seed -> terms (N,) of the whole split; zeros outside `held_out`.
        true_points: seed -> terms of the true-point pass; None unless every job has it.
    """

    jobs: tuple[StoredJob, ...]
    left_out: tuple[StoredJob, ...]
    folds: tuple[int, ...]
    held_out: NDArray[np.bool_]
    terms: Mapping[int, StudyTerms]
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


def prior_terms(split: Split) -> StudyTerms:
    """Terms of the class prior, each study's taken from the labels of the other folds."""
    probabilities = np.empty((len(split), 25, 3))
    for fold in np.unique(split.fold):
        held_out = split.fold == fold
        probabilities[held_out] = prior_probabilities(split.grades[~held_out])
    return study_terms(split.grades, probabilities)


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
    has_true_points = all(job.files.true_point_predictions.is_file() for job in used)
    return Pooled(
        jobs=used,
        left_out=tuple(job for job in jobs if job not in used),
        folds=tuple(sorted(folds)),
        held_out=np.isin(split.fold, list(folds)),
        terms=_terms(used, split, [job.files.predictions for job in used]),
        true_points=_terms(used, split, [job.files.true_point_predictions for job in used])
        if has_true_points
        else None,
    )


def _terms(jobs: Sequence[StoredJob], split: Split, tables: Sequence[Path]) -> dict[int, StudyTerms]:
    """Terms by seed, of one table of predictions per job."""
    terms: dict[int, StudyTerms] = {}
    for job, table in zip(jobs, tables, strict=True):
        whole = terms.setdefault(job.seed, StudyTerms(np.zeros((len(split), 4)), np.zeros((len(split), 4))))
        rows = np.flatnonzero(split.fold == job.fold)
        of_fold = study_terms(split.grades[rows], read_predictions(table, split.study_ids[rows]))
        whole.numerators[rows], whole.denominators[rows] = of_fold.numerators, of_fold.denominators
    return terms
