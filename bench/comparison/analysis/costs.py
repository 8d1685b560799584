"""What approaches cost, which of them no other beats in both score and cost, and learning curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.comparison.families import PRIOR
from bench.comparison.results import ApproachResult, Comparison
from bench.jobs.result import Result


@dataclass(frozen=True, slots=True)
class Cost:
    """One approach; seconds and counts are summed over folds, mean over seeds.

    Attributes:
        label: the approach.
        studies: how many studies it has graded.
        score: its pooled score.
        interval: of the score.
        fit_seconds, fit_cpu_seconds: of training, stages that another job trained included; wall and CPU time.
        predict_seconds, predict_cpu_seconds: of predicting.
        peak_memory_mb: of the process tree of the greediest job; None where unknown.
        peak_gpu_memory_mb: reserved on a CUDA device by the greediest job; None where no job used one.
        parameters: of one job, the largest; None where a model has none to count.
        multiply_adds: per study, of one job, the largest; None where they were not counted.
        pareto: whether no complete approach at this or another train fraction is both cheaper and better; False for
            incomplete ones.
    """

    label: str
    studies: int
    score: float
    interval: tuple[float, float]
    fit_seconds: float
    fit_cpu_seconds: float
    predict_seconds: float
    predict_cpu_seconds: float
    peak_memory_mb: float | None
    peak_gpu_memory_mb: float | None
    parameters: int | None
    multiply_adds: int | None
    pareto: bool

    @property
    def cpu_seconds(self) -> float:
        """Of training and predicting."""
        return self.fit_cpu_seconds + self.predict_cpu_seconds

    @property
    def seconds(self) -> float:
        """Wall time of training and predicting."""
        return self.fit_seconds + self.predict_seconds


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """An approach trained on a share of the training studies."""

    fraction: float
    score: float
    interval: tuple[float, float]
    studies: int


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """One approach and preset over train fractions, ascending."""

    name: str
    points: tuple[LearningPoint, ...]


def costs(comparison: Comparison) -> tuple[Cost, ...]:
    """Of every approach whose costs are known, in the order of the comparison; imported ones have none."""
    known = [(result, seconds) for result in comparison.approaches if (seconds := _seconds(result)) is not None]
    complete = [(result.estimate.score, sum(seconds), result.label) for result, seconds in known if result.complete]
    front = {mine[2] for mine in complete if not any(_dominates(other[:2], mine[:2]) for other in complete)}
    return tuple(_cost(result, *seconds, pareto=result.label in front) for result, seconds in known)


def learning_curves(comparison: Comparison) -> tuple[LearningCurve, ...]:
    """Of every approach with at least two train fractions, complete lines alone."""
    groups: dict[tuple[str, str, str], list[ApproachResult]] = {}
    for result in comparison.approaches:
        if result.complete and result.approach != PRIOR:
            groups.setdefault((result.approach, result.preset, result.config_hash), []).append(result)
    return tuple(
        LearningCurve(
            f"{approach}-{preset}",
            tuple(
                LearningPoint(each.train_fraction, each.estimate.score, each.estimate.interval, each.studies)
                for each in sorted(lines, key=lambda line: line.train_fraction)
            ),
        )
        for (approach, preset, _), lines in groups.items()
        if len(lines) > 1
    )


def _seconds(result: ApproachResult) -> tuple[float, float] | None:
    """Of training and of predicting; None where they are unknown."""
    if result.fit_seconds is None or result.predict_seconds is None:
        return None
    return result.fit_seconds, result.predict_seconds


def _dominates(theirs: tuple[float, float], mine: tuple[float, float]) -> bool:
    """Whether another (score, seconds) is at least as good and as cheap, and in one of the two strictly."""
    return all(a <= b for a, b in zip(theirs, mine, strict=True)) and theirs != mine


def _cost(result: ApproachResult, fit_seconds: float, predict_seconds: float, *, pareto: bool) -> Cost:
    results = [job.result for job in result.jobs]
    seeds = len(result.seeds)
    return Cost(
        label=result.label,
        studies=result.studies,
        score=result.estimate.score,
        interval=result.estimate.interval,
        fit_seconds=fit_seconds,
        fit_cpu_seconds=sum(each.fit_cpu_seconds for each in results) / seeds,
        predict_seconds=predict_seconds,
        predict_cpu_seconds=sum(each.predict_cpu_seconds for each in results) / seeds,
        peak_memory_mb=result.peak_memory_mb,
        peak_gpu_memory_mb=max((each.peak_gpu_memory_mb or 0.0 for each in results), default=0.0) or None,
        parameters=_largest(results, lambda each: each.parameters),
        multiply_adds=_largest(results, lambda each: each.multiply_adds_per_study),
        pareto=pareto,
    )


def _largest(results: Sequence[Result], value: Callable[[Result], int | None]) -> int | None:
    """The largest count that any job has; None where none has one, and for a count of 0: nothing to count."""
    return max((count for each in results if (count := value(each)) is not None), default=None) or None
