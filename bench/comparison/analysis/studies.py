"""Single studies: the hardest ones, and those on which two approaches disagree most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.comparison.analysis.predicted import Predicted, PredictedApproach, terms_of
from bench.metric.terms import FloatArray
from bench.targets import TARGETS

LISTED = 20
PER_PAIR = 5


@dataclass(frozen=True, slots=True)
class HardStudy:
    """A study with a large loss.

    Attributes:
        study: its id.
        loss: what it adds to the score, mean over the approaches of the main comparison.
        prior_loss: what it adds to the class prior's.
        worst_target: the target that adds most, by its name.
        grade: its label.
        by_approach: label -> what the study adds to that approach's score.
    """

    study: int
    loss: float
    prior_loss: float
    worst_target: str
    grade: int
    by_approach: dict[str, float]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A study that two approaches grade with very different losses.

    Attributes:
        first, second: labels of the pair.
        study: its id.
        difference: what it adds to the first's score minus what it adds to the second's.
        target: the target that differs most, by its name.
        grade: its label.
        said_first, said_second: the probabilities of its three grades.
    """

    first: str
    second: str
    study: int
    difference: float
    target: str
    grade: int
    said_first: tuple[float, ...]
    said_second: tuple[float, ...]


def hardest(predicted: Predicted) -> tuple[HardStudy, ...]:
    """The studies that add most to the score, mean over the approaches of the main comparison."""
    rivals = predicted.rivals
    if not rivals:
        return ()
    split = predicted.split
    shares = {each.label: _shares(each) for each in rivals}
    mean = np.mean(list(shares.values()), axis=0)
    prior = _shares_of(terms_of(split, predicted.prior).numerators, rivals[0])
    rows = np.mean([each.losses.mean(axis=0) * split.weights for each in rivals], axis=0)
    found = []
    for study in np.argsort(-mean, kind="stable")[:LISTED].tolist():
        worst = int(rows[study].argmax())
        by_approach = {label: float(values[study]) for label, values in shares.items()}
        found.append(
            HardStudy(
                int(split.study_ids[study]),
                float(mean[study]),
                float(prior[study]),
                TARGETS[worst].name,
                int(split.grades[study, worst]),
                by_approach,
            )
        )
    return tuple(found)


def disagreements(predicted: Predicted) -> tuple[Disagreement, ...]:
    """For each compared pair the studies whose losses differ most, by the size of the difference."""
    split, found = predicted.split, []
    for pair in predicted.comparison.differences:
        first, second = predicted.named(pair.first), predicted.named(pair.second)
        common = first.held_out & second.held_out
        difference = np.where(common, _shares(first) - _shares(second), 0.0)
        rows = (first.losses.mean(axis=0) - second.losses.mean(axis=0)) * split.weights
        for study in np.argsort(-np.abs(difference), kind="stable")[:PER_PAIR].tolist():
            if difference[study] == 0:
                continue
            target = int(np.abs(rows[study]).argmax())
            found.append(
                Disagreement(
                    pair.first,
                    pair.second,
                    int(split.study_ids[study]),
                    float(difference[study]),
                    TARGETS[target].name,
                    int(split.grades[study, target]),
                    tuple(first.mean[study, target].tolist()),
                    tuple(second.mean[study, target].tolist()),
                )
            )
    return tuple(found)


def _shares(of: PredictedApproach) -> FloatArray:
    """(N,) what each study adds to an approach's score."""
    return _shares_of(np.mean([terms.numerators for terms in of.pooled.terms.values()], axis=0), of)


def _shares_of(numerators: FloatArray, of: PredictedApproach) -> FloatArray:
    """(N,) what each study adds to the score that these numerators (N, 4) make on the approach's studies."""
    terms = next(iter(of.pooled.terms.values()))
    totals = terms.denominators[of.held_out].sum(axis=0)
    parts = np.divide(1.0, totals * (totals > 0).sum(), out=np.zeros(4), where=totals > 0)
    return np.where(of.held_out, numerators @ parts, 0.0)
