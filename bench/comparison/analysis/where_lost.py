"""Where the loss comes from: the share of every condition, level and true grade in the score."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from bench.comparison.analysis.predicted import CONDITION_OF, Predicted, PredictedApproach, ratio, row_losses, terms_of
from bench.comparison.statistics import estimated
from bench.metric.terms import FloatArray
from bench.targets import CONDITIONS, LEVELS, TARGETS

_LEVEL_OF = np.array([LEVELS.index(target.level) for target in TARGETS])


@dataclass(frozen=True, slots=True)
class LossShare:
    """Rows of one condition, level and true grade.

    Attributes:
        label: the approach.
        condition: of `bench.targets.CONDITIONS`, or ``any_severe_spinal``.
        level: the disc level; empty for ``any_severe_spinal``.
        grade: the true grade; for ``any_severe_spinal`` 1 where a level is severe, else 0.
        rows: how many labels these are.
        loss: their mean log loss, unweighted.
        interval: its 95 % interval, by study and seed.
        share: what they add to the score; all shares of an approach sum to its score.
        prior_loss, prior_share: the same for the class prior on the same rows.
    """

    label: str
    condition: str
    level: str
    grade: int
    rows: int
    loss: float
    interval: tuple[float, float]
    share: float
    prior_loss: float
    prior_share: float


def loss_shares(predicted: Predicted) -> tuple[LossShare, ...]:
    """Of every approach, conditions and levels in order. Cells without labels are left out."""
    prior_losses = row_losses(predicted.split.grades, predicted.prior)
    return tuple(share for each in predicted.approaches for share in _of_approach(each, predicted, prior_losses))


def _of_approach(of: PredictedApproach, predicted: Predicted, prior_losses: FloatArray) -> list[LossShare]:
    split = predicted.split
    held_out = of.held_out
    weights = np.where(held_out[:, None], split.weights, 0.0)
    totals = np.array([weights[:, number == CONDITION_OF].sum() for number in range(len(CONDITIONS))])
    any_terms = [terms[held_out] for terms in of.pooled.terms.values()]
    any_total = any_terms[0].denominators[:, 3].sum()
    parts = int((totals > 0).sum() + (any_total > 0))
    losses = of.losses.mean(axis=0)
    shares = []
    for number, level, grade in product(range(len(CONDITIONS)), range(len(LEVELS)), range(3)):
        cell = (split.grades == grade) & held_out[:, None] & (number == CONDITION_OF) & (level == _LEVEL_OF)
        if not cell.any():
            continue
        mean = estimated(
            ratio([one[held_out] for one in of.losses], cell[held_out].astype(float), split.fold[held_out])
        )
        share, prior_share = (
            float((weights * values)[cell].sum()) / totals[number] / parts for values in (losses, prior_losses)
        )
        shares.append(
            LossShare(
                of.label,
                CONDITIONS[number],
                LEVELS[level],
                grade,
                int(cell.sum()),
                mean.value,
                mean.interval,
                share,
                float(prior_losses[cell].mean()),
                prior_share,
            )
        )
    return shares + _any_severe(of, predicted, parts)


def _any_severe(of: PredictedApproach, predicted: Predicted, parts: int) -> list[LossShare]:
    """The fourth part of the score, by whether any spinal level is severe."""
    held_out, split = of.held_out, predicted.split
    spinal = split.grades[:, CONDITION_OF == 0]
    truth = (spinal == 2).any(axis=1)
    own = np.mean([terms.numerators[:, 3] for terms in of.pooled.terms.values()], axis=0)
    prior = terms_of(split, predicted.prior)
    weights = prior.denominators[:, 3]
    total = weights[held_out].sum()
    shares = []
    for grade in (0, 1):
        cell = held_out & (weights > 0) & (truth == bool(grade))
        if not cell.any():
            continue
        inverse = np.divide(1.0, weights, out=np.zeros_like(weights), where=weights > 0)
        seeds = [(terms.numerators[:, 3] * inverse)[held_out, None] for terms in of.pooled.terms.values()]
        mean = estimated(ratio(seeds, cell[held_out, None].astype(float), split.fold[held_out]))
        shares.append(
            LossShare(
                of.label,
                "any_severe_spinal",
                "",
                grade,
                int(cell.sum()),
                mean.value,
                mean.interval,
                float(own[cell].sum() / total / parts),
                float((prior.numerators[:, 3] * inverse)[cell].mean()),
                float(prior.numerators[cell, 3].sum() / total / parts),
            )
        )
    return shares
