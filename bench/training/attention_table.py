"""Where stage 2 looked, as a table: the attention of every slice of every bag."""

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


@dataclass(frozen=True, slots=True)
class Look:
    """Where the networks looked: the slices (N, 25, S) of one stream's bags and their mean attention (N, 25, S)."""

    series: NDArray[np.int64]  # (N, 25), BLANK where the bag is blank
    slices: NDArray[np.int64]
    weights: NDArray[np.float64]


def empty_look(studies: int, bag: int) -> Look:
    """Nothing looked at yet."""
    shape = (studies, len(TARGETS))
    return Look(np.full(shape, BLANK), np.full((*shape, bag), BLANK), np.zeros((*shape, bag)))


def evidence_table(studies: Sequence[Study], looks: Sequence[Look]) -> pd.DataFrame:
    """``row_id, series_id, instance_number, weight``; the weights of a row_id over all its streams sum to 1.

    A slice that stands in a bag several times, at the end of a series, has its weights added.
    """
    weights: dict[tuple[int, int, int, int], float] = {}
    for look in looks:
        for row in range(len(studies)):
            for target in range(len(TARGETS)):
                series_id = int(look.series[row, target])
                if series_id == BLANK:
                    continue
                for index, weight in zip(look.slices[row, target], look.weights[row, target], strict=True):
                    key = (row, target, series_id, int(index))
                    weights[key] = weights.get(key, 0.0) + float(weight)
    totals: dict[tuple[int, int], float] = {}
    for (row, target, _, _), weight in weights.items():
        totals[row, target] = totals.get((row, target), 0.0) + weight
    rows = []
    for (row, target, series_id, index), weight in sorted(weights.items()):
        instance = int(studies[row].get(series_id).instance_numbers[index])
        name = row_id(studies[row].study_id, TARGETS[target])
        rows.append((name, series_id, instance, weight / totals[row, target]))
    return pd.DataFrame(rows, columns=list(COLUMNS))
