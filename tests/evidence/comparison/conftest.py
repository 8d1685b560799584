"""Populations of studies to draw from, so that the truth is exact: two published models' out-of-fold predictions, or
simulated ones with heavy tails where BENCH_REAL_DATA is unset."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cohort import grades_of
from bench.metric import StudyTerms, study_terms
from bench.metric.prior import prior_probabilities
from bench.targets import PROBABILITY_COLUMNS, TARGET_NAMES

STUDIES = 1975


@dataclass(frozen=True)
class Population:
    """Terms (1975,) of three models, and of a class prior, a model and a noise floor on labels drawn from known
    probabilities.

    Attributes:
        name: where they come from.
    """

    name: str
    base: StudyTerms
    swin: StudyTerms
    mean: StudyTerms
    drawn_prior: StudyTerms
    drawn_base: StudyTerms
    drawn_floor: StudyTerms

    def equal(self, studies: np.ndarray, random: np.random.Generator) -> StudyTerms:
        """A model equal to any other made so, two of which differ as base and swin do, on drawn studies.

        Args:
            studies: (n,) indices. A study that was drawn twice errs twice by itself, as two studies would.
            random: of this model.
        """
        base, swin = self.base[studies], self.swin[studies]
        towards = random.choice([-1, 1], size=(len(studies), 1))
        middle, half = (base.numerators + swin.numerators) / 2, (base.numerators - swin.numerators) / 2
        return StudyTerms(middle + np.sqrt(2) * towards * half, base.denominators)


@pytest.fixture(scope="session")
def population() -> Population:
    folder = os.environ.get("BENCH_REAL_DATA")
    return _published(Path(folder)) if folder else _simulated()


@pytest.fixture
def figure(capsys: pytest.CaptureFixture[str], population: Population) -> Callable[[str, float, str, int], None]:
    """Prints a figure that was wanted and the one that came out; -s or not."""

    def tell(what: str, got: float, wanted: str, repetitions: int) -> None:
        with capsys.disabled():
            print(f"\n| {population.name} | {what} | {wanted} | {100 * got:.2f} % | {repetitions} |", end="")

    return tell


def _published(folder: Path) -> Population:
    labels = pd.read_csv(folder / "rsna2024" / "train.csv")
    grades = grades_of(labels)
    ids = labels["study_id"].to_numpy()
    base, swin = (
        _probabilities(folder, ids, parts)
        for parts in (
            ("axial_baseline", "sagittal1_baseline", "sagittal2_baseline"),
            ("axial_swint", "sagittal1_s1_swint", "sagittal2_swint"),
        )
    )
    mean = (base + swin) / 2
    drawn = _drawn_grades(grades, mean)
    prior = np.broadcast_to(prior_probabilities(drawn), mean.shape)
    return Population(
        "published",
        *(study_terms(grades, said) for said in (base, swin, mean)),
        *(study_terms(drawn, said) for said in (prior, base, mean)),
    )


def _probabilities(folder: Path, ids: np.ndarray, parts: tuple[str, ...]) -> np.ndarray:
    table = pd.concat([pd.read_csv(folder / "oof" / f"{part}.csv.gz") for part in parts]).set_index("row_id")
    rows = [f"{study}_{name}" for study in ids for name in TARGET_NAMES]
    values = table.reindex(rows)[list(PROBABILITY_COLUMNS)].fillna(1 / 3).to_numpy()
    return values.reshape(len(ids), len(TARGET_NAMES), 3)


def _drawn_grades(grades: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """Labels drawn from the probabilities that a model's become once the weights 1, 2, 4 are divided out."""
    true = weighted / [1, 2, 4]
    ends = (true / true.sum(axis=-1, keepdims=True)).cumsum(axis=-1)
    drawn = (np.random.default_rng(11).random((*grades.shape, 1)) > ends).sum(axis=-1).clip(0, 2)
    return np.where(grades < 0, -1, drawn).astype(np.int8)


def _simulated() -> Population:
    """Losses of three models of which two differ as the published ones do: kurtosis of the difference about 30."""
    random = np.random.default_rng(5)
    severity = random.standard_normal((STUDIES, 1)) * 0.8 + random.standard_normal((STUDIES, 25))
    grades = np.digitize(severity, [0.95, 1.95]).astype(np.int8)
    weights = study_terms(grades, np.full((STUDIES, 25, 3), 1 / 3)).denominators
    hardness = 0.4 * random.lognormal(-0.2, 0.65, size=(STUDIES, 1)) * random.lognormal(-0.08, 0.4, size=(STUDIES, 4))
    tails = np.exp(0.84 * random.standard_normal((STUDIES, 3)) - 0.35)
    noise = 0.054 * random.standard_normal((STUDIES, 3)) * tails * np.sqrt(hardness.mean(axis=1, keepdims=True) / 0.4)
    base, swin = (hardness + noise[:, [model]] for model in (0, 1))
    mean = (base + swin) / 2 - 0.006 + noise[:, [2]]

    def terms(losses: np.ndarray) -> StudyTerms:
        return StudyTerms(losses * weights, weights)

    floor = 0.01 + 0.75 * hardness
    prior = 0.5 + 0.7 * hardness + 0.1 * random.standard_normal((STUDIES, 1))
    return Population("simulated", *map(terms, (base, swin, mean, prior, base, floor)))
