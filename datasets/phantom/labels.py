"""Grades of a generated patient: a latent severity for each of the 25 targets, and the grade that a rater gave.

The observed grades show the real data's correlation R and class shares. Raters disagree, so the severity that the
images show correlates less noisily than the grades do: its covariance is ``R - (1 - rho) I``, repaired to be positive
semidefinite with ``rho`` on its diagonal, and the grade is the severity plus independent ``N(0, 1 - rho)``, cut at
the real class shares. So the exact probability of every grade, given all that an image can show, is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bench.targets import CLASS_WEIGHTS, LEVELS, MISSING, TARGETS

from .streams import stream

FloatArray = NDArray[np.float64]

# Share of an observed grade's variance that the anatomy explains; the rest is the rater. It sets the floor.
RHO = 0.88

# Of 1,975 studies, how many lack which labels (FACTS: 185 in all). Upper levels are missing where the axial series
# does not reach them.
_MISSING_SUBARTICULAR_1 = 79  # L1/L2, both sides
_MISSING_SUBARTICULAR_2 = 82  # L1/L2 and L2/L3, both sides
_MISSING_SUBARTICULAR_LAST = 6  # L5/S1, one side or both
_MISSING_FORAMINAL_RIGHT = 6
_MISSING_FORAMINAL_BOTH = 2
_MISSING_SPINAL = 1
_STUDIES = 1975

# One step of severity below the first cut, in units of the latent; between the cuts one step is their distance.
_STEP_BELOW = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Severities:
    """The true severities of a generated patient and the grades given by a rater.

    Attributes:
        steps: (25,) severity shown by the anatomy: 1 at the cut between Normal/Mild and Moderate, 2 at the cut between
            Moderate and Severe, below 1 the milder the lower.
        grades: (25,) the rater's grades 0, 1, 2; -1 where the label is missing.
        probabilities: (25, 3) true probabilities of the grades, given `steps`.
        upper_levels_out_of_view: how many upper levels the axial series do not reach: 0, 1 or 2.
    """

    steps: FloatArray
    grades: NDArray[np.int8]
    probabilities: FloatArray
    upper_levels_out_of_view: int


@dataclass(frozen=True, slots=True, eq=False)
class LabelModel:
    """The joint distribution of all severities and grades."""

    root: FloatArray  # (25, 25), root @ root.T is the latent covariance
    cuts: FloatArray  # (25, 2) between the grades, in units of the observed variable

    def draw(self, seed: int, index: int) -> Severities:
        """The severities and grades of study ``index``: they depend on ``(seed, index)`` alone."""
        random = stream(seed, index, "labels")
        latent = self.root @ random.standard_normal(len(TARGETS))
        observed = latent + np.sqrt(1 - RHO) * random.standard_normal(len(TARGETS))
        grades = (observed[:, None] > self.cuts).sum(axis=1).astype(np.int8)
        missing, out_of_view = draw_missing(random)
        grades[missing] = MISSING
        return Severities(self.steps(latent), grades, self.probabilities(latent), out_of_view)

    def steps(self, latent: FloatArray) -> FloatArray:
        """(..., 25) latent severities on the scale where the cuts stand at 1 and 2."""
        first, second = self.cuts[:, 0], self.cuts[:, 1]
        distance = latent - first
        return 1 + np.where(distance < 0, distance / _STEP_BELOW, distance / (second - first))

    def probabilities(self, latent: FloatArray) -> FloatArray:
        """(..., 25, 3) probabilities of the grades that a rater gives to latent severities (..., 25)."""
        below = ndtr((self.cuts - latent[..., None]) / np.sqrt(1 - RHO))  # (..., 25, 2)
        return np.stack([below[..., 0], below[..., 1] - below[..., 0], 1 - below[..., 1]], axis=-1)


@cache
def label_model() -> LabelModel:
    """The model with the real data's correlation and class shares, from `label_statistics.json`."""
    counts = label_statistics()["counts_normal_moderate_severe_missing"]
    shares = np.array([counts[target.name][:3] for target in TARGETS], dtype=np.float64)
    shares = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    return LabelModel(root=np.array(_read("label_root.json")), cuts=ndtri(shares[:, :2]))


def covariance_root() -> FloatArray:
    """(25, 25) a root of the latent covariance: how `label_root.json` was made.

    It is stored since its directions without variance follow the rounding of the processor, and with them the labels.
    """
    correlation = np.array(label_statistics()["polychoric"])
    covariance = nearest_covariance(correlation - (1 - RHO) * np.eye(len(correlation)), diagonal=RHO)
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))


@cache
def label_statistics() -> dict:
    """Aggregates of the competition's label tables: counts, correlations, point positions, image sizes."""
    statistics: dict = _read("label_statistics.json")
    return statistics


def _read(name: str) -> Any:
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def nearest_covariance(matrix: FloatArray, *, diagonal: float, rounds: int = 500) -> FloatArray:
    """The positive semidefinite matrix with this diagonal that is nearest to ``matrix``.

    Alternating projections with Dykstra's correction (Higham 2002, doi:10.1093/imanum/22.3.329).
    """
    result, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(rounds):
        target = result - correction
        values, vectors = np.linalg.eigh(target)
        projected = (vectors * np.clip(values, 1e-9, None)) @ vectors.T
        correction = projected - target
        result = projected.copy()
        np.fill_diagonal(result, diagonal)
    values, vectors = np.linalg.eigh(result)
    result = (vectors * np.clip(values, 1e-9, None)) @ vectors.T
    scale = np.sqrt(diagonal / np.diag(result))
    return result * scale * scale[:, None]


def draw_missing(random: np.random.Generator) -> tuple[NDArray[np.bool_], int]:
    """(25,) mask of missing labels, and the number of upper levels that the axial series do not reach."""
    missing = np.zeros(len(TARGETS), dtype=bool)
    kinds = (
        _MISSING_SUBARTICULAR_1,
        _MISSING_SUBARTICULAR_2,
        _MISSING_SUBARTICULAR_LAST,
        _MISSING_FORAMINAL_RIGHT,
        _MISSING_FORAMINAL_BOTH,
        _MISSING_SPINAL,
    )
    kind = int(np.searchsorted(np.cumsum(kinds), random.random() * _STUDIES, side="right"))
    last_side = ("left", "right", None)[random.integers(3)]
    for index, target in enumerate(TARGETS):
        level = LEVELS.index(target.level)
        missing[index] = {
            0: target.condition == "subarticular" and level == 0,
            1: target.condition == "subarticular" and level <= 1,
            2: target.condition == "subarticular" and level == 4 and last_side in (None, target.side),
            3: target.condition == "foraminal" and target.side == "right",
            4: target.condition == "foraminal",
            5: target.condition == "spinal",
        }.get(kind, False)
    return missing, {0: 1, 1: 2}.get(kind, 0)


def tilted(probabilities: FloatArray) -> FloatArray:
    """Probabilities (..., 3) as the metric rewards them: times 1, 2, 4 and normalised."""
    weighted = probabilities * np.array(CLASS_WEIGHTS)
    return weighted / weighted.sum(axis=-1, keepdims=True)
