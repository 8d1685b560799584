"""Temperature scaling, fitted on the other folds only (Guo et al. 2017, "On calibration of modern neural networks")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from bench.comparison.analysis.predicted import CONDITION_OF, Mask, Predicted, PredictedApproach, normalised, terms_of
from bench.comparison.influence import score_influence
from bench.comparison.pooled import Split
from bench.comparison.statistics import PairedDifference, paired_difference
from bench.metric.terms import FloatArray
from bench.targets import CONDITIONS

# Fewer do not tell a temperature: at 100 studies it makes the score worse in three of four cases.
FEWEST_STUDIES = 400


@dataclass(frozen=True, slots=True)
class Scaled:
    """What temperature scaling does to one approach.

    Attributes:
        label: the approach.
        studies: how many.
        temperatures: by condition, the mean over folds and seeds; above 1 the predictions were too sure.
        paired: the scaled score minus the score as it is; its p is unadjusted.
    """

    label: str
    studies: int
    temperatures: dict[str, float]
    paired: PairedDifference


def temperature_scaling(predicted: Predicted) -> tuple[Scaled, ...]:
    """Of every trained approach with at least `FEWEST_STUDIES` studies and two folds."""
    return tuple(
        _scaled(each)
        for each in predicted.trained
        if each.held_out.sum() >= FEWEST_STUDIES and len(each.pooled.folds) > 1
    )


def _scaled(of: PredictedApproach) -> Scaled:
    split, held_out = of.split, of.held_out
    fitted: list[dict[str, float]] = []
    terms = []
    for said in of.probabilities:
        scaled, temperatures = scaled_out_of_fold(said, split, held_out)
        fitted += temperatures
        terms.append(terms_of(split, scaled)[held_out])
    score = score_influence(terms, split.fold[held_out])
    means = {condition: float(np.mean([each[condition] for each in fitted])) for condition in CONDITIONS}
    return Scaled(of.label, int(held_out.sum()), means, paired_difference(score, of.score(held_out)))


def scaled_out_of_fold(said: FloatArray, split: Split, held_out: Mask) -> tuple[FloatArray, list[dict[str, float]]]:
    """Predictions scaled by temperatures of the other folds, and these temperatures by fold and condition.

    Args:
        said: (N, 25, 3) predictions.
        split: labels and folds.
        held_out: (N,) the studies that are predicted; the others get 1/3.
    """
    scaled, fitted = said.copy(), []
    for fold in np.unique(split.fold[held_out]):
        inside, others = held_out & (split.fold == fold), held_out & (split.fold != fold)
        temperatures = {}
        for number, condition in enumerate(CONDITIONS):
            targets = np.equal(CONDITION_OF, number)
            one = fit(said[others][:, targets], split.grades[others][:, targets], split.weights[others][:, targets])
            temperatures[condition] = one
            scaled[np.ix_(inside, targets)] = tempered(said[np.ix_(inside, targets)], one)
        fitted.append(temperatures)
    scaled[~held_out] = 1 / 3
    return scaled, fitted


def tempered(said: FloatArray, temperature: float) -> FloatArray:
    """Probabilities (..., 3) to the power 1 / temperature, normalised."""
    return normalised(np.exp(np.log(said) / temperature - (np.log(said) / temperature).max(axis=-1, keepdims=True)))


def fit(said: FloatArray, grades: NDArray[np.int8], weights: FloatArray) -> float:
    """The temperature with the lowest weighted log loss, between 1/5 and 5.

    Args:
        said: (N, T, 3).
        grades: (N, T), -1 where there is no label.
        weights: (N, T).
    """
    labelled = grades >= 0
    logits, true, weight = np.log(said[labelled]), grades[labelled].astype(int), weights[labelled]

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        shifted = scaled - scaled.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1))
        return float((weight * (log_sum - shifted[np.arange(len(true)), true])).sum())

    if not len(true):
        return 1.0
    return float(np.exp(minimize_scalar(loss, bounds=(-np.log(5), np.log(5)), method="bounded").x))
