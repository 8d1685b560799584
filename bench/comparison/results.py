"""What a comparison says: plain data, ready to be shown. Scores are losses: lower is better."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.comparison.ranks import RankStability
from bench.comparison.statistics import PairedDifference
from bench.jobs.result import Imported
from bench.jobs.store import StoredJob
from bench.metric.localisation import ConditionLocalisation

SIGNIFICANCE = 0.05
RANKED_SEEDS = 3  # fewer say too little of the variance between trainings


@dataclass(frozen=True, slots=True)
class Estimate:
    """A pooled score with its 95 % interval, and its four parts.

    Attributes:
        score: the mean over seeds where there are several.
        interval: lower and upper end; it covers studies and, where there are several, training seeds.
        standard_error: the square root of the variance that the interval is made from; NaN where it is not known.
        df: its degrees of freedom.
        parts: by the names of `bench.metric.PARTS`; NaN for one that no study has a label for.
    """

    score: float
    interval: tuple[float, float]
    standard_error: float
    df: float
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
        versus_prior: score minus that of the prior, paired; its p is unadjusted.
        skill: (prior - score) / (prior - floor); None where no floor is known.
        skill_interval: its 95 % interval, by study and paired; None likewise.
        ablation_of: the preset that it changes; None for what is no ablation.
        fit_seconds: of all folds together, mean over seeds; None for imported predictions.
        predict_seconds: likewise.
        peak_memory_mb: of the greediest job.
        true_points: the pooled score of the true-point pass, where every job has one; never ranked.
        localisation: its points held against the annotators', by condition; None unless every job has any.
        notes: what a reader must know of this line, in words.
        jobs: the jobs that it was made from.
        imported: where its predictions come from if they were made elsewhere, and how many rows were filled.
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
    skill_interval: tuple[float, float] | None
    ablation_of: str | None
    fit_seconds: float | None
    predict_seconds: float | None
    peak_memory_mb: float | None
    true_points: float | None
    localisation: Mapping[str, ConditionLocalisation] | None
    notes: tuple[str, ...]
    jobs: tuple[StoredJob, ...]
    imported: Imported | None = None

    @property
    def complete(self) -> bool:
        """Whether every fold of the split is finished."""
        return len(self.folds) == self.of_folds

    @property
    def in_process(self) -> bool:
        """Whether any of its jobs ran in the process that asked for it, such as a notebook's."""
        return any(job.result.in_process for job in self.jobs)

    @property
    def beats_prior(self) -> bool:
        """Whether it is separable from the class prior, p unadjusted, and the better of the two."""
        return self.versus_prior.difference < 0 and self.versus_prior.p < SIGNIFICANCE

    @property
    def prior_verdict(self) -> str:
        """How it compares with the class prior, p unadjusted, in words."""
        if not self.versus_prior.p < SIGNIFICANCE:
            return "not separable from the class prior"
        return f"{'better' if self.beats_prior else 'worse'} than the class prior"

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
        paired: the difference, its 95 % interval, its unadjusted p-value.
        p_adjusted: that p-value adjusted for all pairs of the family (single-step max-T).
        detectable: the smallest true difference that these studies and seeds could separate with 80 % power, in one
            comparison.
        family: the name of the family, one of `Comparison.families`.
    """

    first: str
    second: str
    studies: int
    paired: PairedDifference
    p_adjusted: float
    detectable: float
    family: str

    @property
    def separable(self) -> bool:
        """Whether the two differ by the adjusted p-value; never where that is NaN."""
        return self.p_adjusted < SIGNIFICANCE

    @property
    def verdict(self) -> str:
        """The same in words; with one seed, it is about the trained models."""
        n = f"n = {self.studies}"
        if not self.separable:
            return f"these trained models: not separable ({n})" if self.paired.one_seed else f"not separable ({n})"
        better = f"{self.first if self.paired.difference < 0 else self.second} is better ({n})"
        return f"these trained models differ: {better}" if self.paired.one_seed else better


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """Approaches that are compared with each other, their p-values adjusted together.

    Attributes:
        kind: ``main``, ``learning curve``, ``ablations`` or ``incomplete``; see `bench.comparison.families`.
        name: the same for a reader.
        labels: its approaches, in the order of the table.
        pairs: how many pairs it has.
        seeds: the fewest training seeds of any of them.
        studies: the fewest studies of any pair.
        detectable: the median over its pairs of `Difference.detectable`.
        p_adjusted: (A, A) the significance matrix: adjusted p-values, NaN where a pair is not compared.
        stability: ranks over bootstrap samples of the studies; None unless it is a main family.
    """

    kind: str
    name: str
    labels: tuple[str, ...]
    pairs: int
    seeds: int
    studies: int
    detectable: float
    p_adjusted: tuple[tuple[float, ...], ...]
    stability: RankStability | None

    @property
    def ranked(self) -> bool:
        """Whether approaches are ranked: complete ones, each with at least three seeds."""
        return self.kind == "main" and self.seeds >= RANKED_SEEDS


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
        families: which approaches are compared with each other; the main comparison first.
        differences: of all their pairs with common studies, the better-placed approach first.
        resamples: how many bootstrap samples of studies were drawn for adjusted p-values and ranks.
        redrawn: how many of them lacked a part of the score and were drawn again.
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
    families: tuple[FamilyResult, ...]
    differences: tuple[Difference, ...]
    resamples: int
    redrawn: int
    excluded: Mapping[int, str]
    unfinished: tuple[Unfinished, ...]
    notes: tuple[str, ...]
    caveat: str | None

    @property
    def ranked(self) -> bool:
        """Whether any approaches are ranked: see `FamilyResult.ranked`."""
        return any(family.ranked for family in self.families)

    def family_of(self, result: ApproachResult) -> FamilyResult | None:
        """The main comparison that an approach is in; None for the prior, ablations and incomplete ones."""
        mains = (family for family in self.families if family.kind == "main")
        return next((family for family in mains if result.label in family.labels), None)

    def rank(self, result: ApproachResult) -> int | None:
        """1 + how many approaches of its main comparison are separably better; None where nothing is ranked."""
        family = self.family_of(result)
        if family is None or not family.ranked:
            return None
        own = [d for d in self.differences if d.family == family.name and d.separable]
        losers = [d.second if d.paired.difference < 0 else d.first for d in own]
        return 1 + losers.count(result.label)
