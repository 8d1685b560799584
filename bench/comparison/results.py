"""What a comparison says: plain data, ready to be shown. Scores are losses: lower is better."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.comparison.statistics import PairedDifference
from bench.jobs.store import StoredJob
from bench.metric.localisation import ConditionLocalisation

SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class Estimate:
    """A pooled score with its 95 % interval from resampling studies, and its four parts.

    Attributes:
        score: the mean over seeds where there are several.
        interval: lower and upper end.
        parts: by the names of `bench.metric.PARTS`; NaN for one that no study has a label for.
    """

    score: float
    interval: tuple[float, float]
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FoldScore:
    """The score on one held-out fold, by seed."""

    fold: int
    studies: int
    by_seed: Mapping[int, float]

    @property
    def score(self) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.by_seed.values())


@dataclass(frozen=True, slots=True, eq=False)
class ApproachResult:
    """One approach in one configuration, over all its finished folds and seeds.

    Attributes:
        label: what it is called in tables; unlike `approach`, it tells configurations apart.
        approach: the plug-in's name.
        preset: the name of its configuration.
        config_hash: of the resolved configuration.
        train_fraction: the share of the training studies that was used.
        seeds: those that are counted: all of them have the folds in `folds`.
        folds: the finished folds.
        of_folds: how many folds the split has.
        studies: how many studies these folds hold.
        estimate: the pooled out-of-fold score, every study once a seed.
        prior: what the class prior scores on the same studies.
        versus_prior: score minus that of the prior, paired.
        skill: (prior - score) / (prior - floor); None where no floor is known.
        fit_seconds: of all folds together, mean over seeds.
        predict_seconds: likewise.
        peak_memory_mb: of the greediest job.
        true_points: the pooled score of the true-point pass, where every job has one; never ranked.
        localisation: its points held against the annotators', by condition; None unless every job has any.
        notes: what a reader must know of this line, in words.
        jobs: the jobs that it was made from.
    """

    label: str
    approach: str
    preset: str
    config_hash: str
    train_fraction: float
    seeds: tuple[int, ...]
    folds: tuple[FoldScore, ...]
    of_folds: int
    studies: int
    estimate: Estimate
    prior: float
    versus_prior: PairedDifference
    skill: float | None
    fit_seconds: float
    predict_seconds: float
    peak_memory_mb: float | None
    true_points: float | None
    localisation: Mapping[str, ConditionLocalisation] | None
    notes: tuple[str, ...]
    jobs: tuple[StoredJob, ...]

    @property
    def complete(self) -> bool:
        """Whether every fold of the split is finished."""
        return len(self.folds) == self.of_folds

    @property
    def beats_prior(self) -> bool:
        """Whether these data tell it apart from the class prior, and it is the better of the two."""
        return self.versus_prior.difference < 0 and self.versus_prior.p < SIGNIFICANCE

    @property
    def fold_mean(self) -> float:
        """The mean of the folds' scores; not the pooled score, since the metric is no mean over studies."""
        return statistics.fmean(fold.score for fold in self.folds)

    @property
    def fold_spread(self) -> float | None:
        """The standard deviation of the folds' scores; None for a single fold."""
        return statistics.stdev(fold.score for fold in self.folds) if len(self.folds) > 1 else None


@dataclass(frozen=True, slots=True)
class Difference:
    """Two approaches on the studies that both have graded.

    Attributes:
        first, second: their labels; `paired` is the first's score minus the second's.
        studies: how many studies they have in common.
        paired: the difference, its 95 % interval, its p-value.
        p_adjusted: that p-value after Holm's adjustment over all pairs of the comparison.
    """

    first: str
    second: str
    studies: int
    paired: PairedDifference
    p_adjusted: float

    @property
    def separable(self) -> bool:
        """Whether these data tell the two apart."""
        return self.p_adjusted < SIGNIFICANCE

    @property
    def verdict(self) -> str:
        """The same in words."""
        if not self.separable:
            return "not separable"
        return f"{self.first if self.paired.difference < 0 else self.second} is better"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A job that counts nowhere, and why."""

    label: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Everything that is known of one data set in one split.

    Attributes:
        dataset: as the user named it, such as ``phantom:small``.
        data_hash, fold_hash: what tells this data and this split from others.
        of_folds: how many folds the split has.
        studies: how many studies the split has.
        prior: the class prior on the studies of all finished folds.
        prior_studies: how many these are.
        floor: what is known of the best reachable score (``score``, ``parts``); None where nothing is.
        approaches: complete ones first, by score.
        differences: of all pairs with common studies, the better-placed approach first.
        excluded: studies left out for all approaches alike, with the reason.
        unfinished: jobs in the store that count nowhere.
        notes: what a reader must know of the whole, in words.
        caveat: what the data set says about its scope (`bench.dataset.DataSet.caveat`); None if nothing.
    """

    dataset: str
    data_hash: str
    fold_hash: str
    of_folds: int
    studies: int
    prior: Estimate
    prior_studies: int
    floor: Mapping[str, Any] | None
    approaches: tuple[ApproachResult, ...]
    differences: tuple[Difference, ...]
    excluded: Mapping[int, str]
    unfinished: tuple[Unfinished, ...]
    notes: tuple[str, ...]
    caveat: str | None

    @property
    def ranked(self) -> bool:
        """Whether there are several complete approaches, each with several seeds: then approaches are compared."""
        complete = [result for result in self.approaches if result.complete]
        return len(complete) > 1 and all(len(result.seeds) > 1 for result in complete)

    def rank(self, result: ApproachResult) -> int | None:
        """1 + how many complete approaches are separably better; None where nothing is ranked."""
        if not self.ranked or not result.complete:
            return None
        complete = {other.label for other in self.approaches if other.complete}
        worse = [(d.second if d.paired.difference < 0 else d.first, d) for d in self.differences if d.separable]
        return 1 + sum(loser == result.label and {d.first, d.second} <= complete for loser, d in worse)
