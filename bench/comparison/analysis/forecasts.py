"""What the jobs of an approach were forecast to cost, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.comparison.results import ApproachResult, Comparison
from bench.jobs.result import StoredForecast


@dataclass(frozen=True, slots=True)
class ForecastCost:
    """One approach; sums are over folds, mean over seeds, like those of `Cost`.

    Attributes:
        label: the approach.
        studies: how many it has graded.
        training_multiply_adds, prediction_multiply_adds: forecast, of all studies.
        prediction_per_study, measured_per_study: multiply-adds of grading one study; None where not measured.
        parameters, measured_parameters: of one job, the largest.
        gpu_memory_mb, measured_gpu_memory_mb: of one job on a GPU, the largest; None where none was used.
        memory_mb, measured_memory_mb: main memory, likewise; forecast for a job that computes on a GPU.
        disk_mb: beside the cache, of all folds run one after the other.
        cpu_seconds: CPU time that fitting and predicting took.
        slices: that are read.
    """

    label: str
    studies: int
    training_multiply_adds: float
    prediction_multiply_adds: float
    prediction_per_study: float
    measured_per_study: int | None
    parameters: int
    measured_parameters: int | None
    gpu_memory_mb: float
    measured_gpu_memory_mb: float | None
    memory_mb: float
    measured_memory_mb: float | None
    disk_mb: float
    cpu_seconds: float
    slices: float

    @property
    def operations(self) -> float:
        """Floating-point operations, two per multiply-add."""
        return 2 * (self.training_multiply_adds + self.prediction_multiply_adds)


def forecast_costs(comparison: Comparison) -> tuple[ForecastCost, ...]:
    """Of every approach whose jobs all carry a forecast, in the order of the comparison."""
    found = []
    for approach in comparison.approaches:
        forecasts = [job.result.forecast for job in approach.jobs]
        known = [one for one in forecasts if one is not None]
        if known and len(known) == len(forecasts):
            found.append(_cost(approach, known))
    return tuple(found)


def _cost(approach: ApproachResult, forecasts: Sequence[StoredForecast]) -> ForecastCost:
    results, seeds = [job.result for job in approach.jobs], len(approach.seeds)
    prediction = sum(one.prediction_multiply_adds for one in forecasts) / seeds
    gpu = [each.peak_gpu_memory_mb for each in results if each.peak_gpu_memory_mb is not None]
    return ForecastCost(
        label=approach.label,
        studies=approach.studies,
        training_multiply_adds=sum(one.training_multiply_adds for one in forecasts) / seeds,
        prediction_multiply_adds=prediction,
        prediction_per_study=prediction / max(approach.studies, 1),
        measured_per_study=max((each.multiply_adds_per_study or 0 for each in results), default=0) or None,
        parameters=max(one.parameters for one in forecasts),
        measured_parameters=max((each.parameters or 0 for each in results), default=0) or None,
        gpu_memory_mb=max(one.gpu_memory_mb for one in forecasts),
        measured_gpu_memory_mb=max(gpu, default=None),
        memory_mb=max(one.memory_mb for one in forecasts),
        measured_memory_mb=approach.peak_memory_mb,
        disk_mb=sum(one.stored_mb for one in forecasts) / seeds
        + max(one.working_mb + one.shared_mb for one in forecasts),
        cpu_seconds=sum(each.fit_cpu_seconds + each.predict_cpu_seconds for each in results) / seeds,
        slices=sum(one.slices for one in forecasts) / seeds,
    )
