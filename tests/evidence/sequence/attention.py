"""How much of a target's attention falls within one slice of the slice that annotators marked, beside chance.

Run it as ``python tests/evidence/sequence/attention.py RUN --dataset phantom:standard:0``. RUN is a folder of the store
that holds finished jobs of ``sequence``: of one run, or of one fold of it.

Attention is counted within the marked slice's type of scan. Chance is uniform attention over the slices of that type
that were shown. A target whose marked slice was not shown is counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.cli.options import default_cache
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.imaging.study import Study
from bench.targets import CONDITIONS, TARGETS, row_id
from bench.testing import open_generated

_DRAWS = 2000


def marked_attention(evidence: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """One row per target with a usable point and with evidence: ``study_id, condition, shown, weight, chance``.

    Args:
        evidence: ``row_id, series_id, instance_number, weight``.
        cohort: studies with points.
    """
    keypoints = read_keypoints(cohort, lambda *_: None)
    by_row = dict(tuple(evidence.groupby("row_id")))
    rows = []
    for row, number in np.argwhere(keypoints.known):
        study, target = cohort.studies[row], TARGETS[number]
        found = by_row.get(row_id(study.study_id, target))
        if found is not None:
            marked = int(keypoints.series[row, number]), int(keypoints.slices[row, number])
            rows.append((study.study_id, target.condition, *_within_one(found, study, *marked)))
    return pd.DataFrame(rows, columns=["study_id", "condition", "shown", "weight", "chance"])


def _within_one(found: pd.DataFrame, study: Study, series_id: int, index: int) -> tuple[bool, float, float]:
    """Whether the marked slice was shown; attention within one slice of it; and that of chance."""
    marked = study.get(series_id)
    places, weights = [], []
    for series, instance, weight in zip(found["series_id"], found["instance_number"], found["weight"], strict=True):
        one = study.get(int(series))
        if one.description == marked.description:
            places.append(one.index_of(int(instance)) if one is marked else -2)
            weights.append(float(weight))
    near = np.abs(np.array(places) - index) <= 1
    shares = np.array(weights) / max(sum(weights), 1e-12)
    return index in places, float(shares[near].sum()), float(near.mean())


def summary(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Per condition the mean attention and chance of shown targets, and their ratio with a 95 % bootstrap interval.

    The bootstrap draws studies.
    """
    rows = []
    for condition in CONDITIONS:
        part = table[table["condition"] == condition]
        seen = part[part["shown"]]
        sums = seen.groupby("study_id")[["weight", "chance"]].sum().to_numpy()
        low, high = _interval(sums, random)
        attention, chance = seen["weight"].mean(), seen["chance"].mean()
        counts = len(seen), seen["study_id"].nunique(), len(part) - len(seen)
        rows.append((condition, *counts, attention, chance, attention / chance, low, high))
    columns = ["condition", "targets", "studies", "not shown", "attention", "chance", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _interval(sums: NDArray[np.float64], random: np.random.Generator) -> Sequence[float]:
    """95 % percentile interval of the ratio of two sums over studies (N, 2)."""
    if not len(sums):
        return float("nan"), float("nan")
    drawn = sums[random.integers(len(sums), size=(_DRAWS, len(sums)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    return float(low), float(high)


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dataset", default="phantom:small", show_default=True, help="The data set that it ran on.")
def main(run: Path, dataset: str) -> None:
    """Print the table."""
    files = sorted(run.rglob("evidence.csv"))
    if not files:
        raise click.UsageError(f"{run} holds no evidence.csv. Name a folder with finished jobs of sequence.")
    cohort = open_generated(default_cache(), dataset).cohort
    table = marked_attention(pd.concat([pd.read_csv(file) for file in files]), cohort)
    print(f"{len(files)} jobs")
    print(summary(table, np.random.default_rng(0)).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
