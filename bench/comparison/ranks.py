"""How stable a ranking is: ranks over bootstrap samples of the studies, as biomedical challenges report them.

Source: Wiesenfarth et al. 2021, "Methods and open-source toolkit for analyzing and visualizing challenge results".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from bench.comparison.influence import Influence, mean_terms
from bench.comparison.resampling import StudyDraws, score_draws
from bench.metric import StudyTerms
from bench.metric.terms import FloatArray


@dataclass(frozen=True, slots=True)
class RankStability:
    """Ranks of a family's approaches over resamples.

    Attributes:
        labels: the approaches, by score.
        shares: for each approach the share of resamples in which it has rank 1, 2, ...; tied ones share the better.
        kendall_tau: mean over resamples of Kendall's tau between their order and the order on all studies.
    """

    labels: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    kendall_tau: float


def approach_draws(
    seeds: Sequence[StudyTerms], influence: Influence, draws: StudyDraws, *, key: str, seed: int = 0
) -> FloatArray:
    """(R,) scores of one approach on resampled studies, with the variance that its seeds add to it.

    Args:
        seeds: terms (N,) of each seed, on the studies that `draws` resamples.
        influence: of their mean score.
        draws: the same for all approaches.
        key: what names the approach whatever else is compared; its seeds' draws depend on it and on nothing else.
        seed: of the drawing.
    """
    scores = score_draws(mean_terms(seeds), draws)
    added = max(0.0, float(influence.seed_variances.sum()) - influence.interaction)
    if added == 0:
        return scores
    digest = hashlib.sha256(key.encode()).digest()
    random = np.random.default_rng([seed, *np.frombuffer(digest, dtype=np.uint32).tolist()])
    return np.asarray(scores + sqrt(added) * random.standard_normal(len(scores)))


def rank_stability(labels: Sequence[str], scores: Sequence[float], draws: FloatArray) -> RankStability:
    """Ranks over resamples.

    Args:
        labels: A approaches.
        scores: (A,) on all studies.
        draws: (R, A) of `approach_draws`.
    """
    ranks = 1 + (draws[:, None, :] < draws[:, :, None]).sum(axis=2)  # (R, A): how many are strictly better
    shares = [(ranks == rank).mean(axis=0) for rank in range(1, len(labels) + 1)]
    first, second = np.triu_indices(len(labels), k=1)
    observed = np.asarray(scores)
    order = np.sign(observed[first] - observed[second])
    tau = float((np.sign(draws[:, first] - draws[:, second]) * order).mean())
    by_approach = np.column_stack(shares).tolist()
    return RankStability(tuple(labels), tuple(map(tuple, by_approach)), tau)
