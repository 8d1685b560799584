"""A cohort: studies, with their labels and points unless these are withheld."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import DataError
from bench.imaging.study import Study
from bench.targets import MISSING, SEVERITIES, TARGET_NAMES


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cohort:
    """Studies with their labels and points.

    Attributes:
        studies: in ascending order of their ids.
        labels: in the format of ``train.csv``, one row per study, indexed by study_id and in the order of `studies`;
            None where labels are withheld.
        points: in the format of ``train_label_coordinates.csv``; None where points are withheld.
    """

    studies: tuple[Study, ...]
    labels: pd.DataFrame | None = None
    points: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.studies)

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else "with labels"
        points = "no points" if self.points is None else f"{len(self.points)} points"
        return f"Cohort({len(self)} studies, {labels}, {points})"

    @property
    def study_ids(self) -> NDArray[np.int64]:
        """(N,) ids in the order of `studies`."""
        return np.array([study.study_id for study in self.studies], dtype=np.int64)

    @property
    def grades(self) -> NDArray[np.int8]:
        """(N, 25) grades 0, 1, 2 in the order of `bench.targets.TARGETS`, -1 where a label is missing."""
        if self.labels is None:
            raise DataError("this cohort has no labels: they are withheld from `predict`.")
        return grades_of(self.labels)

    def subset(self, study_ids: Iterable[int]) -> Cohort:
        """The cohort restricted to these studies. Raises KeyError for a study that is not in it."""
        wanted = {int(study_id) for study_id in study_ids}
        unknown = wanted - {study.study_id for study in self.studies}
        if unknown:
            raise KeyError(f"study {min(unknown)} is not in this cohort ({len(unknown)} such)")
        studies = tuple(study for study in self.studies if study.study_id in wanted)
        ids = [study.study_id for study in studies]
        return Cohort(
            studies,
            None if self.labels is None else self.labels.loc[ids],
            None if self.points is None else self.points[self.points["study_id"].isin(wanted)].reset_index(drop=True),
        )

    def without_labels(self) -> Cohort:
        """The studies and points without the labels."""
        return replace(self, labels=None)

    def hidden(self) -> Cohort:
        """The studies without labels and points, as `predict` gets them."""
        return replace(self, labels=None, points=None)


def grades_of(labels: pd.DataFrame) -> NDArray[np.int8]:
    """(N, 25) grades 0, 1, 2 and -1 for missing, from a label table in the format of ``train.csv``."""
    codes = {severity: grade for grade, severity in enumerate(SEVERITIES)}
    table = labels[list(TARGET_NAMES)].apply(lambda column: column.map(codes))
    return table.fillna(MISSING).to_numpy(dtype=np.int8)
