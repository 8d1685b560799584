"""Suspected label errors: labels that the approaches together call unlikely, and how many such labels to expect.

Every model calls some correct labels unlikely. If q were exactly right, a share q of labels with probability q would
still be drawn, so only an excess over that expectation speaks of label errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from bench.comparison.analysis.predicted import CONDITION_OF, Predicted, unweighted
from bench.metric.terms import FloatArray
from bench.targets import CONDITIONS, TARGETS

SUSPECT = 0.1  # labels below this probability are counted
LISTED = 100


@dataclass(frozen=True, slots=True)
class Suspect:
    """One label.

    Attributes:
        study: its id.
        target: index into `bench.targets.TARGETS`.
        grade: the label.
        likely: the grade with the largest q.
        probability: q of the label.
        probabilities: q of the three grades.
    """

    study: int
    target: int
    grade: int
    likely: int
    probability: float
    probabilities: tuple[float, float, float]

    @property
    def name(self) -> str:
        """The target's name, such as ``left_subarticular_stenosis_l4_l5``."""
        return TARGETS[self.target].name


@dataclass(frozen=True, slots=True)
class Excess:
    """Labels of one condition and class.

    Attributes:
        condition: one of `bench.targets.CONDITIONS`.
        grade: the label.
        labels: how many there are.
        observed: how many of them have q below `SUSPECT`.
        expected: how many of these labels there would be if q were exactly right.
        spread: the standard deviation of that number, labels independent.
    """

    condition: str
    grade: int
    labels: int
    observed: int
    expected: float
    spread: float

    @property
    def excess(self) -> float:
        """Observed minus expected."""
        return self.observed - self.expected


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """The list and the counts.

    Attributes:
        approaches: labels of the approaches whose mean q this is.
        labels: how many labels were examined.
        suspects: the least probable labels first, at most `LISTED`.
        excesses: by condition and class.
        rule_observed, rule_expected: share of labels with \\|label - p\\| >= .8 for any class, p with the weights 1, 2,
            4 in it, and what share to expect if q were exactly right: the rule is no evidence by itself.
    """

    approaches: tuple[str, ...]
    labels: int
    suspects: tuple[Suspect, ...]
    excesses: tuple[Excess, ...]
    rule_observed: float
    rule_expected: float


def label_errors(predicted: Predicted) -> LabelErrors | None:
    """From the mean q of the approaches of the main comparison, or the best one; None without any trained approach."""
    rivals = predicted.rivals
    if not rivals:
        return None
    weighted = np.mean([each.mean for each in rivals], axis=0)
    q = np.mean([unweighted(each.mean) for each in rivals], axis=0)
    grades = np.where(np.isfinite(q[..., 0]), predicted.split.grades, -1).astype(np.int8)
    observed, expected = rule_shares(grades, weighted, unweighted(weighted))
    return LabelErrors(
        approaches=tuple(each.label for each in rivals),
        labels=int((grades >= 0).sum()),
        suspects=suspects(predicted.split.study_ids, grades, q)[:LISTED],
        excesses=excesses(grades, q),
        rule_observed=observed,
        rule_expected=expected,
    )


def suspects(study_ids: NDArray[np.int64], grades: NDArray[np.int8], q: FloatArray) -> tuple[Suspect, ...]:
    """Labels by 1 - q, the least probable first; only those that are not the most probable grade.

    Args:
        study_ids: (N,).
        grades: (N, 25), -1 where there is no label.
        q: (N, 25, 3) class probabilities.
    """
    rows = np.argwhere((grades >= 0) & (q.argmax(axis=-1) != grades))
    own = q[rows[:, 0], rows[:, 1], grades[rows[:, 0], rows[:, 1]]]
    order = np.argsort(own, kind="stable")
    return tuple(
        Suspect(
            int(study_ids[study]),
            int(target),
            int(grades[study, target]),
            int(q[study, target].argmax()),
            float(own[place]),
            tuple(q[study, target].tolist()),
        )
        for place, (study, target) in zip(order.tolist(), rows[order].tolist(), strict=True)
    )


def excesses(grades: NDArray[np.int8], q: FloatArray) -> tuple[Excess, ...]:
    """Observed and expected numbers of improbable labels, by condition and class."""
    found = []
    for number, condition in enumerate(CONDITIONS):
        rows = (grades >= 0) & (number == CONDITION_OF)
        of_condition, labels = q[rows], grades[rows]
        for grade in range(3):
            own = of_condition[:, grade]
            improbable = own[own < SUSPECT]
            observed = int(((labels == grade) & (own < SUSPECT)).sum())
            spread = sqrt(float((improbable * (1 - improbable)).sum()))
            found.append(
                Excess(condition, grade, int((labels == grade).sum()), observed, float(improbable.sum()), spread)
            )
    return tuple(found)


def rule_shares(grades: NDArray[np.int8], weighted: FloatArray, q: FloatArray) -> tuple[float, float]:
    """Share of labels with \\|label - p\\| >= .8 in any class, and the share to expect if q were exactly right."""
    labelled = grades >= 0
    p, own, labels = weighted[labelled], q[labelled], grades[labelled].astype(int)
    flagged = np.stack([np.abs(np.eye(3)[grade] - p).max(axis=1) >= 0.8 for grade in range(3)], axis=1)  # (R, 3)
    if not len(labels):
        return float("nan"), float("nan")
    return float(flagged[np.arange(len(labels)), labels].mean()), float((flagged * own).sum(axis=1).mean())
