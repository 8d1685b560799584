"""Differences of pairs by part of the score, by condition and side, and by level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.comparison.analysis.predicted import Mask, Predicted, PredictedApproach
from bench.comparison.influence import Influence, score_influence
from bench.comparison.statistics import PairedDifference, paired_difference
from bench.metric import PARTS, StudyTerms
from bench.targets import LEVELS, TARGETS


@dataclass(frozen=True, slots=True)
class DifferenceBy:
    """A pair's difference on some of the targets.

    Attributes:
        first, second: labels, as in `bench.comparison.results.Difference`.
        by: ``part``, ``condition`` or ``level``.
        name: which one, such as ``spinal``, ``left_subarticular_stenosis`` or ``l4_l5``.
        studies: how many studies both have graded and that carry a label for it.
        paired: the first's weighted log loss minus the second's; its p is unadjusted.
    """

    first: str
    second: str
    by: str
    name: str
    studies: int
    paired: PairedDifference


def differences_by(predicted: Predicted) -> tuple[DifferenceBy, ...]:
    """Of every compared pair, in the order of the comparison; what no study has a label for is left out."""
    kinds: list[tuple[str, str, Callable[[PredictedApproach, Mask], Influence]]] = []
    kinds += [("part", name, _of_part(number)) for number, name in enumerate(PARTS)]
    names = list(dict.fromkeys(target.condition_with_side for target in TARGETS))
    kinds += [("condition", name, _of_targets([t.condition_with_side == name for t in TARGETS])) for name in names]
    kinds += [("level", level, _of_targets([t.level == level for t in TARGETS])) for level in LEVELS]
    cache: dict[tuple[str, str, str, bytes], Influence] = {}
    found = []
    for pair in predicted.comparison.differences:
        first, second = predicted.named(pair.first), predicted.named(pair.second)
        common = first.held_out & second.held_out
        for by, name, influence in kinds:
            both = []
            for each in (first, second):
                key = (each.label, by, name, common.tobytes())
                if key not in cache:
                    cache[key] = influence(each, common)
                both.append(cache[key])
            if np.isfinite(both[0].value) and np.isfinite(both[1].value):
                paired = paired_difference(*both)
                labelled = _labelled(predicted, by, name)
                found.append(DifferenceBy(pair.first, pair.second, by, name, int((common & labelled).sum()), paired))
    return tuple(found)


def _of_part(number: int) -> Callable[[PredictedApproach, Mask], Influence]:
    def influence(of: PredictedApproach, studies: Mask) -> Influence:
        seeds = []
        for terms in of.pooled.terms.values():
            only = StudyTerms(np.zeros((int(studies.sum()), 4)), np.zeros((int(studies.sum()), 4)))
            only.numerators[:, number] = terms.numerators[studies, number]
            only.denominators[:, number] = terms.denominators[studies, number]
            seeds.append(only)
        return score_influence(seeds, of.split.fold[studies])

    return influence


def _of_targets(chosen: list[bool]) -> Callable[[PredictedApproach, Mask], Influence]:
    return lambda of, studies: of.loss_of(np.array(chosen), studies)


def _labelled(predicted: Predicted, by: str, name: str) -> Mask:
    """(N,) studies with a label for it."""
    word = name if name != "any_severe_spinal" else "spinal"
    attribute = {"part": "condition", "condition": "condition_with_side", "level": "level"}[by]
    targets = np.array([getattr(target, attribute) == word for target in TARGETS])
    return np.asarray((predicted.split.grades[:, targets] >= 0).any(axis=1))
