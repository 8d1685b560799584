"""Attention as a table: the weight that a model gave to every slice that it was shown for a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.imaging.study import Study
from bench.targets import TARGETS, row_id
from bench.training.crops import BLANK

COLUMNS = ("row_id", "series_id", "instance_number", "weight")


@dataclass(frozen=True, slots=True, eq=False)
class SliceAttention:
    """The slices that a model was shown for each target of N studies, and its attention weights.

    Attributes:
        series: (N, 25, S) series ids, `BLANK` where no slice was shown.
        slices: (N, 25, S) indices of the slices in anatomical order.
        weights: (N, 25, S) attention weights; several networks' may be added up, see `attention_table`.
    """

    series: NDArray[np.int64]
    slices: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def empty(cls, studies: int, slices: int) -> SliceAttention:
        """No slice shown yet; room for ``slices`` per target."""
        shape = (studies, len(TARGETS), slices)
        return cls(np.full(shape, BLANK), np.full(shape, BLANK), np.zeros(shape))

    def set(
        self,
        rows: NDArray[np.int64],
        targets: Sequence[int] | NDArray[np.int64],
        series: NDArray[np.int64],
        slices: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> None:
        """Put the slices and weights (R * T, S) of some studies' targets; series (R * T,) or (R * T, S)."""
        place = np.ix_(rows, np.asarray(targets))
        shape = len(rows), len(targets), -1
        self.series[place] = series.reshape(shape)
        self.slices[place] = slices.reshape(shape)
        self.weights[place] = weights.reshape(shape)


def attention_table(studies: Sequence[Study], shown: Sequence[SliceAttention]) -> pd.DataFrame:
    """``row_id, series_id, instance_number, weight``; the weights of a row_id over everything shown sum to 1.

    A slice that was shown several times, such as one repeated at the end of a series, has its weights added.
    """
    weights: dict[tuple[int, int, int, int], float] = {}
    for one in shown:
        for row, target, place in np.argwhere(one.series != BLANK):
            series_id, index = int(one.series[row, target, place]), int(one.slices[row, target, place])
            key = (int(row), int(target), series_id, index)
            weights[key] = weights.get(key, 0.0) + float(one.weights[row, target, place])
    totals: dict[tuple[int, int], float] = {}
    for (row, target, _, _), weight in weights.items():
        totals[row, target] = totals.get((row, target), 0.0) + weight
    rows = []
    for (row, target, series_id, index), weight in sorted(weights.items()):
        instance = int(studies[row].get(series_id).instance_numbers[index])
        name = row_id(studies[row].study_id, TARGETS[target])
        rows.append((name, series_id, instance, weight / totals[row, target]))
    return pd.DataFrame(rows, columns=list(COLUMNS))
