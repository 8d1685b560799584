"""What localisation errors cost: the score with the approach's own points against that with the annotators'."""

from __future__ import annotations

from dataclasses import dataclass

from bench.comparison.analysis.predicted import Predicted
from bench.comparison.influence import score_influence
from bench.comparison.statistics import PairedDifference, paired_difference


@dataclass(frozen=True, slots=True)
class LocationCost:
    """One approach that was also run on the annotators' points.

    Attributes:
        label: the approach.
        studies: how many.
        own, annotators: the two scores.
        paired: own minus annotators', the cost of localisation errors; p is unadjusted.
    """

    label: str
    studies: int
    own: float
    annotators: float
    paired: PairedDifference


def location_costs(predicted: Predicted) -> tuple[LocationCost, ...]:
    """Of every approach whose jobs all have the true-point pass."""
    found = []
    for each in predicted.approaches:
        if each.pooled.true_points is None:
            continue
        studies, folds = each.held_out, predicted.split.fold[each.held_out]
        with_points = score_influence([terms[studies] for terms in each.pooled.true_points.values()], folds)
        own = each.score(studies)
        cost = paired_difference(own, with_points)
        found.append(LocationCost(each.label, int(studies.sum()), own.value, with_points.value, cost))
    return tuple(found)
